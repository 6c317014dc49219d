/** Gives each parser the largest inputs that it may ever get, in shapes that cost a reader most; in a thread whose memory is bounded. */
import { parentPort } from "node:worker_threads";
import { QubesLiteError } from "../../src/errors.ts";
import { type Parser, parsers } from "./parsers.ts";

export interface LargestInputs {
	readonly inputs: number;
	readonly slowestMs: number;
	/** What was neither read nor refused. */
	readonly strange: readonly string[];
}

const lists = ["sessions", "cgroups", "phases", "vms", "vm", "lost", "tty", "end", "x"];

/** JSON of at most `bytes` bytes. */
function* shapes(bytes: number): Generator<string> {
	const fill = (begin: string, unit: string, end: string): string =>
		begin + unit.repeat(Math.max(0, Math.floor((bytes - begin.length - end.length) / unit.length))) + end;
	const depth = Math.floor(bytes / 2);
	yield "[".repeat(bytes);
	yield "[".repeat(depth) + "]".repeat(depth);
	yield fill("", '{"a":', "");
	yield fill('{"x":"', "\\u0000", '"}');
	yield fill('{"x":"', "\\", '"}');
	yield fill('{"session":', "9", "}");
	yield fill('{"session":0.', "9", "e1}");
	yield fill("{", '"a":0,', '"a":0}');
	yield keys(bytes, (index) => `k${index}`);
	yield keys(bytes, (index) => String(index));
	yield keys(bytes, (index) => String(index * 65_536));
	for (const name of lists) {
		yield fill(`{"${name}":[`, "[],", "[]]}");
		yield fill(`{"${name}":[`, "{},", "{}]}");
		yield fill(`{"${name}":[`, "1,", "1]}");
		yield fill(`{"${name}":"`, "x", '"}');
	}
}

/** A guest's largest message is its list of sessions. Replies may be larger, but the broker that makes them is ours. */
const guestMaxBytes = 1_200_000;
const replyBytes = 256 * 1024;
const made = new Map<number, Buffer[]>();

function shapesOf(bytes: number): Buffer[] {
	const known = made.get(bytes) ?? [...shapes(bytes)].map((shape) => Buffer.from(shape));
	made.set(bytes, known);
	return known;
}

function keys(bytes: number, toKey: (index: number) => string): string {
	const words: string[] = [];
	for (let index = 0, length = 2; length < bytes; index++) {
		const word = `"${toKey(index)}":0`;
		length += word.length + 1;
		if (length < bytes) words.push(word);
	}
	return `{${words.join(",")}}`;
}

function* inputsOf({ maxBytes, isJson, samples }: Parser): Generator<Buffer> {
	yield Buffer.alloc(maxBytes);
	yield Buffer.alloc(maxBytes, 0xff);
	for (const sample of samples) yield Buffer.concat([sample, Buffer.alloc(Math.max(0, maxBytes - sample.length), " ")]);
	if (isJson) {
		for (const shape of shapesOf(maxBytes > guestMaxBytes ? replyBytes : maxBytes)) yield shape;
		return;
	}
	/** Exec bytes: all words empty, all of them variables, one long one. */
	for (const words of ["\0", "a=\0", "x"]) {
		const count = Math.floor((maxBytes - 1_000) / words.length);
		const [argc, envc] = words === "a=\0" ? [1, count] : [words === "x" ? 1 : count, 0];
		const json = JSON.stringify({ argc, envc, cwd: null, user: null, tty: null, detach: false });
		const header = Buffer.alloc(4);
		header.writeUInt32BE(json.length);
		const vectors =
			words === "a=\0" ? `true\0${words.repeat(count)}` : `${words.repeat(count)}${words === "x" ? "\0" : ""}`;
		yield Buffer.concat([header, Buffer.from(json), Buffer.from(vectors)]);
	}
}

let inputs = 0;
let slowestMs = 0;
const strange: string[] = [];
for (const parser of parsers) {
	for (const input of inputsOf(parser)) {
		const beganAt = performance.now();
		try {
			parser.parse(input);
		} catch (error) {
			if (!(error instanceof QubesLiteError)) strange.push(`${parser.name}: ${String(error)}`);
		}
		inputs += 1;
		slowestMs = Math.max(slowestMs, performance.now() - beganAt);
	}
}
parentPort?.postMessage({ inputs, slowestMs, strange } satisfies LargestInputs);
