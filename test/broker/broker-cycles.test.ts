/** Many boots, runs and ends: a broker keeps nothing of them. Registry and vms are real, all that they reach is a fake. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { rounds } from "../rounds.ts";
import { disp, net, web } from "./broker-histories.ts";
import { BrokerWorld } from "./broker-world.ts";
import { NamedTurns } from "./turns.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const cycles = rounds(150, 10_000);
/** What a cycle may leave, of code that is compiled on the way and the like; one lost vm is 20 KiB. */
const leftMaxBytes = 1_024;

test(`${cycles} cycles of runs, dependencies and disposables leave nothing`, async () => {
	const world = new BrokerWorld(new NamedTurns(), [net, web, disp]);
	await world.open();
	const cycle = async (): Promise<void> => {
		const clients = [world.ask({ vm: "web" }), world.ask({ vm: "disp", disposable: true }), world.ask({ vm: "disp" })];
		await world.endAll();
		expect(clients.map(({ isGranted }) => isGranted)).toEqual([true, true, true]);
		for (const client of clients) client.leave();
		for (const vmm of world.vmms) if (vmm.isAlive) vmm.obey();
		await world.pass(60_000, () => world.endAll());
		expect(world.vmms.filter(({ isGone }) => !isGone)).toEqual([]);
		/** What the fakes remember is theirs. */
		world.vmms.length = 0;
		world.clients.length = 0;
	};
	const measure = () => {
		collectGarbage();
		return {
			heapUsed: process.memoryUsage().heapUsed,
			flat: { vms: world.registry.all().length, timers: world.clock.pending, links: world.links.size },
		};
	};
	for (let round = 0; round < 50; round++) await cycle();
	const before = measure();
	expect(before.flat).toEqual({ vms: 3, timers: 0, links: 0 });
	for (let round = 0; round < cycles; round++) await cycle();
	const after = measure();
	expect(after.flat).toEqual(before.flat);
	expect((after.heapUsed - before.heapUsed) / cycles).toBeLessThan(leftMaxBytes * (cycles < 1_000 ? 20 : 1));
	world.rules.checkSettled();
	world.close();
});
