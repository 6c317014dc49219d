/** Brokers of several configurations, and that each keeps its rules through any history. */
import fc from "fast-check";
import type { VmConfig } from "../../src/config/schema.ts";
import { createVm } from "../vmm/facts.ts";
import { stepsFor, type VmChange } from "./broker-steps.ts";
import { BrokerWorld } from "./broker-world.ts";
import { ScheduledTurns } from "./turns.ts";

export const shopping = createVm({ id: 5, name: "shopping", idleTimeoutMs: 60_000 });
export const net = createVm({ id: 6, name: "net", idleTimeoutMs: 10_000 });
export const web = createVm({ id: 7, name: "web", idleTimeoutMs: 20_000, dependsOn: ["net"] });
export const box = createVm({ id: 8, name: "box", idleTimeoutMs: 10_000, idleAction: "pause", pauseTimeoutMs: 30_000 });
export const disp = createVm({ id: 9, name: "disp", disposable: true, idleTimeoutMs: 0 });

export interface Configured {
	readonly title: string;
	readonly vms: readonly VmConfig[];
	/** What one of them may be configured as later. */
	readonly changes: readonly VmChange[];
	/** Of disposablePool. */
	readonly poolIds?: readonly number[];
}

export const brokers: readonly Configured[] = [
	{ title: "one vm", vms: [shopping], changes: [{ idleTimeoutMs: 10_000 }, { gone: true }] },
	{
		title: "a vm that pauses",
		vms: [box],
		changes: [{ idleAction: "stop" }, { pauseTimeoutMs: 0 }, { maxLifetimeMs: 60_000 }],
	},
	{ title: "vms that need others", vms: [web, net], changes: [{ dependsOn: [] }, { gone: true }] },
	{ title: "disposables", vms: [disp, shopping], changes: [{ memoryMiB: 4096 }, { gone: true }] },
	{
		title: "disposables that are kept ready",
		vms: [{ ...disp, preload: 1 }],
		changes: [{ preload: 2 }, { memoryMiB: 4096 }, { preload: 0 }],
	},
	{
		title: "disposables that share a pool of TAPs",
		vms: [{ ...disp, preload: 1 }, shopping],
		changes: [{ preload: 2 }, { preload: 0 }, { gone: true }],
		poolIds: [101, 103],
	},
	{
		title: "all of these",
		vms: [shopping, web, net, box, { ...disp, preload: 1 }],
		changes: [{ preload: 0 }, { dependsOn: [] }],
	},
];

export const keepsItsRules = ({ vms, changes, poolIds }: Configured) =>
	fc.asyncProperty(
		fc.commands(stepsFor(vms, changes), { maxCommands: 40, size: "max" }),
		fc.scheduler(),
		async (history, scheduler) => {
			const world = new BrokerWorld(new ScheduledTurns(scheduler), vms, poolIds);
			try {
				await world.open();
				await fc.asyncModelRun(() => ({ model: world, real: world }), history);
				await world.settle();
				world.rules.checkSettled();
			} finally {
				world.close();
			}
		},
	);
