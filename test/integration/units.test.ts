/** `qubes-lite units`: what it writes, for this host and for another, and what a real systemd says of it. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fakeCache } from "../e2e/harness.ts";
import { facts } from "../vmm/facts.ts";

const qubesLite = fileURLToPath(new URL("../../bin/qubes-lite", import.meta.url));
const { runtimeDirectory: _, user: _user, wayland: _none, nameServer: _unknown, ...rest } = facts;
const disks = [
	"/data/a b.qcow2",
	"/data/50%n.img",
	"/data/$HOME.img",
	`/data/"q" 'q'.img`,
	"/data/back\\slash.img",
	"/data/\u{1f469}\u200d\u{1f4bb}.img",
];
const vms = [
	{ id: 5, name: "shopping", memoryMax: 2048, cpuWeight: 50, autoStart: true },
	{ id: 13, name: "vault", network: false },
	{ id: 7, name: "work", disks },
	{ id: 9, name: "windows", hypervisor: "crosvm", network: false, gpu: "virgl", disks: ["/data/a b,c.img"] },
];

let root: string;
const at = (...parts: string[]) => join(root, ...parts);

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "ql-"));
	writeFileSync(at("config.json"), JSON.stringify({ version: 1, vms }));
	const binaries = { ...rest.binaries, crosvm: "/opt/50% $x/crosvm" };
	const host = { ...rest, binaries, accelerator: "kvm", taps: ["ql-shopping"], wayland: true };
	writeFileSync(at("facts.json"), JSON.stringify({ schema: 1, ...host }));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

async function units(...words: string[]) {
	const env = { PATH: process.env.PATH, HOME: root, XDG_CACHE_HOME: at("cache"), XDG_RUNTIME_DIR: at("run") };
	const { stdout, stderr, exitCode } = await execa(qubesLite, ["units", "--config", at("config.json"), ...words], {
		...{ env, extendEnv: false, reject: false, cwd: root },
	});
	return { stdout, stderr, exitCode };
}
const forFacts = () => units("--facts", at("facts.json"), "--out", at("out/units"));

it("writes a unit for each vm and a template for its instances, of which systemd has nothing to say", async () => {
	const names = [
		"shopping.service",
		"shopping@.service",
		"vault.service",
		"vault@.service",
		"work.service",
		"windows.service",
	];
	const paths = names.map((name) => at("out/units", `qubes-lite-${name}`));
	expect(await forFacts()).toEqual({ stdout: paths.join("\n"), stderr: "", exitCode: 0 });
	expect(readdirSync(at("out/units")).sort()).toEqual(names.map((name) => `qubes-lite-${name}`).sort());
	expect(readFileSync(at("out/units/qubes-lite-shopping.service"), "utf8")).toContain(
		' check %t/qubes-lite/shopping "qubes-lite install" kvm ',
	);
	const broker = fileURLToPath(new URL("../../units/qubes-lite-broker.socket", import.meta.url));
	symlinkSync(broker, at("out/units/qubes-lite-broker.socket"));
	mkdirSync(at("run"), { mode: 0o700 });
	const files = paths.map((path) => path.replace("@.", "@1a2b."));
	const verified = await execa("systemd-analyze", ["--user", "--man=no", "verify", ...files], {
		env: { XDG_RUNTIME_DIR: at("run"), HOME: root },
		reject: false,
	});
	expect(verified).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
});

it("writes the same again, and what a change of the configuration makes of it", async () => {
	await forFacts();
	const path = at("out/units/qubes-lite-vault.service");
	const before = readFileSync(path, "utf8");
	expect(await forFacts()).toMatchObject({ exitCode: 0 });
	expect(readFileSync(path, "utf8")).toBe(before);
	writeFileSync(at("config.json"), JSON.stringify({ version: 1, vms: [{ ...vms[1], cpuWeight: 7 }] }));
	expect(await forFacts()).toMatchObject({ exitCode: 0 });
	expect(readFileSync(path, "utf8")).toContain("\nCPUWeight=7\n");
});

it("writes them also where others write the same just now", async () => {
	const outcomes = await Promise.all([forFacts(), forFacts(), forFacts(), forFacts()]);
	for (const outcome of outcomes) expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
	expect(readdirSync(at("out/units"))).toHaveLength(6);
});

it.each([
	["somebody else's", () => writeFileSync(at("out/units/qubes-lite-vault.service"), "[Service]\n")],
	["changed by hand", () => writeFileSync(at("out/units/qubes-lite-vault.service"), "#\n", { flag: "a" })],
	["a directory", () => mkdirSync(at("out/units/qubes-lite-vault.service"))],
])("writes nothing where a file of that name is %s", async (what, spoil) => {
	await forFacts();
	if (what === "a directory") rmSync(at("out/units/qubes-lite-vault.service"));
	spoil();
	rmSync(at("out/units/qubes-lite-shopping.service"));
	const left = readdirSync(at("out/units"));
	const path = at("out/units/qubes-lite-vault.service");
	expect(await forFacts()).toEqual({
		...{ stdout: "", exitCode: 1 },
		stderr: `qubes-lite: ${path} is there and not as we made it, so nothing is written\n  → mv ${path} ${path}.mine`,
	});
	expect(readdirSync(at("out/units"))).toEqual(left);
});

it("is for this host without a file of facts, and says what is missing", async () => {
	writeFileSync(at("config.json"), JSON.stringify({ version: 1, vms: vms.slice(0, 3) }));
	const { stderr, exitCode } = await units("--out", at("out"));
	expect({ stderr, exitCode }).toMatchObject({
		exitCode: 1,
		stderr: expect.stringContaining("→ qubes-lite image build"),
	});
	expect(readdirSync(root)).not.toContain("out");
	fakeCache(at("cache"));
	mkdirSync(at("cache/qubes-lite/tools"));
	symlinkSync("/bin/true", at("cache/qubes-lite/tools/vhost-device-vsock"));
	expect(await units("--out", "out")).toMatchObject({ exitCode: 0, stderr: "" });
	expect(readFileSync(at("out/qubes-lite-vault.service"), "utf8")).toContain(
		at("cache/qubes-lite/images/current/vmlinux"),
	);
});

it.each([
	[
		"a configuration that is not there",
		["--config", "/nowhere"],
		"there is no configuration file /nowhere",
		"name a file",
	],
	["an empty name", ["--config", ""], "the name after --config is empty", "qubes-lite units --help"],
	[
		"facts that are not there",
		["--facts", "/nowhere"],
		"the facts /nowhere can't be read (ENOENT)",
		"namei -l /nowhere",
	],
	["facts that are a directory", ["--facts", "/"], "/ is no file of at most 1 MiB", "name a JSON file"],
	[
		"a directory that can't be made",
		["--out", "/proc/x"],
		"/proc/x/qubes-lite-shopping.service can't be written",
		"namei -l",
	],
])("refuses %s", async (_, words, sentence, remedy) => {
	const { stdout, stderr, exitCode } = await units("--facts", at("facts.json"), "--out", at("out"), ...words);
	expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: words.includes("") ? 2 : 1 });
	expect(stderr).toContain(`qubes-lite: ${sentence}`);
	expect(stderr).toContain(`\n  → ${remedy}`);
	expect(stderr.split("\n")).toHaveLength(2);
	expect(readdirSync(root)).not.toContain("out");
});
