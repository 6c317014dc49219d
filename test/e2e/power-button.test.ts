/** The power button of a real guest: what ends it in good order when its agent does not. One that has no sessions: test/contract. */
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import { nothingLeft, TestUser } from "./harness.ts";

/** Of an ext2 file system: where its state is, and "cleanly unmounted" (kernel, ext2.rst). */
const ext2 = { stateAt: 1024 + 0x3a, valid: 1 };

let user: TestUser;
let directory: string;
let disk: string;

beforeAll(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-disk-"));
	disk = join(directory, "disk.img");
	writeFileSync(disk, "");
	truncateSync(disk, 8 * 1024 * 1024);
	user = new TestUser({ vms: [{ id: 5, name: "shopping", memory: 256, disks: [disk] }] });
	const prepare = "mke2fs /dev/vdb >/dev/null && mount /dev/vdb /mnt";
	expect(await user.run("-u", "root", "shopping", "sh", "-c", prepare)).toMatchObject({ status: 0, stderr: "" });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
	rmSync(directory, { recursive: true });
});

const press = (): Promise<void> =>
	toVmmControl({ kind: "qmp", path: join(user.runtime, "shopping", vmFiles.qmp) }).pressPowerButton();

it("a command's user can't press it", async () => {
	const words = [
		"for device in /dev/input/event*; do true <>$device && echo opened; done",
		"[ -e /dev/uinput ] && echo 'there is a uinput'",
		"kill $(pidof acpid) && echo killed",
		"poweroff -f && echo off",
	].join("; ");
	const { stdout, stderr } = await user.run("shopping", "sh", "-c", words);
	expect(stdout).toBe("");
	expect(stderr).toMatch(/event0: Permission denied[\s\S]*Operation not permitted/);
	expect(await user.run("shopping", "echo", "alive")).toMatchObject({ stdout: "alive\n" });
});

it("ends a guest whose agent hangs, in good order: commands may say goodbye, what disks hold is whole", async () => {
	const words = "exec >/mnt/log; trap 'echo goodbye; exit' TERM; echo hello; echo up >&2; while :; do sleep 1; done";
	const command = user.start("run-in-vm", ["-u", "root", "shopping", "sh", "-c", `${words}`]);
	const written = "-u root shopping test -s /mnt/log";
	await user.until("it has written", async () => (await user.sh(`run-in-vm ${written}`)).status === 0);
	const halt = "kill -STOP $(pidof node); cut -d' ' -f2,3 /proc/$(pidof node)/stat";
	const console = user.start("qubes-lite", ["console", "shopping"]);
	console.stdin.write(`\n${halt}\n${halt}\n`);
	await user.until("the agent hangs", () => /\(MainThread\) T\r\n/.test(console.stdout()));
	console.stdin.end();
	expect((await console.done).stdout).toMatch(/\(MainThread\) T\r\n/);
	expect(readFileSync(disk).readUInt16LE(ext2.stateAt)).not.toBe(ext2.valid);

	await press();
	await user.until("the vmm has ended", () => user.vmmPids().length === 0);
	expect(await command.done).toMatchObject({ status: 125 });
	expect(await user.status("shopping")).toMatchObject({ state: "stopped", reason: "the guest powered off" });
	const kept = await user.sh("qubes-lite logs --console shopping");
	expect(kept.stdout).toMatch(/the power button was pressed[\s\S]*reboot: Power down/);
	const image = readFileSync(disk);
	expect(image.readUInt16LE(ext2.stateAt)).toBe(ext2.valid);
	expect(image.includes("hello\ngoodbye\n")).toBe(true);
	expect(existsSync(join(user.runtime, "shopping"))).toBe(false);
});
