/** A real QEMU's control socket, with a real guest behind it, which hears from the host that it stood still: its clock is right again. */
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { filter, firstValueFrom } from "rxjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GuestEvent, GuestLink } from "../../src/guest/guest-link.ts";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import type { VmmControl } from "../../src/vmm-control/vmm-control.ts";
import { nothingLeft, signalProcess, TestUser } from "./harness.ts";

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

/** First: what follows pauses it without telling it. */
describe("a guest whose vm stood still", () => {
	const pausedMs = 3_000;
	/** Nothing may be on its way to the guest at a pause (vmm-control.ts): what was has arrived by then. */
	const settledMs = 1_500;

	const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

	/** The vm's link is ours while `act` runs: its broker is gone. `beaten` resolves at the agent's next heartbeat. */
	async function asBroker(act: (link: GuestLink, beaten: () => Promise<unknown>) => Promise<void>): Promise<void> {
		user.signalBrokers("SIGKILL");
		await user.until("the broker is gone", () => user.brokerPids().length === 0);
		/** Without the nonce it does not knock: that would be on its way. */
		const vsock = join(user.runtime, "shopping", vmFiles.vsock);
		const link = new GuestLink({ vsock, vm: "shopping", nonce: null });
		const isBeat = (event: GuestEvent): boolean => event.type === "heartbeat";
		const beaten = (): Promise<unknown> => firstValueFrom(link.events.pipe(filter(isBeat)));
		try {
			const welcomed = beaten();
			await link.listen();
			await welcomed;
			await act(link, beaten);
		} finally {
			link.close();
		}
	}

	async function pause(): Promise<void> {
		await wait(settledMs);
		await control.pause();
		await wait(pausedMs);
		await control.resume();
	}

	/** By how much the guest's clock is behind the host's at least, and at most, in seconds. */
	async function lag(): Promise<{ least: number; most: number }> {
		const before = Date.now() / 1000;
		const { stdout, stderr } = await user.run("shopping", "date", "+%s");
		const guest = Number(stdout);
		expect([stderr, guest > 0]).toEqual(["", true]);
		/** The guest's second began up to a second ago. */
		return { least: before - guest - 1, most: Date.now() / 1000 - guest };
	}

	it("lags by its pause where it is not told", async () => {
		expect((await lag()).least).toBeLessThan(1);
		const brokers = user.brokerPids();
		for (const pid of brokers) signalProcess(pid, "SIGSTOP");
		await pause();
		for (const pid of brokers) signalProcess(pid, "SIGCONT");
		expect((await lag()).most).toBeGreaterThan(pausedMs / 1000 - 1);
	});

	it("has the host's time when it is told, and says at once that it lives", async () => {
		await asBroker(async (link, beaten) => {
			/** The next one is 5 s away, and with it the answer. */
			await beaten();
			await pause();
			const answered = beaten();
			link.resumed(Date.now(), Buffer.alloc(32, 0xa5));
			await answered;
		});
		const { least, most } = await lag();
		expect(least).toBeLessThan(1);
		expect(most).toBeGreaterThan(-1);
		/** It could do all of it. */
		expect((await user.sh("qubes-lite logs --console shopping")).stdout).not.toContain("agent: cannot");
	});
});

it("a paused guest does nothing, and goes on where it was when it is resumed", async () => {
	const session = user.start("run-in-vm", ["shopping", "sh", "-c", "while :; do uptime; sleep 0.05; done"]);
	const lines = (): number => session.stdout().split("\n").length;
	await user.until("it counts", () => lines() > 20);
	/** Nothing may be on its way to the guest when it is paused (vmm-control.ts): no answer to a heartbeat, either. */
	const brokers = user.brokerPids();
	for (const pid of brokers) signalProcess(pid, "SIGSTOP");
	const counted = lines();
	await user.until("what was has arrived", () => lines() > counted + 10);
	await control.pause();
	await control.pause();
	expect(await control.isPaused()).toBe(true);
	let paused = -1;
	await user.until("what was on its way to us has come", async () => {
		const before = paused;
		paused = lines();
		await new Promise((resolve) => setTimeout(resolve, 500));
		return paused === before;
	});
	await new Promise((resolve) => setTimeout(resolve, 500));
	expect(lines()).toBe(paused);
	await control.resume();
	await control.resume();
	for (const pid of brokers) signalProcess(pid, "SIGCONT");
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
