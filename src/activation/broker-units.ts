/** The units of the broker: the texts in units/ with this installation's paths in them. Pure. */
import { QubesLiteError } from "../errors.ts";
import { quoteUnitWord } from "./unit-quoting.ts";

/** All absolute. */
export interface BrokerPaths {
	/** The program flock(1). */
	readonly flock: string;
	/** Our Node. */
	readonly node: string;
	/** The directory of the bundles. */
	readonly dist: string;
}

/**
 * `template` with each word that begins with `@flock@`, `@node@` or `@dist@` as a word that systemd reads back as the path.
 * Throws Internal for a placeholder that it does not know, Unsupported for a program that systemd can't start.
 */
export function fillBrokerUnit(template: string, paths: BrokerPaths): string {
	return template
		.split("\n")
		.map((line) => (line.startsWith("#") ? line : line.replaceAll(/(=?)@(\w+)@(\S*)/g, fill)))
		.join("\n");

	function fill(_: string, assignment: string, name: string, rest: string): string {
		const path = Object.hasOwn(paths, name) ? paths[name as keyof BrokerPaths] : undefined;
		if (path === undefined) throw new QubesLiteError("Internal", `a unit has the unknown placeholder @${name}@`);
		const word = assignment === "=" ? quoteProgram(path + rest) : quoteUnitWord(path + rest);
		return assignment + word;
	}
}

/**
 * The file by which a bus starts us: `template` with the same placeholders, as words that D-Bus reads back ("Message Bus Starting
 * Services" of its specification). Throws Unsupported for a path that such a file can't hold.
 */
export function fillDbusService(template: string, paths: Pick<BrokerPaths, "node" | "dist">): string {
	const lines = template.split("\n").filter((line) => !line.startsWith("#"));
	return lines
		.map((line) =>
			line.replaceAll(/@(node|dist)@(\S*)/g, (_, name: "node" | "dist", rest: string) =>
				quoteBusWord(paths[name] + rest),
			),
		)
		.join("\n");
}

function quoteBusWord(word: string): string {
	if (/^[\w./+:,=@-]+$/.test(word)) return word;
	if (!/[\x00-\x1f\x7f"'\\$`]/.test(word)) return `"${word}"`;
	throw new QubesLiteError("Unsupported", `D-Bus starts no program with such a path: ${JSON.stringify(word)}`, {
		remedy: "move it to a path without quotes, backslashes, $ and control characters",
	});
}

/** systemd replaces no variables in it, and takes none with quotes, backslashes or control characters (string_is_safe), however escaped. */
function quoteProgram(path: string): string {
	if (/[\x01-\x1f\x7f"'\\]/.test(path)) {
		throw new QubesLiteError("Unsupported", `systemd starts no program with such a path: ${JSON.stringify(path)}`, {
			remedy: "move it to a path without quotes, backslashes and control characters",
		});
	}
	const escaped = path.replaceAll("%", "%%");
	return /^[\w./+:,=@-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}
