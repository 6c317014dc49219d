import { expect, it } from "vitest";
import { formatBytes, formatCopying, formatSums } from "../../src/copy/copy-words.ts";
import { formatReport, leftOutMax, parseReport } from "../../src/copy/guest-report.ts";

it("bytes are said in units that fit", () => {
	expect([0, 812, 1024, 1536, 2 ** 20 - 1, 2 ** 34].map(formatBytes)).toEqual([
		...["0 bytes", "812 bytes", "1.0 KiB", "1.5 KiB", "1024.0 KiB", "16.0 GiB"],
	]);
	expect([formatSums(1, 3), formatSums(2, 2048)]).toEqual(["1 file, 3 bytes", "2 files, 2.0 KiB"]);
});

it("progress has a rate once there is one, and a time left where the total is known", () => {
	const state = { name: "a.pdf", bytes: 12 * 2 ** 20, total: 40 * 2 ** 20, elapsedMs: 4000 };
	expect(formatCopying(state)).toBe("Copying a.pdf… 12.0 MiB of 40.0 MiB, 3.0 MiB/s, 10 s left");
	expect(formatCopying({ ...state, total: undefined })).toBe("Copying a.pdf… 12.0 MiB, 3.0 MiB/s");
	expect(formatCopying({ ...state, elapsedMs: 500 })).toBe("Copying a.pdf… 12.0 MiB of 40.0 MiB");
	expect(formatCopying({ ...state, total: 1 })).toBe("Copying a.pdf… 12.0 MiB of 1 bytes, 3.0 MiB/s");
});

it("of a guest's report only what is one is taken, and its words are safe", () => {
	const good = { kind: "done", files: 1, bytes: 2, leftOut: ["a: a socket"] } as const;
	expect(parseReport(formatReport(good))).toEqual(good);
	expect(parseReport('{"kind":"total","files":1,"bytes":2}')).toEqual({ kind: "total", files: 1, bytes: 2 });
	expect(parseReport('{"kind":"failed","message":"a\\u001b[2J\\nb"}')).toEqual({ kind: "failed", message: "a�[2J�b" });
	const taken = { kind: "failed", message: "a is there already", isTaken: true } as const;
	expect(parseReport(formatReport(taken))).toEqual(taken);
	expect(parseReport('{"kind":"failed","message":"a","isTaken":"rm -rf ~","remedy":"x"}')).toEqual({
		...{ kind: "failed", message: "a" },
	});
	const many = { kind: "done", files: 0, bytes: 0, leftOut: Array(1000).fill("x\n") };
	expect(parseReport(JSON.stringify(many))).toMatchObject({ leftOut: Array(leftOutMax).fill("x�") });
	for (const line of ["", "x", "null", "7", "[]", "{}", '{"kind":"total","files":-1,"bytes":1}', '{"kind":"done"}'])
		expect(parseReport(line)).toBeUndefined();
});
