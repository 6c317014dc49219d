/** The objects of a service: who is called, by the rules of the D-Bus specification, and what the standard interfaces answer. */
import { readFileSync } from "node:fs";
import { type InterfaceSpec, joinSignature, objectManager, standardInterfaces } from "./interface-spec.ts";
import { formatIntrospection } from "./introspection.ts";
import { type EncodedBody, type IncomingMessage, toVariant } from "./message-codec.ts";
import { BusError } from "./user-bus.ts";

/** Who calls. */
export interface Caller {
	/** Their unique name. */
	readonly name: string;
	/** Aborts when nobody waits for what comes of it: they have left the bus, or the bus has left us, or we leave, before their call was answered. */
	readonly gone: AbortSignal;
	/**
	 * From now on what they have asked for can't be taken back: where we leave they are not refused, but told what has come of it. Until the
	 * returned function is called: it has come to nothing.
	 */
	begun(): () => void;
	/** Calls `listener` once when they have left, also after their call, unless the returned function was called. */
	onGone(listener: () => void): () => void;
}

export interface ServedInterface {
	readonly spec: InterfaceSpec;
	/** All that `spec` names, each of its type. */
	properties(): Readonly<Record<string, unknown>>;
	/** Throws where its properties must not be read. */
	checkReading(): void;
	/** Of the root: throws where the objects below it must not be listed, or named by introspection. Absent: they may. */
	checkListing?(): void;
	/** One of `spec`, with arguments of its signature. Answers with the values that it returns; throws, or rejects with, what the caller is told. */
	call(method: string, args: readonly unknown[], caller: Caller): Values | Promise<Values>;
}

/** One for each value that a method returns, or all of them with their bytes. */
export type Values = readonly unknown[] | EncodedBody;

export interface Reply {
	readonly signature: string;
	readonly body: Values;
}

interface Served {
	readonly interfaces: readonly ServedInterface[];
	readonly isRoot: boolean;
}

const errors = "org.freedesktop.DBus.Error";
const peer = "org.freedesktop.DBus.Peer";
const machineIdFiles = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/** One root, which manages all the others. */
export class ServedObjects {
	readonly #root: string;
	readonly #objects = new Map<string, Served>();

	constructor(root: string, interfaces: readonly ServedInterface[]) {
		this.#root = root;
		this.#objects.set(root, { interfaces, isRoot: true });
	}

	get root(): string {
		return this.#root;
	}

	/** `path` is below the root. */
	add(path: string, interfaces: readonly ServedInterface[]): void {
		this.#objects.set(path, { interfaces, isRoot: false });
	}

	remove(path: string): void {
		this.#objects.delete(path);
	}

	/** As InterfacesAdded has them: by their names, the properties of each. */
	static toManaged(interfaces: readonly ServedInterface[]): Record<string, Record<string, object>> {
		const own = interfaces.map((served) => [served.spec.name, toProperties(served)] as const);
		return Object.fromEntries([...standardInterfaces.map(({ name }) => [name, {}] as const), ...own]);
	}

	/** Throws, or rejects with, BusError for what there is not, or what a method throws. */
	call(message: IncomingMessage, caller: Caller): Reply | Promise<Reply> {
		const { path, member } = message;
		/** "The Peer interface" of the specification: whatever the path. */
		if (message.interface === peer) return this.#callPeer(message);
		const found = this.#objects.get(path);
		const served: Served = found ?? { interfaces: [], isRoot: false };
		if (found === undefined && !this.#isNode(path))
			throw new BusError(`${errors}.UnknownObject`, `there is no object ${path}`);
		const specs = specsOf(served).filter(({ name }) => message.interface === "" || name === message.interface);
		if (specs.length === 0) {
			throw new BusError(`${errors}.UnknownInterface`, `${path} has no interface ${message.interface}`);
		}
		const spec = specs.find(({ methods }) => Object.hasOwn(methods, member));
		const method = spec?.methods[member];
		if (spec === undefined || method === undefined) {
			throw new BusError(`${errors}.UnknownMethod`, `${path} has no method ${message.interface}.${member}`);
		}
		const expected = joinSignature(method.in);
		if (message.signature !== expected) {
			const what = `${spec.name}.${member} takes '${expected}', not '${message.signature}'`;
			throw new BusError(`${errors}.InvalidArgs`, what);
		}
		const args = readArguments(message);
		const signature = joinSignature(method.out);
		const own = served.interfaces.find((candidate) => candidate.spec === spec);
		if (own === undefined) return { signature, body: this.#answer(spec, member, args, { path, ...served }) };
		const body = own.call(member, args, caller);
		return body instanceof Promise ? body.then((values) => ({ signature, body: values })) : { signature, body };
	}

	#callPeer(message: IncomingMessage): Reply {
		const { path, member, signature } = message;
		if (signature !== "" || (member !== "Ping" && member !== "GetMachineId")) {
			throw new BusError(`${errors}.UnknownMethod`, `${path} has no method ${peer}.${member}(${signature})`);
		}
		return member === "Ping" ? { signature: "", body: [] } : { signature: "s", body: [readMachineId()] };
	}

	/** Between the objects and `/`. */
	#isNode(path: string): boolean {
		const prefix = path === "/" ? "/" : `${path}/`;
		return [...this.#objects.keys()].some((object) => object.startsWith(prefix));
	}

	/** A method of a standard interface. */
	#answer(
		spec: InterfaceSpec,
		member: string,
		args: readonly unknown[],
		served: Served & { readonly path: string },
	): readonly unknown[] {
		switch (member) {
			case "Ping":
				return [];
			case "GetMachineId":
				return [readMachineId()];
			case "Introspect":
				return [formatIntrospection(specsOf(served), this.#childrenOf(served.path))];
			case "GetManagedObjects":
				checkListing(served);
				return [this.#managed()];
			case "Get":
				return [this.#get(served, args)];
			case "GetAll":
				return [toProperties(findReadable(served, args))];
			case "Set":
				this.#get(served, args);
				throw new BusError(
					`${errors}.PropertyReadOnly`,
					`${args[1]} can't be set: ${args[0]} has methods for what can`,
				);
			default:
				throw new BusError(`${errors}.UnknownMethod`, `${spec.name} has no method ${member}`);
		}
	}

	#get(served: Served, args: readonly unknown[]): object {
		const found = findReadable(served, args);
		const [name, type] = findProperty(found, args);
		return toVariant(type, found.properties()[name]);
	}

	#managed(): Record<string, object> {
		const below = [...this.#objects].filter(([, { isRoot }]) => !isRoot);
		return Object.fromEntries(below.map(([path, { interfaces }]) => [path, ServedObjects.toManaged(interfaces)]));
	}

	/** The next elements of the paths of all objects below: what is between may be named to everybody, objects to who may list them. */
	#childrenOf(path: string): string[] {
		const prefix = path === "/" ? "/" : `${path}/`;
		const below = [...this.#objects.keys()].filter((object) => object.startsWith(prefix));
		const children = [...new Set(below.map((object) => object.slice(prefix.length).split("/", 1)[0] ?? ""))].sort();
		const isManaged = (child: string): boolean => this.#objects.get(`${prefix}${child}`)?.isRoot === false;
		return children.some(isManaged) && !this.#mayList ? children.filter((child) => !isManaged(child)) : children;
	}

	get #mayList(): boolean {
		try {
			for (const served of this.#objects.values()) if (served.isRoot) checkListing(served);
			return true;
		} catch {
			return false;
		}
	}
}

function checkListing({ interfaces }: Served): void {
	for (const root of interfaces) root.checkListing?.();
}

/** Only objects are managed and have properties: what lies between them is there to be looked through. */
const specsOf = ({ interfaces, isRoot }: Served): InterfaceSpec[] => [
	...standardInterfaces,
	...(isRoot ? [objectManager] : []),
	...interfaces.map(({ spec }) => spec),
];

function findInterface({ interfaces }: Served, [name]: readonly unknown[]): ServedInterface {
	/** "" is for whichever it is ("org.freedesktop.DBus.Properties" of the specification): an object has one of its own. */
	const found = interfaces.find(({ spec }) => name === "" || spec.name === name);
	if (found !== undefined) return found;
	/** Those without properties are answered, too. */
	const standard = [...standardInterfaces, objectManager].find((spec) => name === "" || spec.name === name);
	if (standard !== undefined) return { spec: standard, properties: () => ({}), checkReading: () => {}, call: () => [] };
	throw new BusError(`${errors}.UnknownInterface`, `there is no interface ${name} here`);
}

function findReadable(served: Served, args: readonly unknown[]): ServedInterface {
	const found = findInterface(served, args);
	found.checkReading();
	return found;
}

/** Its name and its type. */
function findProperty({ spec }: ServedInterface, args: readonly unknown[]): [name: string, type: string] {
	const name = String(args[1]);
	const type = Object.hasOwn(spec.properties, name) ? spec.properties[name]?.type : undefined;
	if (type !== undefined) return [name, type];
	throw new BusError(`${errors}.UnknownProperty`, `${spec.name} has no property ${name}`);
}

export function toProperties(served: Pick<ServedInterface, "spec" | "properties">): Record<string, object> {
	const values = served.properties();
	const { properties } = served.spec;
	return Object.fromEntries(
		Object.entries(properties).map(([name, { type }]) => [name, toVariant(type, values[name])]),
	);
}

/** What can't be read of a call is the caller's mistake. */
function readArguments(message: IncomingMessage): readonly unknown[] {
	try {
		return message.read();
	} catch (cause) {
		throw new BusError(`${errors}.LimitsExceeded`, cause instanceof Error ? cause.message : String(cause));
	}
}

function readMachineId(): string {
	for (const file of machineIdFiles) {
		try {
			return readFileSync(file, "utf8").trim();
		} catch {}
	}
	throw new BusError(`${errors}.FileNotFound`, "this machine has no machine-id");
}
