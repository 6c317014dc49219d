/**
 * `npm run bench [-- NAME…]`: what users feel, measured on real guests, each figure against something else in the same run.
 *
 *   cold        a run in a stopped vm / bare QEMU until the guest's hello
 *   warm        a run in a running vm, and where its time goes
 *   ssh         the same / ssh with ControlMaster into the same guest
 *   throughput  output and input / socat on the same vsock
 *   fake        output and input with an agent on this machine
 *   activation  a request that makes systemd start the broker / node -e 0
 *   supervisor  a run in a stopped fake vm that systemd keeps − one that our shim keeps
 *   preloaded   a disposable that is kept ready / a cold one, to the first byte
 *   resume      a run in a paused vm − in a running one
 *   isolation   a start beside a boot that hangs / alone
 *   bus         a list of vms by D-Bus / a Ping of the same broker; how soon a change of state is heard
 *   windows     the first frame of a program in a running vm / here
 *   fleet       what 120 vms at rest cost the broker
 *   tail        how even warm runs are
 *
 * Exit status 1 where a figure misses its aim. `--pairs N`, `--runs N` (tail) and `--size MIB` change how long it takes.
 */
import { parseArgs } from "node:util";
import { buildAll } from "../../scripts/build.ts";
import { setUpOrExit } from "../../scripts/setup.ts";
import { TestUser } from "../e2e/harness.ts";
import { benchActivation } from "./activation.ts";
import { benchBus } from "./bus.ts";
import { benchCold } from "./cold.ts";
import { benchFakeAgent } from "./fake-agent.ts";
import { benchFleet, benchIsolation } from "./fleet.ts";
import { type Figure, isGood } from "./measure.ts";
import { benchPreloaded, benchResume } from "./ready.ts";
import { benchSsh } from "./ssh.ts";
import { benchSupervisors } from "./supervisors.ts";
import { benchThroughput } from "./throughput.ts";
import { benchTail, benchWarm } from "./warm.ts";
import { benchWindows } from "./windows.ts";

const vm = "shopping";
const { values, positionals } = parseArgs({
	options: {
		pairs: { type: "string", default: "40" },
		runs: { type: "string", default: "1000" },
		size: { type: "string", default: "256" },
	},
	allowPositionals: true,
});
const [pairs, runs, size] = [Number(values.pairs), Number(values.runs), Number(values.size)];
/** What takes seconds each is measured less often. */
const fewPairs = Math.ceil(pairs / 8);

const benches: Readonly<Record<string, (user: TestUser) => Figure[] | Promise<Figure[]>>> = {
	cold: (user) => benchCold(user, vm, fewPairs),
	warm: (user) => benchWarm(user, vm, pairs),
	ssh: (user) => benchSsh(user, vm, pairs),
	throughput: (user) => benchThroughput(user, vm, fewPairs, size),
	fake: () => benchFakeAgent(fewPairs, size),
	activation: () => benchActivation(pairs),
	supervisor: () => benchSupervisors(pairs),
	preloaded: () => benchPreloaded(fewPairs),
	resume: () => benchResume(fewPairs),
	isolation: () => benchIsolation(pairs),
	bus: () => benchBus(pairs),
	windows: () => benchWindows(fewPairs),
	fleet: () => benchFleet(),
	tail: (user) => benchTail(user, vm, runs),
};

const unknown = positionals.find((name) => !(name in benches));
if (unknown !== undefined) {
	console.error(`bench: there is no ${unknown}; there are ${Object.keys(benches).join(", ")}`);
	process.exit(2);
}
await buildAll();
await setUpOrExit("bench");
const user = new TestUser({ vms: [{ id: 5, name: vm, memory: 512 }], env: { QUBES_LITE_BROKER_IDLE_MS: "600000" } });
const figures: Figure[] = [];
try {
	for (const [name, bench] of Object.entries(benches)) {
		if (positionals.length > 0 && !positionals.includes(name)) continue;
		console.log(`\n${name}`);
		figures.push(...(await bench(user)));
	}
} finally {
	for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
	await user.leave([vm]);
}
console.log("");
for (const figure of figures) {
	const { name, value, unit, aim } = figure;
	const aimed = aim === null ? "" : "atMost" in aim ? `aim: at most ${aim.atMost}` : `aim: at least ${aim.atLeast}`;
	console.log(
		`${name.padEnd(40)} ${value.toFixed(2).padStart(8)} ${unit.padEnd(6)} ${aimed}${isGood(figure) ? "" : "  MISSED"}`,
	);
}
process.exitCode = figures.every(isGood) ? 0 : 1;
