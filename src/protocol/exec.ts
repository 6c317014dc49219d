/**
 * The exec bytes: one command, exactly. The client makes them, the broker announces their SHA-256, the agent runs what
 * hashes to it. argv and environment are vectors of NUL-ended strings, so every valid UTF-8 string passes unchanged.
 *
 *   u32 header length · header JSON · argv words, each NUL-ended · environment words "K=V", each NUL-ended
 */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { QubesLiteError } from "../errors.ts";
import { Fields } from "./fields.ts";
import { execMaxBytes } from "./limits.ts";

export interface TerminalSize {
	readonly rows: number;
	readonly columns: number;
}

export interface Exec {
	/** At least the command itself. */
	readonly argv: readonly string[];
	/** On top of the agent's own minimal environment. */
	readonly env: Readonly<Record<string, string>>;
	/** Absolute; null is the user's home. */
	readonly cwd: string | null;
	/** Guest user name; null is the guest's default user. */
	readonly user: string | null;
	/** A pseudo-terminal of this size; null is three pipes. */
	readonly tty: TerminalSize | null;
	/** The command goes on without a client: its output is kept for one that attaches. */
	readonly detach: boolean;
	/** Of a detached command: its client has input for it all the same, as long as it is there. Absent: it has none. */
	readonly input?: true;
}

/** Names a session to come back to. */
export interface Attach {
	readonly session: number;
	/** A session with a terminal takes this size. */
	readonly tty: TerminalSize | null;
}

const headerMaxBytes = 8192;
const pathMaxLength = 4096;
const wordsMax = 1 << 20;
const u32Bytes = 4;

/** Throws BadRequest on a NUL, an empty argv, a variable's name that no environment can hold, or more bytes than the limits. */
export function encodeExec(exec: Exec): Buffer {
	const environment = Object.entries(exec.env).map(([name, value]) => `${name}=${value}`);
	if (exec.argv.length === 0) throw new QubesLiteError("BadRequest", "there is no command to run");
	const badName = Object.keys(exec.env).find((name) => name === "" || name.includes("="));
	if (badName !== undefined) {
		throw new QubesLiteError("BadRequest", `"${badName}" can't be the name of an environment variable`);
	}
	const words = [...exec.argv, ...environment];
	if ([...words, exec.cwd ?? "", exec.user ?? ""].some((word) => word.includes("\0"))) {
		throw new QubesLiteError("BadRequest", "an argument holds a NUL byte, which no command can receive");
	}
	const header = Buffer.from(
		JSON.stringify({
			argc: exec.argv.length,
			envc: environment.length,
			cwd: exec.cwd,
			user: exec.user,
			tty: exec.tty,
			detach: exec.detach,
			...(exec.input === true && { input: true }),
		}),
	);
	if (u32Bytes + header.length > headerMaxBytes) {
		throw new QubesLiteError("BadRequest", "the working directory or the user's name is too long");
	}
	const length = Buffer.allocUnsafe(u32Bytes);
	length.writeUInt32BE(header.length);
	const bytes = Buffer.concat([length, header, Buffer.from(words.map((word) => `${word}\0`).join(""))]);
	if (bytes.length > execMaxBytes) {
		throw new QubesLiteError(
			"BadRequest",
			`the command with its arguments and environment has ${bytes.length} bytes; the limit is ${execMaxBytes}`,
		);
	}
	return bytes;
}

export function parseExec(bytes: Buffer): Exec {
	if (bytes.length < u32Bytes || bytes.length > execMaxBytes) throw bad("its size");
	const headerEnd = u32Bytes + bytes.readUInt32BE(0);
	if (headerEnd > bytes.length || headerEnd > headerMaxBytes) throw bad("its header's length");
	const header = Fields.parse("exec", bytes.subarray(u32Bytes, headerEnd));
	const argc = header.integer("argc", 1, wordsMax);
	const envc = header.integer("envc", 0, wordsMax);
	const vectors = bytes.subarray(headerEnd);
	if (vectors.at(-1) !== 0) throw bad("the end of its last word");
	if (!isUtf8(vectors)) throw bad("its encoding (not UTF-8)");
	const words = vectors.toString("utf8", 0, vectors.length - 1).split("\0");
	if (words.length !== argc + envc) throw bad("the number of its words");
	return {
		argv: words.slice(0, argc),
		env: parseEnvironment(words.slice(argc)),
		cwd: optional(header, "cwd"),
		user: optional(header, "user"),
		tty: parseTty(header),
		detach: header.boolean("detach"),
		...(header.has("input") && header.boolean("input") ? { input: true as const } : {}),
	};
}

/** What stands in the place of the exec bytes for a client that comes back: announced by its hash as they are. */
export const encodeAttach = ({ session, tty }: Attach): Buffer => Buffer.from(JSON.stringify({ session, tty }));

export function parseAttach(bytes: Buffer): Attach {
	const fields = Fields.parse("attach", bytes);
	return { session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER), tty: parseTty(fields) };
}

export const sha256Hex = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function parseEnvironment(words: readonly string[]): Record<string, string> {
	const env: Record<string, string> = Object.create(null);
	for (const word of words) {
		const equals = word.indexOf("=");
		if (equals < 1) throw bad("an environment word without a name");
		env[word.slice(0, equals)] = word.slice(equals + 1);
	}
	return env;
}

function parseTty(header: Fields): TerminalSize | null {
	if (header.isNull("tty")) return null;
	return parseTerminalSize(header.object("tty"));
}

/** struct winsize has 16 bits for each: ioctl_tty(2). */
export const parseTerminalSize = (fields: Fields): TerminalSize => ({
	rows: fields.integer("rows", 1, 0xffff),
	columns: fields.integer("columns", 1, 0xffff),
});

function optional(header: Fields, name: string): string | null {
	if (header.isNull(name)) return null;
	const value = header.string(name, pathMaxLength);
	if (value.includes("\0")) throw bad(`its ${name}`);
	return value;
}

function bad(what: string): QubesLiteError {
	return new QubesLiteError("BadRequest", `the exec message is malformed: ${what} is wrong`);
}
