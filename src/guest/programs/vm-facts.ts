/**
 * What a guest is told of itself on the kernel's command line (contracts: configuration), read alike in every image. An image may have
 * defaults, in words of the same form.
 */
import { readFileSync } from "node:fs";

/** Where an image says what holds unless the command line says otherwise. */
const defaultsFile = "/etc/qubes-lite/cmdline";

export interface VmFacts {
	/** null: nobody has said. */
	readonly name: string | null;
	readonly id: number | null;
	readonly disposable: boolean;
	/** Seconds without use until the host stops it; 0: never. */
	readonly idleTimeout: number;
}

/** A later word counts before an earlier one; a word whose value is none is passed over, and so are keys that are not known. */
export function parseVmFacts(line: string): VmFacts {
	const values = new Map<string, string>();
	for (const word of line.split(/\s+/)) {
		const match = /^qubeslite\.([a-z_]+)=(.*)$/.exec(word);
		if (match === null) continue;
		const [, key = "", value = ""] = match;
		if (rules[key]?.test(value) === true) values.set(key, value);
	}
	const number = (key: string): number | null => (values.has(key) ? Number(values.get(key)) : null);
	return {
		name: values.get("vm") ?? null,
		id: number("id"),
		disposable: values.get("disposable") === "1",
		idleTimeout: number("idle_timeout") ?? 0,
	};
}

const rules: Readonly<Record<string, RegExp>> = {
	vm: /^[a-z][a-z0-9-]{0,11}$/,
	id: /^[1-9][0-9]{0,9}$/,
	disposable: /^[01]$/,
	idle_timeout: /^[0-9]{1,9}$/,
};

/** Of this guest. */
export const readVmFacts = (): VmFacts => parseVmFacts(`${read(defaultsFile)} ${read("/proc/cmdline")}`);

function read(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
