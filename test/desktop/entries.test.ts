/** Menu entries: whatever a guest reports, the command line is ours, and a desktop reads it back as just that. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProgramConfig } from "../../src/config/programs.ts";
import {
	type Commands,
	entryMark,
	formatDirectory,
	formatOpenEntry,
	formatProgramEntry,
	isEntryFile,
	toEntryName,
} from "../../src/desktop/entries.ts";
import { formatExec } from "../../src/desktop/entry-text.ts";
import { type MenuProgram, toMenuPrograms } from "../../src/desktop/menu-program.ts";
import { parseReport } from "../../src/desktop/report.ts";
import { createVm } from "../vmm/facts.ts";
import { parseEntry, readExec, readText } from "./parse-entry.ts";

const commands: Commands = { runInVm: "/opt/qubes-lite/bin/run-in-vm", qubesLite: "/opt/qubes-lite/bin/qubes-lite" };
const keys = [
	"Type",
	"Version",
	"Name",
	"Comment",
	"TryExec",
	"Exec",
	"Terminal",
	"Categories",
	"X-QubesLite-Vm",
	"X-QubesLite-Program",
];
const vm = createVm();

const word = fc.string({ unit: "grapheme", maxLength: 30 }).map((text) => text.replaceAll(/[\p{Cc}\p{Cs}]/gu, ""));
const nasty = fc.constantFrom(
	"%u",
	"%%",
	"$(reboot)",
	"`x`",
	'"',
	"'",
	"\\",
	"\\n",
	"a=b",
	"-rf",
	" ",
	"",
	";",
	"#",
	"~",
	"\\\\s",
);
const words = fc.array(fc.oneof(word, nasty), { maxLength: 6 });
/** Every way in which a guest may try to say more than a name. */
const hostile = fc.oneof(
	fc.string({ unit: "binary", maxLength: 100 }),
	fc.constantFrom(
		"x\nExec=reboot",
		"x\r\n[Desktop Action disposable]\nExec=reboot",
		"%c %k",
		"\\nExec=reboot",
		"x\u2028Exec=y",
		";",
		"[x]",
	),
);

function expectOurs(text: string, program: MenuProgram): void {
	expect(entryMark.judge(text)).toBe("ours");
	const { groups } = parseEntry(text);
	expect(groups.map(([name]) => name)).toEqual(["Desktop Entry", "Desktop Action disposable"]);
	const [main, action] = groups.map(([, entries]) => entries);
	expect([...(main?.keys() ?? [])].sort()).toEqual([...keys, "Actions"].sort());
	expect([...(action?.keys() ?? [])]).toEqual(["Name", "Exec"]);
	expect(readExec(main?.get("Exec") ?? "")).toEqual([commands.runInVm, "shopping", "--", ...program.command]);
	expect(readExec(action?.get("Exec") ?? "")).toEqual([
		commands.runInVm,
		"--disposable=shopping",
		"--",
		...program.command,
	]);
	expect(readText(main?.get("Name") ?? "")).toMatch(/ \(shopping\)$/);
	expect(main?.get("X-QubesLite-Vm")).toBe("shopping");
}

describe("an entry", () => {
	it("of a guest's program starts our own command with its id, whatever the guest reports", () => {
		const reported = fc.record({
			id: fc.oneof(hostile, fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)),
			name: hostile,
			terminal: fc.boolean(),
			Exec: hostile,
		});
		fc.assert(
			fc.property(fc.array(reported, { maxLength: 5 }), (list) => {
				const report = parseReport(list.map((one) => JSON.stringify(one)).join("\n"));
				for (const program of toMenuPrograms(vm, report.programs)) {
					expect(program.command).toEqual(["qubes-lite-guest", "launch", program.id]);
					expect(isEntryFile(`${toEntryName(program.vm, program.id)}.desktop`)).toBe(true);
					expectOurs(formatProgramEntry(program, commands, undefined, true), program);
				}
			}),
		);
	});

	it("of a configured program starts its command, word for word", () => {
		fc.assert(
			fc.property(word, words, (name, rest) => {
				const configured: ProgramConfig = {
					id: "x",
					name: name || "x",
					command: ["prog", ...rest],
					terminal: false,
					categories: [],
				};
				const [program] = toMenuPrograms({ ...vm, programs: [configured] }, []);
				if (program !== undefined) expectOurs(formatProgramEntry(program, commands, undefined, true), program);
			}),
		);
	});

	it("has our command wherever that is, but for a path that no menu can start", () => {
		fc.assert(
			fc.property(words, (list) => {
				const path = `/${list.join("/").replaceAll("=", "")}/run-in-vm`;
				expect(readExec(formatExec([path, ...list]))).toEqual([path, ...list]);
			}),
		);
		expect(() => formatExec(["/opt/a=b/run-in-vm"])).toThrow(/its path has a "="/);
	});

	it("has no action where no disposable can be made of its vm", () => {
		const [program] = toMenuPrograms(vm, parseReport('{"id":"a","name":"A"}').programs);
		if (program === undefined) throw new Error("no program");
		const { groups } = parseEntry(formatProgramEntry(program, commands, "/icons/a.png", false));
		expect(groups).toHaveLength(1);
		expect([...(groups[0]?.[1].keys() ?? [])].sort()).toEqual([...keys, "Icon"].sort());
	});

	it("of the configuration hides the guest's of the same id", () => {
		const configured = { id: "a", name: "Mine", command: ["mine"], terminal: true, categories: [] };
		const reported = parseReport('{"id":"a","name":"Theirs"}\n{"id":"b","name":"B"}').programs;
		const programs = toMenuPrograms({ ...vm, programs: [configured] }, reported);
		expect(programs.map(({ id, name, source }) => [id, name, source])).toEqual([
			["a", "Mine", "configuration"],
			["b", "B", "guest"],
		]);
	});

	it("has a file of its own, whatever vms and ids are called", () => {
		const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/);
		const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);
		fc.assert(
			fc.property(name, id, name, id, (vmA, idA, vmB, idB) => {
				expect(toEntryName(vmA, idA) === toEntryName(vmB, idB)).toBe(vmA === vmB && idA === idB);
			}),
		);
		expect(toEntryName("a-b", "c")).not.toBe(toEntryName("a", "b-c"));
	});
});

it("the opener hands one link over", () => {
	const [[, entry] = ["", new Map<string, string>()]] = parseEntry(formatOpenEntry(commands)).groups;
	expect(readExec(entry.get("Exec") ?? "", "https://x/?a b")).toEqual([
		commands.qubesLite,
		"open",
		"--",
		"https://x/?a b",
	]);
	expect(entry.get("MimeType")).toBe("x-scheme-handler/http;x-scheme-handler/https;x-scheme-handler/mailto;text/html;");
});

it("desktop-file-validate has nothing to say about any of them", () => {
	const directory = mkdtempSync(join(tmpdir(), "ql-entries-"));
	try {
		const files: string[] = [];
		const write = (name: string, text: string) => {
			files.push(join(directory, name));
			writeFileSync(files.at(-1) ?? "", text);
		};
		const names = [...fc.sample(hostile, { numRuns: 60, seed: 7 }), "\u05D0", "\u{10900} 1"];
		const report = parseReport(
			names.map((name, index) => JSON.stringify({ id: `p${index}`, name, terminal: index % 2 === 0 })).join("\n"),
		);
		const programs = fc.sample(words, { numRuns: 60, seed: 7 }).map((rest, index): ProgramConfig => {
			const categories = index % 3 === 0 ? ["Audio"] : [];
			return { id: `c${index}`, name: `Program ${index}`, command: ["prog", ...rest], terminal: false, categories };
		});
		const odd = { ...commands, runInVm: '/opt/od"d $dir`\\ 100%/run-in-vm' };
		for (const [index, program] of toMenuPrograms({ ...vm, programs }, report.programs).entries()) {
			const text = formatProgramEntry(
				program,
				index % 5 === 0 ? odd : commands,
				index % 4 === 0 ? "/i c/x.png" : undefined,
				index % 7 !== 0,
			);
			write(`${toEntryName("shopping", program.id)}.desktop`, text);
		}
		write("qubes-lite-open.desktop", formatOpenEntry(odd));
		write("qubes-lite.directory", formatDirectory());
		expect(files.length).toBeGreaterThan(100);
		const { status, stdout, stderr } = spawnSync("desktop-file-validate", files);
		expect({ status, said: `${stdout}${stderr}` }).toEqual({ status: 0, said: "" });
	} finally {
		rmSync(directory, { recursive: true });
	}
});
