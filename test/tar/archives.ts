/** Archives for tests, made byte by byte: what a hostile end could send, and a good one never does. */
import { blockBytes, fields, paddingOf, sumOf } from "../../src/tar/tar-format.ts";
import type { TreeSink } from "../../src/tar/tar-reader.ts";
import { TarReader } from "../../src/tar/tar-reader.ts";
import type { TreeEntry } from "../../src/tar/tree-entry.ts";

export const zeros = Buffer.alloc(2 * blockBytes);

export interface Raw {
	readonly name?: string | Buffer;
	readonly type?: string;
	readonly size?: string;
	readonly mode?: string;
	readonly target?: string;
	readonly prefix?: string;
	readonly magic?: string;
	/** Instead of the right one. */
	readonly checksum?: string;
	readonly content?: string | Buffer;
}

/** A header and its content; fields as they are given, be they wrong. */
export function raw({ name = "a", type = "0", size, mode = "0000644", content = "", ...rest }: Raw): Buffer {
	const header = Buffer.alloc(blockBytes);
	const bytes = Buffer.from(content as string);
	const put = (field: keyof typeof fields, value: string | Buffer): void => {
		Buffer.from(value as string).copy(header, fields[field][0], 0, fields[field][1]);
	};
	put("name", name);
	put("mode", mode);
	put("uid", "0000000");
	put("gid", "0000000");
	put("size", size ?? bytes.length.toString(8).padStart(11, "0"));
	put("mtime", "00000000007");
	put("type", type);
	put("target", rest.target ?? "");
	put("magic", rest.magic ?? "ustar\x0000");
	put("prefix", rest.prefix ?? "");
	put("checksum", rest.checksum ?? `${sumOf(header).toString(8).padStart(6, "0")}\0 `);
	return Buffer.concat([header, bytes, Buffer.alloc(paddingOf(bytes.length))]);
}

/** A pax header with these records, as they are. */
export const pax = (records: string | Buffer): Buffer => raw({ name: "pax", type: "x", content: records });

export const record = (key: string, value: string): string => {
	const rest = Buffer.byteLength(` ${key}=${value}\n`);
	const length = rest + String(rest + String(rest).length).length;
	return `${length} ${key}=${value}\n`;
};

export const archive = (...parts: readonly Buffer[]): Buffer => Buffer.concat([...parts, zeros]);

/** What a reader makes of an archive that comes in such pieces. */
export function readAll(bytes: Buffer, pieceBytes = bytes.length): { entry: TreeEntry; content: string }[] {
	const all: { entry: TreeEntry; content: string }[] = [];
	let content = Buffer.alloc(0);
	let entry: TreeEntry | undefined;
	const sink: TreeSink = {
		entry: (next) => {
			entry = next;
			content = Buffer.alloc(0);
		},
		data: (more) => {
			content = Buffer.concat([content, more]);
		},
		entryEnded: () => void (entry && all.push({ entry, content: content.toString("latin1") })),
	};
	const reader = new TarReader(sink);
	for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
	reader.end();
	return all;
}

/** Archives that a guest might send instead of one of ours, each with what is said about it. */
export const hostile: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
	"an absolute name": [archive(raw({ name: "/etc/passwd", content: "x" })), /is no name/],
	"a name with ..": [archive(raw({ name: "a/../../x", content: "x" })), /is no name/],
	"a name that is ..": [archive(raw({ name: "..", type: "5" })), /is no name/],
	"a name with an empty part": [archive(raw({ name: "a//b" })), /is no name/],
	"a . below the root": [archive(raw({ name: "a/./b" })), /is no name/],
	"an empty name": [archive(raw({ name: "" })), /is no name/],
	"a newline in a name": [archive(raw({ name: "a\nb" })), /control character/],
	"an escape in a name": [archive(raw({ name: "a\x1b[2Jb" })), /control character/],
	"a C1 control in a name": [archive(raw({ name: "a\u009b2Jb" })), /control character/],
	"a name that is not UTF-8": [archive(raw({ name: Buffer.from([0x61, 0xff]) })), /not valid UTF-8/],
	"a name with a NUL in the middle": [archive(raw({ name: "a\0b" })), /behind a name/],
	"a name of 256 bytes": [archive(pax(record("path", "x".repeat(256))), raw({})), /longer than 255/],
	"directories nested too deep": [archive(pax(record("path", `${"a/".repeat(129)}a`)), raw({})), /nested more than/],
	"a name with a NUL by pax": [archive(pax(record("path", "a\0b")), raw({})), /NUL/],
	"a name with .. by pax": [archive(pax(record("path", "../x")), raw({})), /is no name/],
	"a hard link": [archive(raw({ type: "1", target: "/etc/passwd" })), /leads somewhere/],
	"a hard link to nowhere": [archive(raw({ type: "1" })), /no file, directory or symbolic link/],
	"a character device": [archive(raw({ type: "3" })), /no file, directory or symbolic link/],
	"a block device": [archive(raw({ type: "4" })), /no file, directory or symbolic link/],
	"a FIFO": [archive(raw({ type: "6" })), /no file, directory or symbolic link/],
	"an old file's NUL as type": [archive(raw({ type: "\0" })), /no file, directory or symbolic link/],
	"a sparse file of GNU's": [archive(raw({ type: "S" })), /no file, directory or symbolic link/],
	"a long name of GNU's": [archive(raw({ type: "L", content: "x".repeat(200) })), /has content/],
	"a global header of pax": [archive(raw({ type: "g", content: record("path", "b") })), /has content/],
	"a directory with content": [archive(raw({ type: "5", content: "x" })), /has content/],
	"a link with content": [archive(raw({ type: "2", target: "b", content: "x" })), /has content/],
	"a link to nothing": [archive(raw({ type: "2" })), /target is none/],
	"a newline in a link's target": [archive(raw({ type: "2", target: "a\nb" })), /target is none/],
	"a link's target of 4096 bytes": [archive(pax(record("linkpath", "x".repeat(4096))), raw({ type: "2" })), /too long/],
	"a size by base-256": [archive(raw({ size: "\x80\0\0\0\0\0\0\0\0\0\0\x01" })), /a number is none/],
	"a size below nothing": [archive(raw({ size: "-0000000001" })), /a number is none/],
	"a size without digits": [archive(raw({ size: "           " })), /a number is none/],
	"a size by pax that is no integer": [archive(pax(record("size", "1e3")), raw({})), /a size is none/],
	"a size by pax that no file has": [archive(pax(record("size", "9999999999999999")), raw({})), /a size is none/],
	"a wrong checksum": [archive(raw({ checksum: "0000001\0" })), /checksum is wrong/],
	"no checksum": [archive(raw({ checksum: "        " })), /a number is none/],
	"no magic": [archive(raw({ magic: "ustar  \0" })), /a header is none/],
	"a name in two parts": [archive(raw({ prefix: "../.." })), /in two parts/],
	"two extended headers": [
		archive(pax(record("path", "b")), pax(record("path", "c")), raw({})),
		/two extended headers/,
	],
	"an extended header for nothing": [archive(pax(record("path", "b"))), /last entry is missing/],
	"an empty extended header": [archive(pax(""), raw({})), /no such size/],
	"an extended header without end": [archive(pax("x".repeat(64 * 1024)), raw({})), /no such size/],
	"a pax record without a length": [archive(pax("path=b\n"), raw({})), /has no length/],
	"a pax record of length 0": [archive(pax("0 path=b\n"), raw({})), /has no length/],
	"a pax record that is longer than it is": [archive(pax("99 path=b\n"), raw({})), /cut off/],
	"a pax record that is shorter than it is": [archive(pax("3 path=b\n"), raw({})), /cut off/],
	"a pax record twice": [archive(pax(record("path", "b") + record("path", "c")), raw({})), /something twice/],
	"a pax record of another key": [archive(pax(record("uname", "root")), raw({})), /something else/],
	"a pax record called __proto__": [archive(pax(record("__proto__", "b")), raw({})), /something else/],
	"something in the padding": [
		Buffer.concat([raw({ content: "x" }).subarray(0, -1), Buffer.from("y"), zeros]),
		/between its entries/,
	],
	"something between the zeros": [Buffer.concat([zeros.subarray(blockBytes), raw({}), zeros]), /behind its end/],
	"something behind the end": [Buffer.concat([archive(raw({})), Buffer.from("x")]), /behind its end/],
	"no end": [raw({ content: "x" }), /ends in the middle/],
	"half a header": [raw({}).subarray(0, 100), /ends in the middle/],
	"half a file": [raw({ content: "x".repeat(2000) }).subarray(0, 1000), /ends in the middle/],
	"nothing at all": [Buffer.alloc(0), /ends in the middle/],
	"an answer of a web server": [Buffer.from("HTTP/1.1 200 OK\r\n\r\n".repeat(40)), /a header is none/],
};
