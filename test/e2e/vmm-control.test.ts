/** A real QEMU's control socket, with a real guest behind it. */
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import type { VmmControl } from "../../src/vmm-control/vmm-control.ts";
import { nothingLeft, TestUser } from "./harness.ts";

let user: TestUser;
let control: VmmControl;
let path: string;

beforeAll(async () => {
	user = new TestUser({ vms: [{ id: 5, name: "shopping", memory: 256 }] });
	path = join(user.runtime, "shopping", vmFiles.qmp);
	control = toVmmControl({ kind: "qmp", path });
	expect(await user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

it("a paused guest does nothing, and goes on where it was when it is resumed", async () => {
	const session = user.start("run-in-vm", ["shopping", "sh", "-c", "while :; do uptime; sleep 0.05; done"]);
	const lines = (): number => session.stdout().split("\n").length;
	await user.until("it counts", () => lines() > 20);
	/** Nothing may be on its way to the guest when it is paused (vmm-control.ts): no answer to a heartbeat, either. */
	const brokers = user.brokerPids();
	for (const pid of brokers) process.kill(pid, "SIGSTOP");
	const counted = lines();
	await user.until("what was has arrived", () => lines() > counted + 10);
	await control.pause();
	await control.pause();
	expect(await control.isPaused()).toBe(true);
	/** What was on its way to us has come. */
	await new Promise((resolve) => setTimeout(resolve, 500));
	const paused = lines();
	await new Promise((resolve) => setTimeout(resolve, 500));
	expect(lines()).toBe(paused);
	await control.resume();
	await control.resume();
	for (const pid of brokers) process.kill(pid, "SIGCONT");
	expect(await control.isPaused()).toBe(false);
	await user.until("it goes on", () => lines() > paused + 20);
	session.kill("SIGTERM");
	await session.done;
	expect(await user.run("shopping", "echo", "on")).toMatchObject({ status: 0, stdout: "on\n", stderr: "" });
});

it("QEMU serves one client at a time: the next waits, and is told so in the end", async () => {
	const other = connect(path);
	await once(other, "data");
	const waiting = control.isPaused();
	await expect(waiting).rejects.toMatchObject({
		code: "Unresponsive",
		message: "the vmm did not answer query-status within 2 s",
	});
	const next = control.isPaused();
	other.destroy();
	expect(await next).toBe(false);
});

/** So it is with a broker that was killed: what the next one says is QEMU's last word. */
it("QEMU does what a client has said before it went ahead of what the next one says, 20 times", async () => {
	for (let round = 0; round < 20; round++) {
		const gone = connect(path);
		await once(gone, "data");
		gone.write('{"execute":"qmp_capabilities"}{"execute":"stop"}');
		await new Promise((resolve) => setImmediate(resolve));
		gone.destroy();
		await control.resume();
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect({ round, isPaused: await control.isPaused() }).toEqual({ round, isPaused: false });
	}
});
