/** nix/rootfs, booted: a guest whose PID 1 is s6-svscan, with the agent as one of its services. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import { isSoak } from "../rounds.ts";
import { nothingLeft, TestUser } from "./harness.ts";
import { makeS6Image } from "./s6-image.ts";
import { Terminal } from "./tmux.ts";

let directory: string;
let user: TestUser;

beforeAll(async () => {
	directory = await makeS6Image();
	user = new TestUser({
		vms: [{ id: 5, name: "shopping", memory: 512, idleTimeout: 300, image: join(directory, "image") }],
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
	rmSync(directory, { recursive: true });
});

const says = async (line: string): Promise<string> =>
	(await user.run("-u", "root", "--shell", line, "shopping")).stdout.trim();

it("boots for a command, and gives its exact status", async () => {
	expect(await user.run("shopping", "sh", "-c", "echo out; echo err >&2; exit 42")).toMatchObject({
		...{ status: 42, stdout: "out\n", stderr: "err\n" },
	});
	expect(await user.run("shopping", "sh", "-c", "kill -9 $$")).toMatchObject({ status: 137 });
});

it("is s6's from its first process on", async () => {
	expect(await says("cat /proc/1/comm")).toBe("s6-svscan");
	const services = "for service in agent console power-button; do s6-svstat -o up /run/service/$service; done";
	expect(await says(services)).toBe("true\ntrue\ntrue");
});

it("has the address, host name and idleTimeout that the kernel's command line says", async () => {
	expect(await says("hostname; ip -4 -o address show vm0 | grep -o '172[^ ]*' | head -n 1; ip route | head -n 1")).toBe(
		"shopping\n172.16.200.5/31\ndefault via 172.16.200.4 dev vm0",
	);
	expect(JSON.parse(await says("qubes-lite-guest about"))).toEqual({
		...{ schema: 1, name: "shopping", id: 5, disposable: false, idleTimeout: 300 },
	});
});

it("starts an agent that has died anew", async () => {
	expect(await user.run("-u", "root", "shopping", "sh", "-c", "kill -9 $(pidof node)")).toMatchObject({ status: 125 });
	await user.until("it serves again", async () => (await user.run("shopping", "true")).status === 0);
	expect(await says("s6-svstat -o up,ready /run/service/agent; cat /proc/1/comm")).toBe("true false\ns6-svscan");
});

it("keeps what is written in memory: the next boot has none of it", async () => {
	expect(await says("echo kept >/etc/kept && cat /etc/kept; grep -c ' / overlay ' /proc/mounts")).toBe("kept\n1");
	expect(await user.sh("qubes-lite stop shopping")).toMatchObject({ status: 0, stderr: "" });
	expect(await user.status("shopping")).toMatchObject({ state: "stopped" });
	expect(await says("cat /etc/kept 2>&1")).toContain("No such file");
});

it("has a root shell on its console for the host's user", async () => {
	const terminal = new Terminal(user);
	try {
		terminal.type("qubes-lite console shopping");
		await terminal.shows(/press Enter/);
		terminal.press("Enter");
		await terminal.shows(/^\/ #$/m);
		terminal.type("id -un; tty");
		await terminal.shows(/^root\n\/dev\/ttyS0$/m);
		terminal.type("exit");
		await terminal.shows(/press Enter[\s\S]*press Enter[^\n]*$/);
	} finally {
		terminal.close();
	}
});

it("powers off by its button, without its agent", async () => {
	await says("s6-svc -d /run/service/agent; sleep 0.1; echo down");
	await toVmmControl({ kind: "qmp", path: join(user.runtime, "shopping", vmFiles.qmp) }).pressPowerButton();
	await user.until("it has stopped", async () => (await user.status("shopping")).state === "stopped");
	expect((await user.status("shopping")).reason).toBe("the guest powered off");
	const kept = await user.sh("qubes-lite logs --console shopping");
	expect(kept.stdout).toMatch(/the power button was pressed[\s\S]*reboot: Power down/);
});

/** A boot of its own, for one line of s6's that does what the button does. */
if (isSoak)
	it("powers off by way of s6 as well", async () => {
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		await user.run("-u", "root", "-d", "shopping", "poweroff");
		await user.until("it has stopped", async () => (await user.status("shopping")).state === "stopped");
		expect((await user.status("shopping")).reason).toBe("the guest powered off");
	});
