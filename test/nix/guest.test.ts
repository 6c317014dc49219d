/** nix/guest by fixtures, and what of it can run here: systemd's own reader of the kernel's command line, and our generator of mounts. */
import { spawn, spawnSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/loader.ts";
import type { Config, VmConfig } from "../../src/config/schema.ts";
import { toKernelWords } from "../../src/vmm/kernel-command-line.ts";
import { compare, fixturesIn, read } from "./golden.ts";
import { libraries, root } from "./nix.ts";

describe.each(libraries)("the guest's module, by %s,", (_, library) => {
	it.each(fixturesIn("guest"))("makes of %s what it did", (name) => compare("evaluate-guest.nix", name, library));
});

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-guest-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** What the broker says to a guest of the module's configuration, on a host as the module makes it. */
function lineOf(golden: string, name: string): string {
	const config: Config = parseConfig(JSON.stringify(read<{ broker: object }>(golden).broker), golden);
	const vm = config.vms.find((one) => one.name === name) as VmConfig;
	const disk = { path: "/root.qcow2", readOnly: true, id: "root" };
	const network = vm.network ? "tap" : "none";
	const facts = {
		accelerator: "kvm",
		network,
		root: disk,
		hypervisor: vm.hypervisor,
		nameServer: "192.168.1.1",
	} as const;
	return toKernelWords(config, vm, facts)
		.map(({ word }) => word)
		.join(" ");
}

describe("the kernel's command line", () => {
	const generate = (line: string): string[] => {
		const argv = [`--root=${directory}`, ...line.split(" ")];
		const { status, stderr } = spawnSync("/lib/systemd/systemd-network-generator", argv, { encoding: "utf8" });
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		try {
			return readdirSync(join(directory, "run/systemd/network")).sort();
		} catch {
			return [];
		}
	};
	/** Lines that say something. */
	const said = (name: string): string[] =>
		readFileSync(join(directory, "run/systemd/network", name), "utf8")
			.split("\n")
			.filter((line) => line.includes("="));

	it("gives a guest of systemd its link, address and gateway, by systemd's own generator", () => {
		const files = generate(lineOf("seed/quick-start", "shopping"));
		const [link = "", network = ""] = files;
		expect(files.map((file) => file.replace(/^\d+-/, ""))).toEqual(["vm0.link", "vm0.network"]);
		expect(said(link)).toEqual(["MACAddress=02:51:4c:00:00:05", "Name=vm0"]);
		expect(said(network)).toEqual([...["Name=vm0", "DHCP=no", "Address=172.16.200.5/31", "Gateway=172.16.200.4"]]);
	});

	it("gives one that is offline none", () => {
		expect(generate(lineOf("seed/quick-start", "personal"))).toEqual([]);
	});

	it("has its host name in systemd's word", () => {
		expect(lineOf("seed/quick-start", "banking")).toMatch(/(^| )systemd\.hostname=banking( |$)/);
	});
});

/** A guest's script as it is, but for these places; with no PATH but that of coreutils and grep, as NixOS' units have it. */
function runScript(name: string, places: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
	const text = readFileSync(join(root, "guest-image/systemd", name), "utf8");
	const moved = Object.entries(places).reduce((all, [from, to]) => {
		expect(all).toContain(from);
		return all.replaceAll(from, to);
	}, text);
	const tools = join(directory, "tools");
	mkdirSync(tools, { recursive: true });
	for (const tool of ["cat", "grep", "ln", "mkdir", "sleep"]) {
		const found = spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim();
		if (!existsSync(join(tools, tool))) symlinkSync(found, join(tools, tool));
	}
	return spawnSync("/bin/bash", ["--norc", "-c", moved], { encoding: "utf8", env: { PATH: tools, ...env } });
}

describe("a script of the guest", () => {
	it("tells systemd-resolved of the name server on the kernel's command line", () => {
		const at = { "/proc/cmdline": join(directory, "cmdline"), "/run/systemd": join(directory, "systemd") };
		writeFileSync(at["/proc/cmdline"], `quiet ${lineOf("seed/quick-start", "shopping")}\n`);
		expect(runScript("name-server.sh", at)).toMatchObject({ status: 0, stderr: "" });
		const file = join(directory, "systemd/resolved.conf.d/qubes-lite.conf");
		expect(readFileSync(file, "utf8")).toBe("[Resolve]\nDNS=192.168.1.1\nDomains=~.\n");
	});

	it.each(["", "1.2.3.4\\n", "a.b", "*", "$(id)", "::1"])(
		"tells it of none by a word that is no address: %j",
		(word) => {
			const at = { "/proc/cmdline": join(directory, "cmdline"), "/run/systemd": join(directory, "systemd") };
			writeFileSync(at["/proc/cmdline"], `quiet qubeslite.dns=${word}\n`);
			expect(runScript("name-server.sh", at)).toMatchObject({ status: 0, stderr: "" });
			expect(existsSync(join(directory, "systemd"))).toBe(false);
		},
	);

	it("notes once when the agent began, where the other phases are", () => {
		const at = { "/run/qubes-lite": directory, "/dev/console": join(directory, "console") };
		for (const _ of [1, 2]) expect(runScript("note-phase.sh", at)).toMatchObject({ status: 0, stderr: "" });
		expect(readFileSync(join(directory, "phases"), "utf8")).toMatch(/^agent \d+\.\d+\n$/);
		expect(readFileSync(join(directory, "console"), "utf8")).toBe("qubes-lite: phase agent\n");
	});

	it("lets the sessions' programs say goodbye when the agent is stopped, and only then", async () => {
		const session = join(directory, "session-1");
		mkdirSync(session);
		const program = spawn("sleep", ["1000"], { stdio: "ignore" });
		const ended = new Promise((resolve) => program.once("exit", (_, signal) => resolve(signal)));
		writeFileSync(join(session, "cgroup.procs"), `${program.pid}\n`);
		writeFileSync(join(session, "cgroup.events"), "populated 1\nfrozen 0\n");
		const at = { "/sys/fs/cgroup/system.slice/qubes-lite-agent.service": directory };
		expect(runScript("end-sessions.sh", at)).toMatchObject({ status: 0, stderr: "" });
		expect(existsSync(join(session, "cgroup.kill"))).toBe(false);
		writeFileSync(join(session, "cgroup.kill"), "");
		expect(runScript("end-sessions.sh", at, { MAINPID: "1" })).toMatchObject({ status: 0, stderr: "" });
		expect(await ended).toBe("SIGTERM");
		expect(readFileSync(join(session, "cgroup.kill"), "utf8")).toBe("1\n");
	});
});

describe("shared directories", () => {
	const generate = (line: string): Record<string, string> => {
		const file = join(directory, "cmdline");
		writeFileSync(file, `${line}\n`);
		const out = mkdtempSync(join(directory, "out-"));
		// Its words are three directories.
		const places = { "directory=$1": `directory=${out}` };
		const ran = runScript("share-generator.sh", places, { QUBES_LITE_CMDLINE: file });
		expect(ran).toMatchObject({ status: 0, stderr: "" });
		const units = readdirSync(out).filter((name) => name.endsWith(".mount"));
		for (const unit of units) {
			expect(readlinkSync(join(out, "local-fs.target.wants", unit))).toBe(`../${unit}`);
			const verified = spawnSync("systemd-analyze", ["verify", "--man=no", join(out, unit)], { encoding: "utf8" });
			expect(verified).toMatchObject({ status: 0, stderr: expect.not.stringContaining(unit) });
		}
		return Object.fromEntries(units.map((unit) => [unit, readFileSync(join(out, unit), "utf8")]));
	};

	it("are mount units, by the tags on the kernel's command line", () => {
		const units = generate(lineOf("good/every-option", "web"));
		expect(Object.keys(units).sort()).toEqual(["mnt-music.mount", "mnt-work.mount"]);
		expect(units["mnt-music.mount"]).toBe(`[Unit]
Description=Shared directory music
[Mount]
What=music
Where=/mnt/music
Type=virtiofs
Options=nosuid,nodev,nofail
`);
	});

	it("may have a dash in their tag, which a unit's name writes otherwise", () => {
		const [[unit, text] = []] = Object.entries(generate("qubeslite.share=my-own-files"));
		const escaped = spawnSync("systemd-escape", ["--path", "--suffix=mount", "/mnt/my-own-files"], {
			encoding: "utf8",
		});
		expect(unit).toBe(escaped.stdout.trim());
		expect(text).toContain("\nWhat=my-own-files\nWhere=/mnt/my-own-files\n");
	});

	it.each(["../x", "-x", "A", "1x", "a.b", "a/b", "a_b", "abcdefghijklmnopqrstu", "", "*", "$(id)"])(
		"are none by a word that is no tag: %j",
		(tag) => {
			expect(generate(`quiet qubeslite.share=${tag} root=/dev/vda`)).toEqual({});
		},
	);

	it("are four at most", () => {
		const words = ["a", "b", "c", "d", "e"].map((tag) => `qubeslite.share=${tag}`).join(" ");
		expect(Object.keys(generate(words))).toHaveLength(4);
	});
});
