/** A real guest whose vm stood still: it hears so from the host, and its clock is right again. */
import { join } from "node:path";
import { filter, firstValueFrom } from "rxjs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type GuestEvent, GuestLink } from "../../src/guest/guest-link.ts";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import { nothingLeft, TestUser } from "./harness.ts";

const pausedMs = 3_000;
/** Nothing may be on its way to the guest at a pause (vmm-control.ts): what was has arrived by then. */
const settledMs = 500;

let user: TestUser;

beforeAll(async () => {
	user = new TestUser({ vms: [{ id: 5, name: "shopping", memory: 256 }] });
	expect(await user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The vm's link is ours while `act` runs: its broker is gone. `beaten` resolves at the agent's next heartbeat. */
async function asBroker(act: (link: GuestLink, beaten: () => Promise<unknown>) => Promise<void>): Promise<void> {
	for (const pid of user.brokerPids()) process.kill(pid, "SIGKILL");
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
	const control = toVmmControl({ kind: "qmp", path: join(user.runtime, "shopping", vmFiles.qmp) });
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
	for (const pid of brokers) process.kill(pid, "SIGSTOP");
	await pause();
	for (const pid of brokers) process.kill(pid, "SIGCONT");
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
