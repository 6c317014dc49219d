/**
 * `npm run bench`: the two ratios that users feel, each measured alternately in one run, since machines drift.
 *
 *   cold   `run-in-vm VM true` on a stopped vm   /   the same guest under bare QEMU, from its start until its hello
 *   warm   `run-in-vm VM true` on a running vm   −   `node -e 0` and the guest's own time (exec frame in, exit frame out)
 *
 * Options: --cold N and --warm N pairs (5 and 40).
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildAll } from "../../scripts/build.ts";
import { setUpOrExit } from "../../scripts/setup.ts";
import { gatherHostFacts } from "../../src/broker/host-facts.ts";
import { parseConfig } from "../../src/config/loader.ts";
import type { LaunchPlan } from "../../src/launch-plan.ts";
import { hostControlPort } from "../../src/protocol/ports.ts";
import { planQemu } from "../../src/vmm/qemu.ts";
import { TestUser } from "../e2e/harness.ts";

const vm = { id: 5, name: "shopping", memory: 512 };
const targets = { cold: 1.15, warmMs: 40 };

function summary(values: readonly number[]): string {
	const sorted = [...values].sort((a, b) => a - b);
	const at = (share: number): string => (sorted[Math.round(share * (sorted.length - 1))] ?? 0).toFixed(1);
	return `median ${at(0.5).padStart(8)}   min ${at(0).padStart(8)}   max ${at(1).padStart(8)}`;
}

const median = (values: readonly number[]): number =>
	[...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;

function wall(
	argv: readonly [string, ...string[]],
	env: NodeJS.ProcessEnv,
	stdio: "ignore" | "pipe" = "ignore",
): { ms: number; third: string } {
	const [program, ...words] = argv;
	const beganAt = performance.now();
	const done = spawnSync(program, words, { env, stdio: ["ignore", "ignore", "inherit", stdio] });
	const ms = performance.now() - beganAt;
	if (done.status !== 0) throw new Error(`${argv.join(" ")} ended with ${done.status}`);
	return { ms, third: done.output[3]?.toString() ?? "" };
}

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

async function cold(user: TestUser, pairs: number): Promise<boolean> {
	const config = parseConfig(readFileSync(user.env.QUBES_LITE_CONFIG ?? "", "utf8"), "bench");
	const [vmConfig] = config.vms;
	if (vmConfig === undefined) throw new Error("no vm");
	const cacheDirectory = join(user.env.XDG_CACHE_HOME ?? "", "qubes-lite");
	const runtimeDirectory = join(user.directory, "bare");
	mkdirSync(runtimeDirectory, { mode: 0o700 });
	const facts = gatherHostFacts({ runtimeDirectory, cacheDirectory, searchPath: process.env.PATH ?? "" }, vmConfig);
	const plan = planQemu(config, vmConfig, facts);
	const ours: number[] = [];
	const bare: number[] = [];
	for (let pair = 0; pair < pairs; pair++) {
		const first = pair % 2 === 0;
		if (first) bare.push(await bareHello(plan));
		ours.push(wall(["run-in-vm", vm.name, "true"], user.env).ms);
		wall(["qubes-lite", "stop", vm.name], user.env);
		if (!first) bare.push(await bareHello(plan));
		console.log(
			`  pair ${pair + 1}/${pairs}: run-in-vm ${ours.at(-1)?.toFixed(0)} ms, bare ${bare.at(-1)?.toFixed(0)} ms`,
		);
	}
	const ratio = median(ours.map((value, index) => value / (bare[index] ?? Number.NaN)));
	console.log(`cold run-in-vm, ms      ${summary(ours)}`);
	console.log(`bare QEMU to hello, ms  ${summary(bare)}`);
	console.log(`cold ratio              median of pairs ${ratio.toFixed(3)} (aim: at most ${targets.cold})\n`);
	return ratio <= targets.cold;
}

function warm(user: TestUser, pairs: number): boolean {
	wall(["run-in-vm", vm.name, "true"], user.env);
	const ours: number[] = [];
	const node: number[] = [];
	const guest: number[] = [];
	for (let pair = 0; pair < pairs; pair++) {
		const bare = (): void => void node.push(wall([process.execPath, "-e", "0"], user.env).ms);
		if (pair % 2 === 0) bare();
		const { ms, third } = wall(["run-in-vm", "--status-fd", "3", vm.name, "true"], user.env, "pipe");
		ours.push(ms);
		guest.push(JSON.parse(third).guestMicros / 1000);
		if (pair % 2 !== 0) bare();
	}
	const own = median(ours.map((ms, index) => ms - (node[index] ?? 0) - (guest[index] ?? 0)));
	console.log(`warm run-in-vm, ms      ${summary(ours)}`);
	console.log(`node -e 0, ms           ${summary(node)}`);
	console.log(`guest's own time, ms    ${summary(guest)}`);
	console.log(`warm own cost, ms       median of pairs ${own.toFixed(1)} (aim: at most ${targets.warmMs})`);
	console.log(
		`warm ratio              median of pairs ${median(ours.map((ms, index) => ms / (node[index] ?? 1))).toFixed(2)} of node -e 0`,
	);
	return own <= targets.warmMs;
}

const { values } = parseArgs({
	options: { cold: { type: "string", default: "5" }, warm: { type: "string", default: "40" } },
});
await buildAll();
await setUpOrExit({ forTests: false });
const user = new TestUser({ vms: [vm], env: { QUBES_LITE_BROKER_IDLE_MS: "600000" } });
try {
	const isColdGood = await cold(user, Number(values.cold));
	const isWarmGood = warm(user, Number(values.warm));
	process.exitCode = isColdGood && isWarmGood ? 0 : 1;
} finally {
	for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
	await user.leave([vm.name]);
}
