/** What a broker costs that looks after many vms at rest, and whether one that hangs in its boot slows another one down. */
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { FakeUser } from "../integration/fake-user.ts";
import { alternately, type Figure, medianRatio, show, wall } from "./measure.ts";

/** Long enough for the kernel's count of the processor's time, 10 ms a tick, to say something. */
const watchedMs = 60_000;
/** As getconf CLK_TCK says on Linux. */
const tickMs = 10;

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
		await setTimeout(5_000);
		const before = ticksOf(broker);
		await setTimeout(watchedMs);
		const share = ((ticksOf(broker) - before) * tickMs) / watchedMs;
		const rssKiB = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${broker}/status`, "utf8"))?.[1]);
		console.log(`  ${count} vms: ${(share * 100).toFixed(2)} % of a core, ${rssKiB} KiB`);
		return { share, rssKiB };
	} finally {
		for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
		await user.leave(names);
	}
}

/** proc_pid_stat(5): utime and stime are the 14th and 15th, the 12th and 13th behind the name. */
function ticksOf(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	return Number(fields[11]) + Number(fields[12]);
}

export async function benchFleet(): Promise<Figure[]> {
	const none = await costOf(0);
	const few = await costOf(12);
	const many = await costOf(120);
	const cpu = (cost: Cost): number => Math.max(cost.share - none.share, tickMs / watchedMs);
	return [
		{ name: "broker, 120 vms at rest", value: many.share * 100, unit: "% core", aim: { atMost: 0.5 } },
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
