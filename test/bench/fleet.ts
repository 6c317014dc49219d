/** What a broker costs that looks after many vms at rest, and whether one that hangs in its boot slows another one down. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setInterval as setIntervalTimer } from "node:timers";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { encodeHeartbeat } from "../../src/protocol/control.ts";
import { heartbeatIntervalMs } from "../../src/protocol/limits.ts";
import { FakeUser } from "../integration/fake-user.ts";
import { alternately, type Figure, medianRatio, show, wall } from "./measure.ts";

const watchedMs = 60_000;

const bareServer = fileURLToPath(new URL("./bare-server.ts", import.meta.url));

interface Cost {
	/** Of one core. */
	readonly share: number;
	readonly rssKiB: number;
}

/** A broker with `count` vms up, each of which beats every 5 s. */
async function costOf(count: number): Promise<Cost> {
	const vms = Array.from({ length: Math.max(count, 1) }, (_, index) => ({ id: 2 * index + 3, name: `vm${index}` }));
	const names = vms.map(({ name }) => name);
	const user = new FakeUser({ vms, supervisor: "direct", env: { QUBES_LITE_BROKER_IDLE_MS: "600000" } });
	try {
		await user.sh("qubes-lite ls");
		const step = 6;
		for (let at = 0; at < count; at += step) await user.sh(`qubes-lite start ${names.slice(at, at + step).join(" ")}`);
		await user.until("all are up", async () => {
			const { vms: up } = JSON.parse((await user.sh("qubes-lite ls --json")).stdout);
			return up.filter(({ state }: { state: string }) => state === "idle").length === count;
		});
		const [broker = 0] = user.brokerPids();
		return await watch(broker, `${count} vms`);
	} finally {
		for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
		await user.leave(names);
	}
}

/**
 * On a processor, all threads together: the first number of schedstat is nanoseconds (Documentation/scheduler/sched-stats.rst),
 * where /proc/PID/stat counts ticks that a process as seldom awake as this one hits or misses by chance.
 */
function cpuMs(pid: number): number {
	const threads = readdirSync(`/proc/${pid}/task`);
	const nanoseconds = threads.map((thread) =>
		Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
	);
	return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}

/** What any Node server costs here that reads as many heartbeats from as many connections, and answers each. */
async function costOfBareServer(count: number): Promise<Cost> {
	const directory = mkdtempSync("/tmp/ql-bench-");
	const server = spawn(process.execPath, [bareServer, join(directory, "socket")], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	const guests: Socket[] = [];
	const beat = encodeHeartbeat({ seq: 1, sessions: [], cgroups: [], memory: { totalKiB: 1e6, availableKiB: 1e5 } });
	try {
		await once(server.stdout, "data");
		for (let index = 0; index < count; index += 1) {
			const guest = connect(join(directory, "socket"));
			guest.on("data", () => {});
			guests.push(guest);
			setIntervalTimer(() => guest.write(beat), heartbeatIntervalMs).unref();
			await setTimeout(heartbeatIntervalMs / count);
		}
		return await watch(server.pid ?? 0, `a bare server, ${count} connections`);
	} finally {
		for (const guest of guests) guest.destroy();
		server.kill();
		rmSync(directory, { recursive: true, force: true });
	}
}

async function watch(pid: number, what: string): Promise<Cost> {
	await setTimeout(5_000);
	const before = cpuMs(pid);
	await setTimeout(watchedMs);
	const share = (cpuMs(pid) - before) / watchedMs;
	const rssKiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
	console.log(`  ${what}: ${(share * 100).toFixed(2)} % of a core, ${rssKiB} KiB`);
	return { share, rssKiB };
}

export async function benchFleet(): Promise<Figure[]> {
	const none = await costOf(0);
	const few = await costOf(12);
	const bare = await costOfBareServer(120);
	const many = await costOf(120);
	const cpu = (cost: Cost): number => Math.max(cost.share - none.share, 1e-4);
	return [
		{ name: "broker, 120 vms at rest", value: many.share * 100, unit: "% core", aim: { atMost: 0.5 } },
		{
			name: "  / a bare server with as many heartbeats",
			value: many.share / bare.share,
			unit: "",
			aim: { atMost: 1.5 },
		},
		{
			name: "broker's memory for each of 120 vms",
			value: (many.rssKiB - none.rssKiB) / 120,
			unit: "KiB",
			aim: { atMost: 200 },
		},
		{ name: "processor time of 120 vms / of 12", value: cpu(many) / cpu(few), unit: "", aim: { atMost: 12 } },
	];
}

/** One vm hangs in its boot for all the time that another one is started, in every other pair. */
export async function benchIsolation(pairs: number): Promise<Figure[]> {
	const vms = [
		{ id: 5, name: "quick" },
		{ id: 7, name: "stuck", bootTimeout: 3600 },
	];
	const user = new FakeUser({ vms, supervisor: "direct", env: { QUBES_LITE_BROKER_IDLE_MS: "600000" } });
	user.order("stuck", { hello: "never" });
	const run = (): number => {
		wall(["qubes-lite", "stop", "--force", "quick"], user);
		return wall(["run-in-vm", "quick", "true"], user).ms;
	};
	try {
		wall(["run-in-vm", "quick", "true"], user);
		const [beside, alone] = await alternately(
			pairs,
			async () => {
				const stuck = user.start("qubes-lite", ["start", "stuck"]);
				await user.until("it boots", async () => (await user.stateOf("stuck")) === "booting");
				const ms = run();
				wall(["qubes-lite", "stop", "--force", "stuck"], user);
				await stuck.done;
				return ms;
			},
			run,
		);
		show("a start beside one that hangs", beside, "ms");
		show("  alone", alone, "ms");
		return [
			{
				name: "start beside a hanging boot / alone",
				value: medianRatio(beside, alone),
				unit: "",
				aim: { atMost: 1.2 },
			},
		];
	} finally {
		for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
		await user.leave(["quick", "stuck"]);
	}
}
