/** Everything that reads bytes which a guest, a client or a broker has sent: where a fuzzer gets at us. */
import { encodeAttach, encodeExec, parseAttach, parseExec } from "../../src/protocol/exec.ts";
import { type FrameLimits, frameHeaderBytes } from "../../src/protocol/frame.ts";
import { execMaxBytes, ticketBytes } from "../../src/protocol/limits.ts";
import { fromClientLimits, sessionFrame, splitTicketed } from "../../src/protocol/session.ts";
import { messages } from "./messages.ts";

export interface Parser {
	readonly name: string;
	readonly isJson: boolean;
	/** The most that it is ever given. */
	readonly maxBytes: number;
	readonly parse: (bytes: Buffer) => unknown;
	/** The bytes of a value that `parse` has given. */
	readonly encode: (value: unknown) => Buffer;
	readonly samples: readonly Buffer[];
}

const limitOf = (limits: FrameLimits, type: number): number => limits.get(type) ?? 0;

function parserOf<T>(
	facts: Pick<Parser, "name" | "isJson" | "maxBytes" | "samples"> & {
		readonly parse: (bytes: Buffer) => T;
		readonly encode: (value: T) => Buffer;
	},
): Parser {
	return { ...facts, encode: (value) => facts.encode(value as T) };
}

const exec = { argv: ["true"], env: {}, cwd: null, user: null, tty: null, detach: false };
const fullExec = {
	argv: ["sh", "-c", 'echo "$0" 🦊'],
	env: { TERM: "xterm", A: "=b=", "7": "" },
	cwd: "/tmp",
	user: "user",
	tty: { rows: 24, columns: 80 },
	detach: true,
};
const attach = { session: 3, tty: { rows: 24, columns: 80 } };

export const parsers: readonly Parser[] = [
	...messages.map(({ name, type, limits, parse, encode, samples }) => ({
		name,
		isJson: true,
		maxBytes: limitOf(limits, type),
		parse,
		encode: (value: unknown) => encode(value).subarray(frameHeaderBytes),
		samples: samples.slice(0, 2).map(({ frame }) => frame.subarray(frameHeaderBytes)),
	})),
	parserOf({
		name: "exec bytes",
		isJson: false,
		maxBytes: execMaxBytes,
		parse: parseExec,
		encode: encodeExec,
		samples: [encodeExec(exec), encodeExec(fullExec)],
	}),
	parserOf({
		name: "attach bytes",
		isJson: true,
		maxBytes: limitOf(fromClientLimits, sessionFrame.attach) - ticketBytes,
		parse: parseAttach,
		encode: encodeAttach,
		samples: [encodeAttach(attach), encodeAttach({ session: 1, tty: null })],
	}),
	parserOf({
		name: "a ticket and what it is for",
		isJson: false,
		maxBytes: limitOf(fromClientLimits, sessionFrame.exec),
		parse: splitTicketed,
		encode: ({ ticket, bytes }) => Buffer.concat([ticket, bytes]),
		samples: [Buffer.concat([Buffer.alloc(ticketBytes, 7), encodeExec(exec)])],
	}),
];
