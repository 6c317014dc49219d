/** The protocol's table, ready for use. */
import { protocolTable } from "./protocol-table.ts";

export interface Argument {
	readonly kind: "i" | "u" | "f" | "s" | "a" | "h" | "o" | "n";
	readonly isOptional: boolean;
	/** Of an object; undefined where any will do, or where the wire says which. */
	readonly interfaceName: string | undefined;
}

export interface Message {
	/** "wl_surface.attach" */
	readonly name: string;
	readonly opcode: number;
	readonly since: number;
	/** Its object is gone after it. */
	readonly isDestructor: boolean;
	readonly arguments: readonly Argument[];
	/** How many file descriptors come with it. */
	readonly fds: number;
}

export interface Interface {
	readonly name: string;
	readonly version: number;
	readonly requests: readonly Message[];
	readonly events: readonly Message[];
}

function parseArgument(word: string): Argument {
	const [, optional = "", kind = "", interfaceName] = /^(\??)([iufsahon])(?::(\w+))?$/.exec(word) ?? [];
	return { kind: kind as Argument["kind"], isOptional: optional !== "", interfaceName };
}

function parseMessage(interfaceName: string, opcode: number, words: readonly string[]): Message {
	const [head = "", ...rest] = words;
	const [, name = "", since, end] = /^(\w+)(?:@(\d+))?(!?)$/.exec(head) ?? [];
	const args = rest.map(parseArgument);
	return {
		name: `${interfaceName}.${name}`,
		opcode,
		since: Number(since ?? 1),
		isDestructor: end === "!",
		arguments: args,
		fds: args.filter(({ kind }) => kind === "h").length,
	};
}

function parseTable(table: string): ReadonlyMap<string, Interface> {
	const interfaces = new Map<string, Interface & { requests: Message[]; events: Message[] }>();
	let current: (Interface & { requests: Message[]; events: Message[] }) | undefined;
	for (const line of table.trim().split("\n")) {
		const [mark, ...words] = line.split(" ");
		if (mark === "interface") {
			current = { name: words[0] ?? "", version: Number(words[1]), requests: [], events: [] };
			interfaces.set(current.name, current);
			continue;
		}
		const messages = mark === ">" ? current?.requests : current?.events;
		messages?.push(parseMessage(current?.name ?? "", messages.length, words));
	}
	return interfaces;
}

/** By name. */
export const interfaces = parseTable(protocolTable);

const messages = new Map(
	[...interfaces.values()].flatMap(({ requests, events }) =>
		[...requests, ...events].map((message) => [message.name, message] as const),
	),
);

/** One that is known to be there: a name in our own code. */
export function interfaceOf(name: string): Interface {
	const known = interfaces.get(name);
	if (known === undefined) throw new Error(`no interface ${name} in the table`);
	return known;
}

/** "wl_surface.attach"; no interface has a request and an event of the same name that we make ourselves. */
export function messageOf(name: string): Message {
	const known = messages.get(name);
	if (known === undefined) throw new Error(`no message ${name} in the table`);
	return known;
}
