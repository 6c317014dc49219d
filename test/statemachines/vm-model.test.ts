/** Whatever happens, in whatever order: the rules of World hold. fast-check prints the seed and the shortest history that breaks one. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bootPhases } from "../../src/statemachines/vm-events.ts";
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
const isConnected = (world: World): boolean => world.isConnected;
const mayDial = (world: World): boolean => world.vmmAlive && !world.isConnected;
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
		for (let beat = 0; beat < 120 && world.isConnected && world.vmmAlive; beat++) {
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
	fc.constantFrom(...bootPhases).map((phase) => new Step(`phase ${phase}`, (world) => world.reach(phase), isAlive)),
	fc
		.record({ failure: fc.constantFrom(null, crash), retriable: fc.boolean() })
		.map(
			({ failure, retriable }) =>
				new Step(
					`${failure === null ? "power-off" : "crash"}${retriable ? ", retriable" : ""}`,
					(world) => world.end(failure, retriable),
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
				world.send({ type: "idle.elapsed", boot });
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
])("%s has never two vmms, never stops in use, and answers each request once, whatever happens", (_title, options) => {
	fc.assert(
		fc.property(fc.commands(steps, { maxCommands: 60, size: "max" }), (history) => {
			const world = new World(options);
			fc.modelRun(() => ({ model: world, real: world }), history);
			world.settle();
			world.check();
			expect(world.waiting()).toEqual([]);
		}),
		{ numRuns: 200 },
	);
});
