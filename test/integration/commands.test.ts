/** `qubes-lite`'s commands that other programs do, and the names that it is called by: what is started, with which words. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
let place: string;

/** A checkout whose other programs say only what they were started with. */
beforeAll(() => {
	place = mkdtempSync(join(tmpdir(), "ql-"));
	for (const directory of ["bin", "dist", "links"]) mkdirSync(join(place, directory));
	symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
	copyFileSync(join(root, "bin/qubes-lite"), join(place, "bin/qubes-lite"));
	copyFileSync(join(root, "dist/qubes-lite.cjs"), join(place, "dist/qubes-lite.cjs"));
	for (const program of ["admin", "image"]) {
		const said = `console.log(${JSON.stringify(program)}, JSON.stringify(process.argv.slice(2)));`;
		const ends = `
			const end = process.env.FAKE_END ?? "0";
			if (end === "wait") {
				process.on("SIGTERM", () => process.exit(7));
				process.on("SIGINT", () => process.exit(8));
				setTimeout(() => {}, 60_000);
			} else if (end.startsWith("SIG")) process.kill(process.pid, end);
			else process.exitCode = Number(end);
		`;
		writeFileSync(join(place, `dist/${program}.mjs`), ends + said);
	}
});

afterAll(() => rmSync(place, { recursive: true, force: true }));

/** No runtime directory: whoever asks the broker fails at once. */
const start = (name: string, words: readonly string[], env: NodeJS.ProcessEnv = {}) =>
	execa(join(place, name), words, { env: { PATH: process.env.PATH, ...env }, extendEnv: false, reject: false });

const run = async (line: string, env: NodeJS.ProcessEnv = {}) => {
	const { stdout, stderr, exitCode } = await start("bin/qubes-lite", line.split(" "), env);
	return { stdout, stderr, exitCode };
};

describe("a command of another program's", () => {
	it.each([
		["units --config a --out b", 'admin ["units","--config","a","--out","b"]'],
		["install --dry-run", 'admin ["install","--dry-run"]'],
		["uninstall", 'admin ["uninstall"]'],
		["doctor -q --json", 'admin ["doctor","-q","--json"]'],
		["completion zsh", 'admin ["completion","zsh"]'],
		["completion --vms", 'admin ["vm-names"]'],
		["image build --force", 'image ["build","--force"]'],
		["host tap --print --nat eth0 vault", 'admin ["host tap","--print","--nat","eth0","vault"]'],
		["image path", 'image ["path"]'],
	])("is started with its words: %s", async (line, stdout) => {
		expect(await run(line)).toEqual({ stdout, stderr: "", exitCode: 0 });
	});

	it.each([
		["3", 3],
		["SIGKILL", 137],
		["SIGTERM", 143],
	])("ends with its exit status: %s is %i", async (end, exitCode) => {
		expect(await run("doctor", { FAKE_END: end })).toMatchObject({ exitCode });
	});

	it.each([
		["doctr"],
		["doctor --jsn"],
		["units"],
		["image"],
		["image biuld"],
		["host"],
		["host tab --print"],
		["completion"],
		["completion --vms zsh"],
	])("is not started where its words are wrong: %s", async (line) => {
		const { stdout, stderr, exitCode } = await run(line);
		expect([stdout, exitCode]).toEqual(["", 2]);
		expect(stderr).toMatch(/^qubes-lite: .*\n {2}→ qubes-lite .*--help$/);
	});

	it("shows its own help without being started", async () => {
		const { stdout } = await run("doctor --help");
		expect(stdout).toMatch(/^usage: qubes-lite doctor \[--json\] \[-q\]\n/);
		expect(stdout).not.toContain("admin");
	});

	it.each([
		["SIGTERM that is for us alone", "SIGTERM", 1, 7],
		["SIGINT that the keys send to both", "SIGINT", -1, 8],
	] as const)("decides itself what a %s ends", async (_, signal, sign, exitCode) => {
		const running = spawn(join(place, "bin/qubes-lite"), ["doctor"], {
			env: { PATH: process.env.PATH, FAKE_END: "wait" },
			stdio: ["ignore", "pipe", "inherit"],
			detached: true,
		});
		await once(running.stdout, "data");
		process.kill(sign * (running.pid ?? Number.NaN), signal);
		expect(await once(running, "exit")).toEqual([exitCode, null]);
	});
});

describe("a link named qubes-lite-start-NAME", () => {
	it.each([
		["qubes-lite-start-banking", "bin/qubes-lite"],
		["qubes-lite-start-my-vm", "links/qubes-lite-start-banking"],
	])("starts the vm of that name: %s", async (name, to) => {
		symlinkSync(join(place, to), join(place, "links", name));
		const { stderr, exitCode } = await start(`links/${name}`, []);
		expect(stderr).toMatch(/^qubes-lite: XDG_RUNTIME_DIR is not set/);
		expect(exitCode).toBe(1);
		const help = await start(`links/${name}`, ["--help"]);
		expect(help.stdout).toMatch(/^usage: qubes-lite start .*VM…\n/);
	});
});
