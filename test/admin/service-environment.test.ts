import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { addVariables, findLacking, parseVariables, removeVariables } from "../../src/admin/service-environment.ts";

describe("what a service lacks to look where the shell does", () => {
	it.each([
		["nothing where both are the same", { XDG_CACHE_HOME: "/c" }, { XDG_CACHE_HOME: "/c/" }, []],
		["nothing where one names the default", { XDG_CACHE_HOME: "/home/me/.cache" }, {}, []],
		["nothing where a value counts for nothing", { XDG_CACHE_HOME: "relative", QUBES_LITE_CONFIG: "" }, {}, []],
		[
			"what the shell has more",
			{ QUBES_LITE_CONFIG: "/q.json", XDG_CONFIG_HOME: "/f" },
			{},
			["QUBES_LITE_CONFIG=/q.json", "XDG_CONFIG_HOME=/f"],
		],
		[
			"the default where only the service has another",
			{},
			{ QUBES_LITE_CONFIG: "/q.json", XDG_STATE_HOME: "/s" },
			["QUBES_LITE_CONFIG=", "XDG_STATE_HOME=/home/me/.local/state"],
		],
		["no PATH that is not known", { PATH: "/usr/bin" }, {}, []],
	])("is %s", (_, shell, service, lacking) => {
		const HOME = "/home/me";
		const found = findLacking({ HOME, ...shell }, { HOME, ...service });
		expect(found.map(({ name, value }) => `${name}=${value}`)).toEqual(lacking);
	});

	const directory = mkdtempSync(join(tmpdir(), "qubes-lite-test-"));
	afterAll(() => rmSync(directory, { recursive: true }));
	const put = (name: string, ...programs: readonly string[]): string => {
		const path = join(directory, name);
		mkdirSync(path);
		for (const program of programs) writeFileSync(join(path, program), "", { mode: 0o755 });
		return path;
	};

	it("is PATH where it leads to another QEMU or helper, or to one at all", () => {
		const [none, one, other] = [
			put("none"),
			put("one", "qemu-system-x86_64"),
			put("other", "qemu-system-x86_64", "ls"),
		];
		const isLacking = (here: string, there: string) => findLacking({ PATH: here }, { PATH: there }).length === 1;
		expect(isLacking(one, none)).toBe(true);
		expect(isLacking(`${one}:${other}`, other)).toBe(true);
		expect(isLacking(`${none}:${one}`, `${one}:${other}`)).toBe(false);
		expect(isLacking(none, one)).toBe(false);
	});
});

describe("variables in a unit", () => {
	const unit = "[Service]\nExecStart=/bin/true\n";

	it("come and go", () => {
		const added = addVariables(unit, [{ name: "XDG_CACHE_HOME", value: "/50% $x" }]);
		expect(added).toContain('\nEnvironment="XDG_CACHE_HOME=/50%% $x"\n');
		expect(removeVariables(added)).toBe(unit);
		expect(addVariables(unit, [])).toBe(unit);
	});

	it("are refused with a sentence where systemd would not take them", () => {
		expect(() => addVariables(unit, [{ name: "XDG_CACHE_HOME", value: "/a\x01" }])).toThrow(
			expect.objectContaining({ code: "Unsupported", remedy: 'echo "$XDG_CACHE_HOME"' }),
		);
	});
});

it("what systemctl prints of an environment is read back", () => {
	const lines = `A=plain\nB=$'a b\\'c\\\\d\\n$x"'\nC=\nD=$'x=\\001'\n`;
	expect(parseVariables(lines)).toEqual({ A: "plain", B: `a b'c\\d\n$x"`, C: "", D: "x=\x01" });
	expect(parseVariables(`A=1 "B=a b \\"c\\" \\$x" $'C=\\t' D=ü\n`)).toEqual({
		A: "1",
		B: 'a b "c" $x',
		C: "\t",
		D: "ü",
	});
	expect(parseVariables("")).toEqual({});
});
