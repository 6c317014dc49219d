/** A tree as a tar archive. Pure: what is written where is the caller's. */
import { blockBytes, type Field, fields, magic, paddingOf, plainSizeMax, sumOf, types } from "./tar-format.ts";
import type { TreeEntry } from "./tree-entry.ts";

export const endOfArchive: Buffer = Buffer.alloc(2 * blockBytes);

/** What stands before an entry's content; behind the content comes its padding (`paddingOf`). */
export function encodeEntry(entry: TreeEntry): Buffer {
	const name = entry.path.join("/") + (entry.kind === "directory" ? "/" : "");
	const target = entry.kind === "link" ? entry.target : "";
	const bytes = entry.kind === "file" ? entry.bytes : 0;
	const records = [
		...(fits(name, "name") ? [] : [toRecord("path", name)]),
		...(fits(target, "target") ? [] : [toRecord("linkpath", target)]),
		...(bytes <= plainSizeMax ? [] : [toRecord("size", String(bytes))]),
	];
	const header = encodeHeader({
		name: fits(name, "name") ? name : "long",
		target: fits(target, "target") ? target : "",
		...{ type: types[entry.kind], mode: entry.mode, mtimeS: entry.mtimeS },
		bytes: bytes <= plainSizeMax ? bytes : 0,
	});
	if (records.length === 0) return header;
	const pax = Buffer.concat(records);
	const before = encodeHeader({ name: "pax", target: "", type: types.pax, mode: 0o644, mtimeS: 0, bytes: pax.length });
	return Buffer.concat([before, pax, Buffer.alloc(paddingOf(pax.length)), header]);
}

interface Header {
	readonly name: string;
	readonly target: string;
	readonly type: string;
	readonly mode: number;
	readonly mtimeS: number;
	readonly bytes: number;
}

function encodeHeader({ name, target, type, mode, mtimeS, bytes }: Header): Buffer {
	const header = Buffer.alloc(blockBytes);
	const put = (field: Field, text: string): void => void header.write(text, fields[field][0]);
	const number = (field: Field, value: number): void =>
		put(field, value.toString(8).padStart(fields[field][1] - 1, "0"));
	put("name", name);
	number("mode", mode & 0o777);
	number("uid", 0);
	number("gid", 0);
	number("size", bytes);
	// Before 1970 and after 2242 there is no room for it.
	number("mtime", Math.min(Math.max(0, Math.floor(mtimeS)), plainSizeMax));
	put("type", type);
	put("target", target);
	put("magic", magic);
	put("checksum", `${sumOf(header).toString(8).padStart(6, "0")}\0 `);
	return header;
}

const fits = (text: string, field: Field): boolean => Buffer.byteLength(text) <= fields[field][1];

/** "LENGTH KEY=VALUE\n", where the length counts itself. */
function toRecord(key: string, value: string): Buffer {
	const rest = Buffer.byteLength(` ${key}=${value}\n`);
	let length = rest + String(rest).length;
	if (rest + String(length).length > length) length += 1;
	return Buffer.from(`${length} ${key}=${value}\n`);
}
