/**
 * Reads archives as tar-writer.ts makes them, from somebody who may be hostile: whatever that never writes is refused, be it good tar. There are no
 * absolute paths in them, no `..`, no hard links, devices or FIFOs, no second name for anything, and nothing behind the end.
 */
import { isUtf8 } from "node:buffer";
import { QubesLiteError } from "../errors.ts";
import { blockBytes, type Field, fields, magic, paddingOf, sumOf, types } from "./tar-format.ts";
import {
	byteLength,
	depthMax,
	entriesMax,
	findNameFault,
	malformed,
	namelessRoot,
	type TreeEntry,
	targetMaxBytes,
} from "./tree-entry.ts";

/** Told of each entry as it comes. What it throws, `push` throws. */
export interface TreeSink {
	entry(entry: TreeEntry): void;
	/** Of the last entry, a file. Only valid until it returns. */
	data(bytes: Buffer): void;
	/** The last entry is complete. */
	entryEnded(): void;
}

const [magicFrom, magicLength] = fields.magic;
const magicBytes = Buffer.from(magic);

/** Of all pax records before one entry: a path of the deepest kind, and a link's target. */
const paxMaxBytes = (depthMax + 1) * 256 + targetMaxBytes + 256;

type Pax = { -readonly [Key in "path" | "linkpath" | "size"]?: string };

export class TarReader {
	readonly #sink: TreeSink;
	readonly #most: number;
	/** What is read now, and how much of it is to come. */
	#part: "header" | "pax" | "data" | "padding" | "end" = "header";
	#left = blockBytes;
	/** Behind the padding comes this. */
	#afterPadding: "header" | "entry" = "header";
	#pieces: Buffer[] = [];
	#pax: Pax | undefined;
	#zeroBlocks = 0;
	#entries = 0;
	/** Of the last entry. */
	#dataBytes = 0;

	/** `most`: entries. */
	constructor(sink: TreeSink, most = entriesMax) {
		this.#sink = sink;
		this.#most = most;
	}

	/** Throws BadRequest on what is no such archive, Limit on one that has too much of something; nothing is to be pushed after that. */
	push(chunk: Buffer): void {
		let rest = chunk;
		while (rest.length > 0) {
			if (this.#part === "end") throw malformed("there is something behind its end");
			const piece = rest.subarray(0, this.#left);
			rest = rest.subarray(piece.length);
			this.#left -= piece.length;
			if (this.#part === "data") this.#sink.data(piece);
			else if (piece.length > 0) this.#pieces.push(piece);
			if (this.#left === 0) this.#partEnded();
		}
	}

	/** Nothing more comes. Throws BadRequest where there is no end of the archive by now. */
	end(): void {
		if (this.#part !== "end") throw malformed("it ends in the middle");
	}

	#partEnded(): void {
		const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
		this.#pieces = [];
		switch (this.#part) {
			case "header":
				this.#readHeader(bytes);
				break;
			case "pax":
				this.#pax = parsePax(bytes);
				this.#pad(bytes.length, "header");
				break;
			case "data":
				this.#pad(this.#dataBytes, "entry");
				break;
			case "padding":
				if (!isZero(bytes)) throw malformed("there is something between its entries");
				this.#padded();
		}
	}

	#pad(bytes: number, next: "header" | "entry"): void {
		this.#afterPadding = next;
		this.#part = "padding";
		this.#left = paddingOf(bytes);
		if (this.#left === 0) this.#padded();
	}

	#padded(): void {
		if (this.#afterPadding === "entry") this.#sink.entryEnded();
		this.#expectHeader();
	}

	#expectHeader(): void {
		this.#part = "header";
		this.#left = blockBytes;
	}

	#readHeader(header: Buffer): void {
		if (isZero(header)) {
			if (this.#pax !== undefined) throw malformed("its last entry is missing");
			this.#zeroBlocks += 1;
			if (this.#zeroBlocks === 2) this.#part = "end";
			else this.#expectHeader();
			return;
		}
		if (this.#zeroBlocks > 0) throw malformed("there is something behind its end");
		if (!header.subarray(magicFrom, magicFrom + magicLength).equals(magicBytes)) throw malformed("a header is none");
		if (octalOf(header, "checksum") !== sumOf(header)) throw malformed("a header's checksum is wrong");
		if (textOf(header, "prefix") !== "") throw malformed("a name is in two parts");
		const type = textOf(header, "type");
		if (type === types.pax) this.#beginPax(octalOf(header, "size"));
		else this.#beginEntry(header, type);
	}

	#beginPax(bytes: number): void {
		if (this.#pax !== undefined) throw malformed("an entry has two extended headers");
		if (bytes === 0 || bytes > paxMaxBytes) throw malformed("an extended header has no such size");
		this.#part = "pax";
		this.#left = bytes;
	}

	#beginEntry(header: Buffer, type: string): void {
		this.#entries += 1;
		if (this.#entries > this.#most) throw new QubesLiteError("Limit", `there are more than ${this.#most} files`);
		const entry = toEntry(header, type, this.#pax ?? {});
		this.#pax = undefined;
		this.#sink.entry(entry);
		this.#dataBytes = entry.kind === "file" ? entry.bytes : 0;
		if (this.#dataBytes === 0) {
			this.#sink.entryEnded();
			this.#expectHeader();
		} else {
			this.#part = "data";
			this.#left = this.#dataBytes;
		}
	}
}

function toEntry(header: Buffer, type: string, pax: Pax): TreeEntry {
	const size = pax.size === undefined ? octalOf(header, "size") : parseSize(pax.size);
	const target = pax.linkpath ?? textOf(header, "target");
	const name = pax.path ?? textOf(header, "name");
	const common = { mode: octalOf(header, "mode") & 0o777, mtimeS: octalOf(header, "mtime") };
	if (type !== types.link && target !== "") throw malformed("an entry that is no link leads somewhere");
	if (type !== types.file && size !== 0) throw malformed("an entry that is no file has content");
	switch (type) {
		case types.file:
			return { kind: "file", path: parsePath(name), ...common, bytes: size };
		case types.directory:
			return { kind: "directory", path: parsePath(name.replace(/\/$/, "")), ...common };
		case types.link:
			if (target === "" || /\p{Cc}/u.test(target)) throw malformed("a link's target is none");
			if (byteLength(target) > targetMaxBytes) throw malformed("a link's target is too long");
			return { kind: "link", path: parsePath(name), ...common, target };
		default:
			throw malformed("there is something in it that is no file, directory or symbolic link");
	}
}

function parsePath(text: string): string[] {
	const path = text.split("/");
	if (path.length > depthMax) throw new QubesLiteError("Limit", `directories are nested more than ${depthMax} deep`);
	for (const [index, name] of path.entries()) {
		if (index === 0 && name === namelessRoot) continue;
		const fault = findNameFault(name);
		if (fault !== undefined) throw malformed(`the name of a file ${fault}`);
	}
	return path;
}

/** LENGTH KEY=VALUE\n, one behind the other, each key once. */
function parsePax(bytes: Buffer): Pax {
	const pax: Pax = {};
	for (let at = 0; at < bytes.length; ) {
		const digits = /^[1-9][0-9]{0,5}(?= )/.exec(bytes.toString("latin1", at, at + 7))?.[0];
		if (digits === undefined) throw malformed("an extended header has no length");
		const record = bytes.subarray(at, at + Number(digits));
		at += Number(digits);
		const equals = record.indexOf("=");
		if (at > bytes.length || equals < 0 || record.at(-1) !== 0x0a) throw malformed("an extended header is cut off");
		const key = record.toString("latin1", digits.length + 1, equals);
		if (key !== "path" && key !== "linkpath" && key !== "size")
			throw malformed("an extended header says something else");
		if (pax[key] !== undefined) throw malformed("an extended header says something twice");
		pax[key] = decode(record.subarray(equals + 1, -1));
	}
	return pax;
}

function parseSize(text: string): number {
	const size = Number(text);
	if (!/^[1-9][0-9]{0,15}$/.test(text) || !Number.isSafeInteger(size)) throw malformed("a size is none");
	return size;
}

/** What stands before the first NUL, or in the whole field. */
function textOf(header: Buffer, field: Field): string {
	const [from, length] = fields[field];
	const bytes = header.subarray(from, from + length);
	const end = bytes.indexOf(0);
	if (end >= 0 && !isZero(bytes.subarray(end))) throw malformed("there is something behind a name");
	return decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octal digits up to a NUL or a space, as they must be there. */
function octalOf(header: Buffer, field: Field): number {
	const [from, length] = fields[field];
	const digits = /^([0-7]+)[\0 ]+$/.exec(header.toString("latin1", from, from + length))?.[1];
	if (digits === undefined) throw malformed("a number is none");
	return Number.parseInt(digits, 8);
}

function decode(bytes: Buffer): string {
	if (!isUtf8(bytes)) throw malformed("a name is not valid UTF-8");
	const text = bytes.toString("utf8");
	if (text.includes("\0")) throw malformed("a name has a NUL in it");
	return text;
}

const isZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);
