/** What nix/guest puts into a guest of NixOS, in a guest of Debian that has systemd, booted: the agent as a service, network, shares, power. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import { nothingLeft, TestUser } from "../e2e/harness.ts";
import { makeSystemdImage } from "./systemd-image.ts";

let directory: string;
let user: TestUser;
const shared = () => join(directory, "shared");

beforeAll(async () => {
	directory = await makeSystemdImage();
	mkdirSync(shared());
	const vm = {
		id: 9,
		name: "systemd",
		memory: 1024,
		idleTimeout: 120,
		bootTimeout: 300,
		image: join(directory, "image"),
	};
	user = new TestUser({ vms: [{ ...vm, sharedDirectories: [{ tag: "my-own", path: shared() }] }] });
}, 900_000);

afterAll(async () => {
	expect(await user.leave(["systemd"])).toEqual(nothingLeft);
	rmSync(directory, { recursive: true });
});

const says = async (line: string): Promise<string> =>
	(await user.run("-u", "root", "--shell", line, "systemd")).stdout.trim();

it("boots, and gives a command's exact status", async () => {
	expect(await user.run("systemd", "sh", "-c", "echo out; exit 42")).toMatchObject({ status: 42, stdout: "out\n" });
	expect(await says("cat /proc/1/comm; systemctl --failed --no-legend")).toBe("systemd");
});

it("has its name, address and idleTimeout from the kernel's command line, by systemd's own words and ours", async () => {
	expect(
		await says("hostname; ip -4 -o address show vm0 | grep -o '172[^ ]*' | head -n 1; ip route | head -n 1"),
	).toMatch(/^systemd\n172\.16\.200\.9\/31\ndefault via 172\.16\.200\.8 dev vm0/);
	expect(JSON.parse(await says("qubes-lite-guest about"))).toMatchObject({ name: "systemd", id: 9, idleTimeout: 120 });
	expect(await says("resolvectl dns")).toContain("172.16.200.1");
});

it("runs commands as the image's user, with what the image gives them, in cgroups below the agent's", async () => {
	const { stdout } = await user.run("systemd", "sh", "-c", "id -un; echo $XDG_RUNTIME_DIR; cat /proc/self/cgroup");
	expect(stdout).toMatch(/^user\n\/run\/user\/1000\n0::\/system\.slice\/qubes-lite-agent\.service\/session-\d+\n$/);
	expect(await says("ls -d /run/user/1000/bus")).toBe("/run/user/1000/bus");
});

it("has the host's directory by its tag", async () => {
	expect(await says("echo from the guest >/mnt/my-own/file; findmnt -n -o FSTYPE /mnt/my-own")).toBe("virtiofs");
	expect(readFileSync(join(shared(), "file"), "utf8")).toBe("from the guest\n");
});

it("has an agent that systemd starts anew, which ends what the dead one has left, in good order", async () => {
	await says("(trap 'echo bye >/bye; exit' HUP; while :; do sleep 0.1; done) >/dev/null 2>&1 &");
	await user.run("-u", "root", "systemd", "sh", "-c", "kill -9 $(pidof node)");
	await user.until("it serves again", async () => (await user.run("systemd", "true")).status === 0);
	await user.until("that has ended", async () => (await says("cat /bye; pidof sleep")) === "bye");
	expect(await says("systemctl show -p NRestarts --value qubes-lite-agent")).toBe("1");
});

it("stops when it is asked to, in good order", async () => {
	const command = user.start("run-in-vm", [
		"systemd",
		"sh",
		"-c",
		"trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.1; done",
	]);
	await user.until("it is up", async () => (await says("pidof sleep | wc -w")) !== "0");
	expect(await user.sh("qubes-lite stop systemd")).toMatchObject({ status: 0 });
	expect((await command.done).stdout).toBe("up\nbye\n");
	expect((await user.sh("qubes-lite logs --console systemd")).stdout).toContain("reboot: Power down");
});

it("and by its power button", async () => {
	expect(await user.run("systemd", "true")).toMatchObject({ status: 0 });
	await toVmmControl({ kind: "qmp", path: join(user.runtime, "systemd", vmFiles.qmp) }).pressPowerButton();
	await user.until("it has stopped", async () => (await user.status("systemd")).state === "stopped");
	expect((await user.status("systemd")).reason).toBe("the guest powered off");
});
