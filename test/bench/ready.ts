/** What people get for the memory that waits for them: an instance that is kept ready against a cold one, a paused vm against a warm one. */
import { spawn } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import type { VmStatus } from "../../src/protocol/broker-replies.ts";
import { TestUser } from "../e2e/harness.ts";
import { alternately, type Figure, median, medianRatio, show, wall } from "./measure.ts";

const env = { QUBES_LITE_BROKER_IDLE_MS: "600000" };

/** From the spawn of `argv` to the first byte that it writes; resolves when it has ended. */
function firstByte(user: TestUser, argv: readonly [string, ...string[]]): Promise<number> {
	const [program, ...words] = argv;
	const beganAt = performance.now();
	const child = spawn(program, words, { env: user.env, stdio: ["ignore", "pipe", "inherit"] });
	let ms = Number.NaN;
	child.stdout.once("data", () => {
		ms = performance.now() - beganAt;
	});
	return new Promise((resolve, reject) => {
		child.once("close", (status) =>
			status === 0 ? resolve(ms) : reject(new Error(`${argv.join(" ")} ended with ${status}`)),
		);
	});
}

async function untilQuiet(user: TestUser, isReady: (vms: VmStatus[]) => boolean): Promise<void> {
	await user.until(
		"nothing else goes on",
		async () => isReady(JSON.parse((await user.sh("qubes-lite ls --all --json")).stdout).vms),
		300_000,
	);
	await setTimeout(500);
}

const instancesOf = (vms: readonly VmStatus[]): VmStatus[] => vms.filter(({ name }) => name.startsWith("disp-"));
const isKept = ({ flags }: VmStatus): boolean => flags.includes("preloaded") && flags.includes("paused");

/** Nothing is being booted while either is timed. */
export async function benchPreloaded(pairs: number): Promise<Figure[]> {
	const vms = [
		{ id: 5, name: "cold", memory: 512, disposable: true },
		{ id: 7, name: "ready", memory: 512, disposable: true, preload: 1 },
	];
	const user = new TestUser({ vms, env });
	const timed = async (base: string): Promise<number> => {
		await untilQuiet(user, (all) => instancesOf(all).length === 1 && instancesOf(all).every(isKept));
		return firstByte(user, ["run-in-vm", `--disposable=${base}`, "echo", "here"]);
	};
	try {
		const [ready, cold] = await alternately(
			pairs,
			() => timed("ready"),
			() => timed("cold"),
		);
		show("a disposable that is kept ready", ready, "ms");
		show("  a cold one", cold, "ms");
		return [
			{
				name: "preloaded / cold disposable, first byte",
				value: medianRatio(ready, cold),
				unit: "",
				aim: { atMost: 0.15 },
			},
		];
	} finally {
		user.configure([]);
		for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		await user.leave(["cold", "ready"]);
	}
}

export async function benchResume(pairs: number): Promise<Figure[]> {
	const vms = [
		{ id: 5, name: "paused", memory: 512, idleTimeout: 1, idleAction: "pause" },
		{ id: 7, name: "warm", memory: 512 },
	];
	const user = new TestUser({ vms, env });
	try {
		for (const { name } of vms) wall(["run-in-vm", name, "true"], user);
		const [paused, warm] = await alternately(
			pairs,
			async () => {
				await untilQuiet(user, (all) => all.some(({ flags }) => flags.includes("paused")));
				return wall(["run-in-vm", "paused", "true"], user).ms;
			},
			async () => {
				await setTimeout(500);
				return wall(["run-in-vm", "warm", "true"], user).ms;
			},
		);
		show("a run in a paused vm", paused, "ms");
		show("  in a running one", warm, "ms");
		return [
			{
				name: "run in a paused vm − in a running one",
				value: median(paused) - median(warm),
				unit: "ms",
				aim: { atMost: 150 },
			},
		];
	} finally {
		for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
		await user.leave(vms.map(({ name }) => name));
	}
}
