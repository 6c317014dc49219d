/** What can happen to a broker, as steps of a history that fast-check makes up. */
import fc from "fast-check";
import type { Vm } from "../../src/broker/vm.ts";
import type { VmConfig } from "../../src/config/schema.ts";
import type { BrokerWorld } from "./broker-world.ts";
import type { FakeVmm } from "./fake-vmm.ts";
import { drained } from "./turns.ts";

class Step implements fc.AsyncCommand<BrokerWorld, BrokerWorld> {
	readonly #title: string;
	readonly #act: (world: BrokerWorld) => void | Promise<void>;
	readonly #canHappen: (world: BrokerWorld) => boolean;

	constructor(
		title: string,
		act: (world: BrokerWorld) => void | Promise<void>,
		canHappen: (world: BrokerWorld) => boolean = () => true,
	) {
		this.#title = title;
		this.#act = act;
		this.#canHappen = canHappen;
	}

	check = (world: Readonly<BrokerWorld>): boolean => this.#canHappen(world as BrokerWorld);

	async run(_model: BrokerWorld, world: BrokerWorld): Promise<void> {
		await this.#act(world);
		await drained();
		world.rules.check();
	}

	toString(): string {
		return this.#title;
	}
}

const step = (...args: ConstructorParameters<typeof Step>) => fc.constant(new Step(...args));

/** The nth of those, counted round. */
const pick = <T>(list: readonly T[], nth: number): T | undefined => list[nth % list.length];

const running = (world: BrokerWorld): FakeVmm[] => world.vmms.filter(({ isAlive }) => isAlive);
const speaking = (world: BrokerWorld): FakeVmm[] => running(world).filter(({ guest }) => guest.isUp);

/** A step that does something to one of what there is. */
function toOne<T>(
	title: string,
	those: (world: BrokerWorld) => readonly T[],
	act: (one: T, world: BrokerWorld) => void,
) {
	return fc.nat({ max: 3 }).map(
		(nth) =>
			new Step(
				`${title} (${nth})`,
				(world) => {
					const one = pick(those(world), nth);
					if (one !== undefined) act(one, world);
				},
				(world) => those(world).length > 0,
			),
	);
}

const delays = [0, 50, 200, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000];

const sessionsOf = (world: BrokerWorld): { vmm: FakeVmm; number: number }[] =>
	speaking(world).flatMap((vmm) => [...vmm.guest.sessions.keys()].map((number) => ({ vmm, number })));

/** To what a vm was configured as at first; or it is configured no more. */
export type VmChange = Partial<VmConfig> & { readonly gone?: true };

/** `vms`: those that are configured at first; `changes`: to one of them, later. */
export function stepsFor(vms: readonly VmConfig[], changes: readonly VmChange[]) {
	const names = vms.map(({ name }) => name);
	const byName = fc.constantFrom(...names);
	const turn = step(
		"a turn",
		(world) => world.turns.next(),
		(world) => world.turns.count > 0,
	);
	const runs = byName.chain((vm) =>
		fc
			.boolean()
			.map(
				(detached) =>
					new Step(`run in ${vm}${detached ? ", detached" : ""}`, (world) => void world.ask({ vm, detached })),
			),
	);
	const disposables = byName.map(
		(vm) => new Step(`run in a fresh ${vm}`, (world) => void world.ask({ vm, disposable: true })),
	);
	const pairs = byName.map(
		(vm) =>
			new Step(`two runs in a fresh ${vm} each, and all turns`, async (world) => {
				for (const disposable of [true, true]) world.ask({ vm, disposable });
				await world.endAll();
			}),
	);
	const anyVm = (world: BrokerWorld): Vm[] => world.registry.all();
	const configured = fc
		.tuple(fc.constantFrom(...vms), fc.constantFrom<VmChange>({}, ...changes))
		.map(([vm, { gone, ...changed }]) => {
			const title = `${vm.name} is configured ${gone ? "no more" : JSON.stringify(changed)}`;
			return new Step(title, (world) => {
				const rest = world.config.vms.filter(({ name }) => name !== vm.name);
				world.configure(gone ? rest : [...rest, { ...vm, ...changed }]);
			});
		});
	return [
		...[turn, turn, turn],
		step("all turns", (world) => world.endAll()),
		...[1, 2].map(() => step("5 s of good order", (world) => world.pass(5_000, () => world.endAll()))),
		...[runs, runs, disposables, pairs],
		byName.map((vm) => new Step(`start ${vm}`, (world) => world.start(vm))),
		toOne("run by the name of any vm", anyVm, (vm, world) => void world.ask({ vm: vm.config.name })),
		toOne("stop", anyVm, (vm, world) => world.stop(vm.config.name, false)),
		toOne("stop by force", anyVm, (vm, world) => world.stop(vm.config.name, true)),
		byName.map((vm) => new Step(`systemctl start ${vm}`, (world) => void world.startFromOutside(vm))),
		toOne("systemctl stop", running, (vmm) => vmm.stopFromOutside()),
		toOne(
			"a client leaves",
			({ clients }) => clients.filter(({ hasLeft }) => !hasLeft),
			(client) => client.leave(),
		),
		toOne("a session ends", sessionsOf, ({ vmm, number }) => vmm.guest.endSession(number, false)),
		toOne("a session ends, and leaves processes", sessionsOf, ({ vmm, number }) => vmm.guest.endSession(number, true)),
		toOne("attach", sessionsOf, ({ vmm, number }, world) => void world.ask({ vm: vmm.vm, attachTo: number })),
		toOne(
			"what a session has left ends",
			(world) => speaking(world).filter(({ guest }) => guest.cgroups.size > 0),
			({ guest }) => {
				for (const cgroup of guest.cgroups) guest.endCgroup(cgroup);
			},
		),
		toOne("inhibit or release", anyVm, (vm, world) => world.inhibitOrRelease(vm)),
		toOne("a vmm crashes", running, (vmm) => vmm.crash(1)),
		toOne("a vmm can't start", running, (vmm) => vmm.crash(127)),
		toOne("a guest powers off", speaking, ({ guest }) => guest.powerOff()),
		toOne("an agent is cut off", speaking, ({ guest }) => guest.cut()),
		toOne("an agent hangs", speaking, ({ guest }) => {
			guest.isHung = true;
		}),
		toOne("a vmm is stubborn", running, (vmm) => {
			vmm.isStubborn = true;
		}),
		toOne("all is well", running, (vmm) => vmm.obey()),
		...(["start", "pause"] as const).map((what) =>
			step(`no vmm can ${what}, or any can again`, ({ refuses }) => {
				refuses[what] = !refuses[what];
			}),
		),
		...[1, 2].map(() => fc.constantFrom(...delays).map((ms) => new Step(`${ms} ms`, (world) => world.pass(ms)))),
		configured,
		step("the broker is killed, and another comes", (world) => world.replace(false)),
		step("the broker leaves, and another comes", (world) => world.replace(true)),
	];
}
