/** Archives of ours come back as they were; of others' nothing gets by. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { plainSizeMax } from "../../src/tar/tar-format.ts";
import { TarReader } from "../../src/tar/tar-reader.ts";
import { encodeEntry } from "../../src/tar/tar-writer.ts";
import { findNameFault, staysInside, type TreeEntry } from "../../src/tar/tree-entry.ts";
import { archive, hostile, pax, raw, readAll, record } from "./archives.ts";

const nothing = { entry: () => {}, data: () => {}, entryEnded: () => {} };

const name = fc
	.oneof(fc.string({ unit: "binary", minLength: 1, maxLength: 60 }), fc.string({ minLength: 1, maxLength: 200 }))
	.filter((text) => text.isWellFormed() && findNameFault(text) === undefined);
const path = fc.array(name, { minLength: 1, maxLength: 6 });
const common = { path, mode: fc.integer({ min: 0, max: 0o777 }), mtimeS: fc.integer({ min: 0, max: 2 ** 33 - 1 }) };
const target = fc
	.string({ unit: "binary", minLength: 1, maxLength: 300 })
	.filter((text) => text.isWellFormed() && !/\p{Cc}/u.test(text));
const content = fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes));
const part = fc.oneof(
	fc.record(common).map((of) => ({ entry: { kind: "directory", ...of } as TreeEntry, content: Buffer.alloc(0) })),
	fc.tuple(fc.record(common), target).map(([of, to]) => ({
		entry: { kind: "link", ...of, target: to } as TreeEntry,
		content: Buffer.alloc(0),
	})),
	fc.tuple(fc.record(common), content).map(([of, bytes]) => ({
		entry: { kind: "file", ...of, bytes: bytes.length } as TreeEntry,
		content: bytes,
	})),
);

const encodeAll = (parts: readonly { entry: TreeEntry; content: Buffer }[]): Buffer =>
	archive(
		...parts.map(({ entry, content: bytes }) =>
			Buffer.concat([encodeEntry(entry), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]),
		),
	);

test("what is written comes back, in whatever pieces it comes", () => {
	fc.assert(
		fc.property(fc.array(part, { maxLength: 6 }), fc.integer({ min: 1, max: 2000 }), (parts, pieceBytes) => {
			const expected = parts.map(({ entry, content: bytes }) => ({ entry, content: bytes.toString("latin1") }));
			expect(readAll(encodeAll(parts), pieceBytes)).toEqual(expected);
		}),
	);
});

test("a file of more than 8 GiB has its size", () => {
	const entry: TreeEntry = { kind: "file", path: ["a"], mode: 0o600, mtimeS: 1, bytes: plainSizeMax + 1 };
	const found: TreeEntry[] = [];
	new TarReader({ ...nothing, entry: (one) => void found.push(one) }).push(encodeEntry(entry));
	expect(found).toEqual([entry]);
});

test("set-user-ID and the like are not there when it is read", () => {
	expect(readAll(archive(raw({ mode: "0007755" })))[0]?.entry.mode).toBe(0o755);
});

describe("refused is", () => {
	it.each(Object.entries(hostile))("%s", (_, [bytes, words]) => {
		expect(() => readAll(bytes)).toThrow(words);
		expect(() => readAll(bytes, 7)).toThrow(bytes.length === 0 ? words : /./);
	});

	it("an archive that is changed in one byte, or it means something of the same form", () => {
		const good = archive(pax(record("path", "long/".repeat(30))), raw({ type: "5" }), raw({ name: "b", content: "x" }));
		fc.assert(
			fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
				const bytes = Buffer.from(good);
				bytes[at] = (bytes[at] ?? 0) ^ by;
				let all: ReturnType<typeof readAll> = [];
				try {
					all = readAll(bytes);
				} catch (cause) {
					expect(cause).toMatchObject({ name: "QubesLiteError" });
				}
				for (const { entry } of all) for (const one of entry.path) expect(findNameFault(one)).toBeUndefined();
			}),
		);
	});

	it("more files than anybody has", () => {
		const reader = new TarReader(nothing, 1000);
		reader.push(Buffer.concat(Array(1000).fill(raw({}))));
		expect(() => reader.push(raw({}))).toThrow("there are more than 1000 files");
	});
});

describe("a link", () => {
	it.each([
		["b", 0],
		["b/c", 0],
		["./b", 0],
		["../b", 1],
		["..", 1],
		["../../b//c", 2],
		[".", 0],
	] as const)("to %s stays inside, %i directories below", (to, depth) => {
		expect(staysInside(to, depth)).toBe(true);
	});

	it.each([
		["/b", 5],
		["", 5],
		["..", 0],
		["../b", 0],
		["../../b", 1],
		// Where b is a link to a directory above, its .. is outside.
		["b/../c", 5],
		["../b/..", 5],
		["b/..", 5],
	] as const)("to %s may lead out, %i directories below", (to, depth) => {
		expect(staysInside(to, depth)).toBe(false);
	});
});
