import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { shimBounds, shimPath, shimPrograms, toPlanWords } from "../../src/activation/shim-script.ts";
import { type LaunchPlan, ringFileBytes } from "../../src/launch-plan.ts";

const directory = "/run/user/1000/qubes-lite/shopping";

const plan: LaunchPlan = {
	vm: "shopping",
	id: 3,
	hypervisor: "crosvm",
	directory,
	helpers: [
		{
			name: "vhost-device-vsock",
			argv: ["/usr/bin/vhost-device-vsock", "--vm", `guest-cid=3,uds-path=${directory}/vsock`],
			socket: `${directory}/vhost-vsock.sock`,
			isVital: true,
		},
	],
	vmm: { name: "crosvm", argv: ["/usr/bin/crosvm", "run", "--params", "qubeslite.vm=shopping quiet", "it's"] },
	stale: [`${directory}/vhost-vsock.sock`],
	vsock: `${directory}/vsock`,
	control: { kind: "crosvm", path: `${directory}/control.sock`, program: "/usr/bin/crosvm" },
	...{ emptyDirectory: null, wayland: null, makesNamespaces: false },
	base: null,
	requires: [],
	limits: { memoryMaxMiB: null, cpuWeight: null },
	dependsOn: [],
	stopWithinMs: 55_000,
	opensInternetSockets: false,
};

describe("the shim", () => {
	it.each([["dash"], ["busybox", "sh"], ["bash", "--posix"]])("is good grammar to %s", (...shell) => {
		const [file = "", ...args] = shell;
		execFileSync(file, [...args, "-n", shimPath]);
	});

	it("waits as long as we say it does, and keeps as much", () => {
		const script = readFileSync(shimPath, "utf8");
		const numberOf = (name: string): number => Number(new RegExp(`^${name}=(\\d+)$`, "m").exec(script)?.[1]);
		const [helperReadyMs, endMs, followMs] = ["helper_ready", "end_bound", "follow"].map((name) => 10 * numberOf(name));
		expect({ helperReadyMs, endMs, followMs }).toEqual(shimBounds);
		expect(2 * numberOf("ring_half")).toBe(ringFileBytes);
		expect(numberOf("ring_half") % numberOf("chunk")).toBe(0);
	});

	it("names at its head the programs that it needs", () => {
		const head = readFileSync(shimPath, "utf8").split("\n#\n")[0]?.replaceAll("\n# ", " ") ?? "";
		const [, all, unit] = /needs ([^;]*?), in a unit also (.*?)\./.exec(head) ?? [];
		const toNames = (text = "") => text.split(/, | and /);
		expect({ all: toNames(all), unit: toNames(unit) }).toEqual(shimPrograms);
	});

	it("says of a disk that is missing that it is, and how one is made", () => {
		const runtime = mkdtempSync(join(tmpdir(), "shim-"));
		/** Its parent becomes ours alone, too. */
		const directory = join(runtime, "qubes-lite/office");
		mkdirSync(directory, { recursive: true });
		const check = (...facts: string[]): string =>
			spawnSync("sh", [shimPath, "check", directory, "qubes-lite install", ...facts], { encoding: "utf8" }).stderr;
		expect(check("disk=/bin/sh")).toBe("");
		expect(check("disk=/no/such.img")).toBe(
			"qubes-lite: the disk /no/such.img is not there. Try: truncate -s 4G '/no/such.img'   # a new one, or mount what holds it\n",
		);
		expect(check("disk=/no/such.qcow2")).toContain("Try: qemu-img create -f qcow2 '/no/such.qcow2' 4G");
		expect(check("file=/no/vmlinux")).toContain(
			"made for /no/vmlinux, which is not there any more. Try: qubes-lite install",
		);
		rmSync(runtime, { recursive: true });
	});

	it("gets a plan as words", () => {
		expect(toPlanWords(plan)).toEqual([
			...["1", `${directory}/vhost-vsock.sock`, "3"],
			...["/usr/bin/vhost-device-vsock", "--vm", `guest-cid=3,uds-path=${directory}/vsock`],
			...["/usr/bin/crosvm", "run", "--params", "qubeslite.vm=shopping quiet", "it's"],
		]);
	});

	it("can't be given a NUL", () => {
		const vmm = { name: "crosvm", argv: ["a\0b"] } as const;
		expect(() => toPlanWords({ ...plan, vmm })).toThrow('An argument holds a NUL character: "a\\u0000b"');
	});
});
