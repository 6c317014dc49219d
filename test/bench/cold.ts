/** `run-in-vm VM true` on a stopped vm, against the same guest under bare QEMU, from its start until its hello. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseConfig } from "../../src/config/loader.ts";
import { gatherHostFacts } from "../../src/host/gather-host-facts.ts";
import type { LaunchPlan } from "../../src/launch-plan.ts";
import { hostControlPort } from "../../src/protocol/ports.ts";
import { qemuDriver } from "../../src/vmm/qemu.ts";
import type { TestUser } from "../e2e/harness.ts";
import { alternately, type Figure, medianRatio, show, wall } from "./measure.ts";

/** The plan's own helper and vmm, without broker, supervisor and client: ms from the start of the vmm to the first byte of hello. */
async function bareHello(plan: LaunchPlan): Promise<number> {
	rmSync(plan.directory, { recursive: true, force: true });
	mkdirSync(plan.directory, { mode: 0o700 });
	const children: ChildProcess[] = [];
	const start = ([program, ...words]: readonly [string, ...string[]]): void => {
		children.push(spawn(program, words, { stdio: "ignore" }));
	};
	const server = createServer();
	try {
		await new Promise<void>((resolve) => server.listen(`${plan.vsock}_${hostControlPort}`, resolve));
		for (const helper of plan.helpers) {
			start(helper.argv);
			while (!existsSync(helper.socket)) await new Promise((resolve) => setTimeout(resolve, 1));
		}
		const beganAt = performance.now();
		start(plan.vmm.argv);
		await new Promise<void>((resolve) => server.once("connection", (socket) => socket.once("data", () => resolve())));
		return performance.now() - beganAt;
	} finally {
		server.close();
		for (const child of children.reverse()) child.kill("SIGKILL");
		await Promise.all(children.map((child) => new Promise((resolve) => child.once("close", resolve))));
		rmSync(plan.directory, { recursive: true, force: true });
	}
}

function planOf(user: TestUser): LaunchPlan {
	const config = parseConfig(readFileSync(user.env.QUBES_LITE_CONFIG ?? "", "utf8"), "bench");
	const [vm] = config.vms;
	if (vm === undefined) throw new Error("no vm");
	const cacheDirectory = join(user.env.XDG_CACHE_HOME ?? "", "qubes-lite");
	const runtimeDirectory = join(user.directory, "bare");
	mkdirSync(runtimeDirectory, { mode: 0o700 });
	return qemuDriver.plan(
		config,
		vm,
		gatherHostFacts(
			{ runtimeDirectory, cacheDirectory, searchPath: process.env.PATH ?? "", session: () => process.env },
			vm,
		),
	);
}

export async function benchCold(user: TestUser, vm: string, pairs: number): Promise<Figure[]> {
	const plan = planOf(user);
	const run = (): number => {
		wall(["qubes-lite", "stop", vm], user);
		return wall(["run-in-vm", vm, "true"], user).ms;
	};
	const [ours, bare] = await alternately(pairs, run, () => {
		wall(["qubes-lite", "stop", vm], user);
		return bareHello(plan);
	});
	show("run-in-vm of a stopped vm", ours, "ms");
	show("bare QEMU until hello", bare, "ms");
	return [
		{ name: "cold run / bare QEMU until hello", value: medianRatio(ours, bare), unit: "", aim: { atMost: 1.15 } },
	];
}
