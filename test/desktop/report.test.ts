import { spawnSync } from "node:child_process";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toMenuName, toProgramName } from "../../src/desktop/program-name.ts";
import { formatKept, parseKept, parseReport } from "../../src/desktop/report.ts";
import { programsMax } from "../../src/protocol/programs.ts";
import { chunk, end, header, makePng, signature } from "./make-png.ts";

const line = (program: unknown) => `${JSON.stringify(program)}\n`;
const program = { id: "firefox", name: "Firefox", terminal: false };

describe("a guest's report", () => {
	it("is its programs, with icons made anew", () => {
		const icon = { format: "png", base64: makePng().toString("base64") };
		const text = line({ ...program, icon }) + line({ id: "org.gnome.Maps", name: "Maps", terminal: true });
		const { programs, refused } = parseReport(text);
		expect(programs).toEqual([
			{ ...program, icon: makePng() },
			{ id: "org.gnome.Maps", name: "Maps", terminal: true },
		]);
		expect(refused).toBe(0);
	});

	it.each([
		["no JSON", "{\n"],
		["no object", line([program])],
		["no id", line({ name: "x", terminal: false })],
		["an id that is a path", line({ ...program, id: "../x" })],
		["an id that is an option", line({ ...program, id: "-x" })],
		["an id of two lines", line({ ...program, id: "a\nExec=x" })],
		["an id that is too long", line({ ...program, id: "a".repeat(65) })],
		["a name that is none", line({ ...program, name: 7 })],
		["a terminal that is none", line({ ...program, terminal: "true" })],
	])("loses a line with %s, and no other", (_, bad) => {
		expect(parseReport(bad + line(program))).toEqual({ programs: [program], refused: 1 });
	});

	it("loses what has the id of an earlier one, and what is too much", () => {
		const many = Array.from({ length: programsMax + 50 }, (_, index) => line({ ...program, id: `p${index}` })).join("");
		expect(parseReport(many).programs).toHaveLength(programsMax);
		expect(parseReport(line(program) + line({ ...program, name: "Other" })).programs).toEqual([program]);
	});

	it.each([
		["an SVG", { format: "svg", base64: "" }],
		["no picture", { format: "png", base64: "AAAA" }],
		["a word", "icon"],
	])("keeps a program without its icon, where that is %s", (_, icon) => {
		expect(parseReport(line({ ...program, icon })).programs).toEqual([program]);
	});

	it.each([
		["Fire\u0000fox\n[Desktop Entry]\nExec=x", "Firefox [Desktop Entry] Exec=x"],
		["\u202Exoferif (gniknab)\u202C", "xoferif (gniknab)"],
		["a\u200B\u2066b\uFEFF\u{E0041}", "ab"],
		["  a \t\u00a0 b  ", "a b"],
		["x".repeat(500), "x".repeat(64)],
		["Z\u0316\u0317\u0318\u0319\u031C\u031D", "Z\u0316\u0317\u0318\u0319"],
		["\u0007", "firefox"],
		["\ud800", "firefox"],
	])("has names that are safe to show: %j", (name, safe) => {
		expect(parseReport(line({ ...program, name })).programs[0]?.name).toBe(safe);
	});

	it("is kept, and read back as it was", () => {
		const { programs } = parseReport(
			line({ ...program, icon: { format: "png", base64: makePng().toString("base64") } }),
		);
		expect(parseKept(formatKept(programs))?.programs).toEqual(programs);
		for (const text of ["", "{}", '{"schema":2,"programs":[]}', '{"schema":1,"programs":{}}', "null"])
			expect(parseKept(text)).toBeUndefined();
		expect(parseKept('{"schema":1,"programs":[{"id":"../x","name":"x"}]}')?.programs).toEqual([]);
	});

	it("has no more icons than there is room for, and what is kept of it can be read again", () => {
		/** Noise, which no compression makes smaller. */
		const noise = Buffer.from(
			Array.from({ length: 200 * 1024 }, (_, index) => (index * 7919 + (index >> 3) * 104_729) % 251),
		);
		const row = 4 * 64 + 1;
		for (let at = 0; at < noise.length; at += row) noise[at] = 0;
		const tall = Math.floor(noise.length / row);
		const png = Buffer.concat([
			signature,
			header(64, tall),
			chunk("IDAT", deflateSync(noise.subarray(0, tall * row), { level: 0 })),
			end,
		]);
		const icon = { format: "png", base64: png.toString("base64") };
		const many = Array.from({ length: 250 }, (_, index) => line({ ...program, id: `p${index}`, icon })).join("");
		const { programs } = parseReport(many);
		const bytes = programs.reduce((sum, one) => sum + (one.icon?.length ?? 0), 0);
		expect(bytes).toBeGreaterThan(0);
		expect(bytes).toBeLessThanOrEqual(8 * 1024 * 1024);
		expect(parseKept(formatKept(programs))?.programs).toEqual(programs);
	});

	it("may be any text", () => {
		const value = fc.oneof(
			fc.string({ unit: "binary" }),
			fc.jsonValue().map((json) => JSON.stringify(json)),
		);
		fc.assert(
			fc.property(fc.array(value), (lines) => {
				for (const { id, name } of parseReport(lines.join("\n")).programs) {
					expect(id).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
					expect(name).toMatch(/^[^\p{Cc}\p{Cf}]{1,64}$/u);
				}
			}),
		);
	});
});

it("a name that is written from right to left does not move the vm's", () => {
	expect(toMenuName("Firefox", "shopping")).toBe("Firefox (shopping)");
	expect(toMenuName("שלום", "shopping")).toBe("\u2068שלום\u2069 (shopping)");
	for (const name of ["Ωμέγα", "Почта", "電卓", "계산기", "ปฏิทิน", "😀 1+1=2", "été"]) {
		expect(toMenuName(name, "shopping")).toBe(`${name} (shopping)`);
	}
});

it("nor does any single character of such a script, the old ones included", () => {
	/** Python's tables are none of ours. */
	const list =
		'import unicodedata as u\nfor c in range(0x110000):\n if u.bidirectional(chr(c)) in ("R", "AL", "AN"): print(c)';
	const { stdout } = spawnSync("/usr/bin/python3", ["-c", list], { encoding: "utf8" });
	const characters = stdout
		.trim()
		.split("\n")
		.map((code) => String.fromCodePoint(Number(code)));
	expect(characters.length).toBeGreaterThan(2_000);
	/** Samaritan, Mandaic, NKo, Phoenician, Imperial Aramaic, Hanifi Rohingya, Yezidi, Adlam; the number of an Indic Siyaq. */
	for (const known of "\u0800\u0840\u07CA\u{10900}\u{10840}\u{10D00}\u{10E80}\u{1E900}\u{1EC71}")
		expect(characters).toContain(known);
	const moving = characters.filter((character) => !toMenuName(`a${character}`, "x").startsWith("\u2068"));
	expect(moving).toEqual([]);
});

it("a guest's name can't end the isolation that it is in", () => {
	const name = toProgramName("\u2069\u05D0\u202E\u2067\u200F", "firefox");
	expect(toMenuName(name, "shopping")).toBe("\u2068\u05D0\u2069 (shopping)");
});
