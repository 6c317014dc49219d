/** Whatever happens, in whatever order: the rules of World hold. fast-check prints the seed and the shortest history that breaks one. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bootPhases } from "../../src/protocol/boot-phases.ts";
import { rounds } from "../rounds.ts";
import { crash, type VmOptions } from "./vm-harness.ts";
import { emptyReport, type GuestReport, World } from "./vm-world.ts";

/** A step of the history: what happens, and when it can. */
class Step implements fc.Command<World, World> {
	readonly #title: string;
	readonly #act: (world: World) => void;
	readonly #canHappen: (world: World) => boolean;

	constructor(title: string, act: (world: World) => void, canHappen: (world: World) => boolean = () => true) {
		this.#title = title;
		this.#act = act;
		this.#canHappen = canHappen;
	}

	check = (world: Readonly<World>): boolean => this.#canHappen(world as World);

	run(_model: World, world: World): void {
		this.#act(world);
		world.check();
	}

	toString(): string {
		return this.#title;
	}
}

const isAlive = (world: World): boolean => world.vmmAlive;
const isConnected = (world: World): boolean => world.isConnected && !world.isPaused;
const mayDial = (world: World): boolean => world.vmmAlive && !world.isConnected && !world.isPaused;
const hasEarlierBoot = (world: World): boolean => world.context.boot > 0;

/** Around each of the machine's own bounds. */
const delays = [0, 1, 200, 4_999, 5_000, 9_999, 10_000, 14_999, 15_000, 29_999, 30_000, 60_000, 600_000];
const ids = fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 2 });
const reports = fc.oneof(
	{ weight: 2, arbitrary: fc.constant(emptyReport) },
	{ weight: 1, arbitrary: fc.record({ sessions: ids, cgroups: ids, tickets: ids }) },
);
const reported = ({ sessions, cgroups, tickets }: GuestReport): string => `[${sessions}] [${cgroups}] [${tickets}]`;

const tenQuietMinutes = new Step(
	"10 min of empty heartbeats",
	(world) => {
		for (let beat = 0; beat < 120 && isConnected(world) && world.vmmAlive; beat++) {
			world.advance(5_000);
			world.report(emptyReport);
		}
	},
	isConnected,
);

const steps = [
	fc.constantFrom("run", "start", "attach" as const).map((kind) => new Step(kind, (world) => world.ask(kind))),
	fc.constant(new Step("run", (world) => world.ask("run"))),
	fc.nat({ max: 9 }).map(
		(nth) =>
			new Step(
				`withdraw (${nth})`,
				(world) => world.withdraw((nth % world.requests.size) + 1),
				(world) => world.requests.size > 0,
			),
	),
	fc.constant(new Step("grant", (world) => world.grantNext())),
	fc.boolean().map((force) => new Step(force ? "stop by force" : "stop", (world) => world.stop(force))),
	fc
		.tuple(fc.boolean(), fc.constantFrom(1, 5_000, 60_000))
		.map(
			([force, ms]) =>
				new Step(`stop${force ? " by force" : ""}, asked ${ms} ms ago`, (world) =>
					world.stop(force, world.context.now() - ms),
				),
		),
	fc.constantFrom(...bootPhases).map((phase) => new Step(`phase ${phase}`, (world) => world.reach(phase), isAlive)),
	fc
		.record({ end: fc.constantFrom("power-off", "reboot", "crash"), retriable: fc.boolean() })
		.map(
			({ end, retriable }) =>
				new Step(
					`${end}${retriable ? ", retriable" : ""}`,
					(world) => world.end(end === "crash" ? crash : null, retriable, end === "reboot"),
					isAlive,
				),
		),
	reports.map((report) => new Step(`hello ${reported(report)}`, (world) => world.connect(report), mayDial)),
	reports.map((report) => new Step(`hello ${reported(report)}`, (world) => world.connect(report), mayDial)),
	reports.map((report) => new Step(`beat ${reported(report)}`, (world) => world.report(report), isConnected)),
	fc.constant(new Step("disconnect", (world) => world.cut(), isConnected)),
	fc.constantFrom(...delays).map((ms) => new Step(`${ms} ms`, (world) => world.advance(ms))),
	fc.constant(tenQuietMinutes),
	fc.constant(tenQuietMinutes),
	fc
		.record({
			disposable: fc.boolean(),
			idleTimeoutMs: fc.constantFrom(0, 10_000, 600_000),
			bootTimeoutMs: fc.constantFrom(10_000, 60_000),
			idleAction: fc.constantFrom("stop", "pause" as const),
			rebootAction: fc.constantFrom("stop", "restart" as const),
			pauseTimeoutMs: fc.constantFrom(0, 20_000),
			maxLifetimeMs: fc.constantFrom(0, 0, 300_000),
			dependsOn: fc.constantFrom<string[]>([], ["net"]),
		})
		.map((settings) => new Step(`settings ${Object.values(settings).join(" ")}`, (world) => world.configure(settings))),
	fc.nat({ max: 1 }).map((nth) => new Step(`inhibitor ${nth}`, (world) => world.inhibitOrRelease(nth))),
	fc.nat({ max: 2 }).map((count) => new Step(`${count} windows`, (world) => world.show(count))),
	...[true, true, false].map((canDo) =>
		fc.constant(
			new Step(
				canDo ? "the vmm obeys" : "the vmm can't",
				(world) => world.obey(canDo),
				(world) => world.controls.length > 0,
			),
		),
	),
	fc.boolean().map(
		(isReady) =>
			new Step(
				isReady ? "its dependencies are ready" : "its dependencies have failed",
				(world) => world.answerNeed(isReady),
				(world) => world.awaitsDependencies,
			),
	),
	fc.constant(
		new Step(
			"late events of the boot before",
			(world) => {
				const boot = world.context.boot - 1;
				world.reach("agent", boot);
				world.hello({ boot, sessions: [9] });
				world.beat({ boot, sessions: [9] });
				world.disconnect(boot);
				world.exit(crash, { boot, retriable: true });
				world.send({ type: "heartbeat.missed", boot });
				world.send({ type: "stop.due", boot });
				world.send({ type: "vmm.paused", boot });
				world.send({ type: "vmm.resumed", boot });
				world.send({ type: "dependencies.ready", boot });
			},
			hasEarlierBoot,
		),
	),
];

test.each<[string, VmOptions]>([
	["a vm", { idleTimeoutMs: 600_000 }],
	["a vm that may idle for ever", { idleTimeoutMs: 0 }],
	["a vm that may not idle for long", { idleTimeoutMs: 10_000 }],
	["a disposable", { disposable: true, idleTimeoutMs: 0 }],
	["a vm that is paused when idle", { idleTimeoutMs: 10_000, idleAction: "pause", pauseTimeoutMs: 60_000 }],
	["a vm that boots again when its guest reboots", { idleTimeoutMs: 600_000, rebootAction: "restart" }],
	[
		"a vm that boots again, and needs another one",
		{ idleTimeoutMs: 10_000, rebootAction: "restart", dependsOn: ["net"] },
	],
	["a vm that stays paused", { idleTimeoutMs: 10_000, idleAction: "pause" }],
	["a vm that needs another one", { idleTimeoutMs: 10_000, dependsOn: ["net"], maxLifetimeMs: 600_000 }],
])("%s has never two vmms, never stops in use, and answers each request once, whatever happens", (_title, options) => {
	fc.assert(
		fc.property(fc.commands(steps, { maxCommands: 60, size: "max" }), (history) => {
			const world = new World(options);
			fc.modelRun(() => ({ model: world, real: world }), history);
			world.settle();
			world.check();
			expect(world.waiting()).toEqual([]);
		}),
		{ numRuns: rounds(200, 3_000) },
	);
});
