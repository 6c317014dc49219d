/** What a broker that takes over must find out about what runs: the bounds of an instance. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { anyVm } from "../fakes/fake-guest-orders.ts";
import { FakeUser } from "./fake-user.ts";

const shutdown = { ask: 1, powerButton: 1, terminate: 1, kill: 5 };
const disp = { id: 15, name: "disp", disposable: true, maxLifetime: 3600, shutdown };
const vms = [{ id: 5, name: "shopping", idleTimeout: 600 }, disp];

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms });
});

afterAll(async () => {
	expect(await user.leave(["shopping", "disp"])).toEqual(nothingLeft);
});

async function killBroker(): Promise<void> {
	for (const pid of user.brokerPids()) process.kill(pid, "SIGKILL");
	await user.until("that broker is gone", () => user.brokerPids().length === 0);
}

describe("an instance of an earlier broker's", () => {
	it.each<[string, (instance: string) => void]>([
		[
			"the configuration has another base now",
			() => user.configure([vms[0] ?? {}, { ...disp, maxLifetime: 7200, shutdown: {} }]),
		],
		["the configuration has its base no more", () => user.configure(vms.slice(0, 1))],
		["nobody could write them down", (instance) => rmSync(join(user.runtime, instance, "instance.json"))],
	])("has its maxLifetime and the bounds of its shutdown where %s", async (_, change) => {
		user.configure(vms);
		user.order(anyVm, { ignoresPowerOff: true, ignoresSigterm: true });
		const { status, stderr } = await user.sh("run-in-vm -d --disposable sleep 1000");
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		const [instance = ""] = readdirSync(user.runtime).filter((name) => name.startsWith("disp-"));
		expect(await user.status(instance)).toMatchObject({ maxLifetime: 3600 });
		await killBroker();
		change(instance);
		expect(await user.status(instance)).toMatchObject({ state: "ready", maxLifetime: 3600 });
		const { ms } = await user.sh(`qubes-lite stop ${instance}`);
		/** Without them it would be asked for 30 s. */
		expect(ms).toBeLessThan(15_000);
		user.order(anyVm, {});
	});

	it("ends when its life is over", async () => {
		user.configure([vms[0] ?? {}, { ...disp, maxLifetime: 3 }]);
		expect((await user.sh("run-in-vm -d --disposable sleep 1000")).status).toBe(0);
		const instances = (): string[] => readdirSync(user.runtime).filter((name) => name.startsWith("disp-"));
		expect(instances()).toHaveLength(1);
		await killBroker();
		await user.sh("qubes-lite ls");
		await user.until("it is gone", () => instances().length === 0, 20_000);
		user.configure(vms);
	});
});
