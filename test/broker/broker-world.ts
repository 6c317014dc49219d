/**
 * A broker without its sockets: the registry and its vms, between clients, guests and supervisors that are fakes, on a clock that
 * the test drives. Keeps its own record of who uses what, and notes what the broker does that this record forbids.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pino } from "pino";
import type { Clock } from "../../src/broker/clock.ts";
import { LastEnds } from "../../src/broker/last-ends.ts";
import { Registry } from "../../src/broker/registry.ts";
import { stopVm } from "../../src/broker/stop-vm.ts";
import type { Vm } from "../../src/broker/vm.ts";
import type { Config, VmConfig } from "../../src/config/schema.ts";
import type { LaunchPlan } from "../../src/launch-plan.ts";
import type { DisplayedWindow } from "../../src/protocol/display.ts";
import { TestClock } from "../statemachines/vm-harness.ts";
import { createConfig } from "../vmm/facts.ts";
import { BrokerRules } from "./broker-rules.ts";
import { type ClientWish, FakeClient } from "./fake-client.ts";
import { FakeLink } from "./fake-link.ts";
import { type FakePlaces, NoBoots } from "./fake-places.ts";
import { FakeSupervisor, toFakeControl } from "./fake-supervisor.ts";
import type { FakeVmm } from "./fake-vmm.ts";
import { BrokerLife, drained, type Turns } from "./turns.ts";

class EndsInMemory extends LastEnds {
	override read = (): null => null;
	override note(): void {}
}

export class BrokerWorld implements FakePlaces {
	readonly clock = new TestClock();
	readonly turns: Turns;
	readonly vmms: FakeVmm[] = [];
	readonly links = new Map<string, FakeLink>();
	readonly refuses = { start: false, pause: false };
	readonly clients: FakeClient[] = [];
	/** Starts and stops that somebody waits for, by their numbers. */
	readonly commands = new Map<number, string>();
	readonly inhibitors = new Map<number, { readonly vm: Vm; readonly release: () => void }>();
	readonly rules: BrokerRules;
	/** That vms have open when a broker looks, by their names. */
	readonly windows = new Map<string, readonly DisplayedWindow[]>();
	freeMemoryMiB = 100_000;
	/** Of disposablePool. Their TAPs are there, and nobody else has them open, but for these. */
	poolIds: readonly number[];
	readonly taps = new Map<string, "gone" | "open" | "foreign">();
	config: Config;
	#life = new BrokerLife();
	#registry: Registry | undefined;
	#supervisor: FakeSupervisor | undefined;
	#numbers = 0;
	readonly #directory = mkdtempSync(join(tmpdir(), "ql-world-"));
	#watched = new WeakSet<Vm>();

	constructor(turns: Turns, vms: readonly VmConfig[], poolIds: readonly number[] = []) {
		this.turns = turns;
		this.poolIds = poolIds;
		this.config = this.#toConfig(vms);
		this.clock.set(1_000_000);
		this.rules = new BrokerRules(this);
	}

	get registry(): Registry {
		if (this.#registry === undefined) throw new Error("no broker runs");
		return this.#registry;
	}

	readonly broken = (rule: string): void => this.rules.broken(rule);
	readonly launches = (vm: string): void => this.rules.launches(vm);

	/** One comes, and takes over what another may have left. */
	async open(): Promise<void> {
		const life = new BrokerLife();
		this.#life = life;
		this.#supervisor = new FakeSupervisor(this, life);
		const whileAlive =
			(act: () => void): (() => void) =>
			() =>
				life.isOver || act();
		const opening = Registry.open(
			this.config,
			{
				supervisor: this.#supervisor,
				log: pino({ level: "silent" }),
				now: () => this.clock.now(),
				wallNow: () => this.clock.now(),
				clock: this.#clockOf(life),
				adapters: {
					guestLink: (options) => new FakeLink(options, this, life),
					vmmControl: ({ control }) => toFakeControl(dirname(control.path), this, life),
					displayLink: (directory, tell) => ({
						state: { windows: [], cut: null },
						open: () => {
							const windows = this.windows.get(basename(directory));
							if (windows === undefined) return;
							const told = life.only(this.turns.wait(`windows of ${basename(directory)}`));
							void told.then(() => tell({ type: "state", windows, cut: null }));
						},
						tellSession() {},
						close() {},
					}),
					settled: async () => {},
					readConsole: async () => Buffer.alloc(0),
					watchConsole: () => () => {},
				},
				lastEnds: new EndsInMemory("", { warn: () => {} }),
				bootHistory: new NoBoots("", { warn: () => {} }),
				newBootToken: () => this.#token(),
				newInstanceTag: () => this.#tag(),
				changed: whileAlive(() => this.#watchNew()),
				freeMemoryMiB: () => this.freeMemoryMiB,
				/** What it has given away itself it must know. */
				readTap: (name) =>
					this.taps.get(name) === "gone"
						? undefined
						: { isInUse: this.taps.get(name) === "open", isOurs: this.taps.get(name) !== "foreign", isUp: true },
				refreshFacts: async () => {},
				planLaunch: (vm) => this.#planLaunch(vm),
				keepLogs: () => life.only(this.turns.wait("logs are kept")),
			},
			this.clock.now(),
		);
		void opening.then((registry) => {
			this.#registry = registry;
		});
		/** It waits for the traces of what has ended. */
		await drained();
		for (; this.#registry === undefined; await drained()) if (this.turns.count > 0) await this.turns.next();
		this.#watchNew();
	}

	/** The broker ends, and another comes at once. `isAsked`: it had time to leave things in order. */
	async replace(isAsked: boolean): Promise<void> {
		if (isAsked) {
			void this.registry.leave();
			await this.endAll();
		}
		this.#life.isOver = true;
		this.#registry = undefined;
		for (const link of [...this.links.values()]) link.close();
		for (const client of this.clients) client.cut();
		this.commands.clear();
		this.inhibitors.clear();
		for (const vmm of this.vmms) if (!vmm.isGone) vmm.cleanUps = 0;
		await this.open();
	}

	close(): void {
		rmSync(this.#directory, { recursive: true, force: true });
	}

	/** Of a broker: its timers end with it. */
	#clockOf(life: BrokerLife): Clock {
		return {
			setTimeout: (act, ms) => this.clock.setTimeout(() => life.isOver || act(), ms),
			clearTimeout: (timer) => this.clock.clearTimeout(timer as number),
		};
	}

	ask(wish: ClientWish): FakeClient {
		const client = new FakeClient(wish, this);
		this.clients.push(client);
		const now = (): number => this.clock.now();
		client.ask({
			...{ registry: this.registry, number: this.#number(), askedAt: now(), now },
			clock: this.#clockOf(this.#life),
		});
		return client;
	}

	start(vm: string): void {
		const askedAt = this.clock.now();
		this.#await(`start of ${vm}`, (number) =>
			this.registry.find(vm).request(number, { type: "start.requested", askedAt }),
		);
	}

	stop(vm: string, force: boolean): void {
		const askedAt = this.clock.now();
		this.#await(`stop of ${vm}`, () => stopVm(this.registry.find(vm), force, askedAt));
	}

	/** Whatever comes of it, something must. */
	#await(what: string, command: (number: number) => Promise<void>): void {
		const number = this.#number();
		this.commands.set(number, what);
		const ended = (): boolean => this.commands.delete(number);
		void (async () => command(number))().then(ended, ended);
	}

	inhibitOrRelease(vm: Vm): void {
		const found = [...this.inhibitors].find(([, one]) => one.vm === vm);
		if (found === undefined) {
			const number = this.#number();
			this.inhibitors.set(number, { vm, release: vm.inhibitors.add(number, "rsync") });
			return;
		}
		const [number, { release }] = found;
		this.inhibitors.delete(number);
		release();
	}

	/** By its unit, which wants those that it needs. Resolves when the broker has been told. */
	async startFromOutside(vm: string): Promise<void> {
		const config = this.config.vms.find(({ name }) => name === vm);
		if (config === undefined) return;
		const needed = config.dependsOn.map((name) => this.startFromOutside(name));
		await Promise.all([...needed, this.#supervisor?.startFromOutside(this.#planLaunch(config), this.#token())]);
	}

	configure(vms: readonly VmConfig[]): void {
		this.config = this.#toConfig(vms);
		this.registry.configure(this.config);
	}

	/** What has to take its turn does so only where `meanwhile` lets it. */
	async pass(ms: number, meanwhile: () => Promise<void> = drained): Promise<void> {
		const end = this.clock.now() + ms;
		while (this.clock.nextAt <= end) {
			this.clock.advanceToNext();
			await meanwhile();
		}
		this.clock.set(end);
	}

	/** All that waits for its turn has it, and what follows from that. */
	async endAll(): Promise<void> {
		await drained();
		for (let turns = 0; this.turns.count > 0; turns++) {
			if (turns > 10_000) throw new Error("one turn leads to another for ever");
			await this.turns.next();
			await drained();
		}
	}

	/** Everybody obeys and nobody wants anything any more: clients leave, sessions end, time passes. */
	async settle(): Promise<void> {
		Object.assign(this.refuses, { start: false, pause: false });
		this.freeMemoryMiB = 100_000;
		for (const { vm } of [...this.inhibitors.values()]) this.inhibitOrRelease(vm);
		for (let round = 0; round < 24; round++) {
			for (const vmm of this.vmms.filter(({ isAlive }) => isAlive)) vmm.obey();
			await this.endAll();
			for (const client of this.clients) if (client.isGranted) client.leave();
			await this.endAll();
			await this.pass(round < 4 ? 20_000 : 100_000, () => this.endAll());
		}
		await this.endAll();
	}

	#watchNew(): void {
		for (const vm of this.#registry?.all() ?? []) {
			if (this.#watched.has(vm)) continue;
			this.#watched.add(vm);
			this.rules.watch(vm);
		}
	}

	#toConfig(vms: readonly VmConfig[]): Config {
		const config = createConfig(...vms);
		return this.poolIds.length === 0 ? config : { ...config, disposablePool: { ids: this.poolIds } };
	}

	#number(): number {
		this.#numbers += 1;
		return this.#numbers;
	}

	/** Whether its low byte is kept or another's, none comes again soon. */
	#tag(): string {
		const number = this.#number();
		return (((4 + (number % 252)) << 8) | (number & 0xff)).toString(16).padStart(4, "0");
	}

	#token(): string {
		return `boot${this.#number().toString().padStart(8, "0")}`;
	}

	#planLaunch({ name, id, memoryMiB, dependsOn }: VmConfig): LaunchPlan {
		const directory = join(this.#directory, name);
		return {
			...{ vm: name, id, directory, dependsOn, base: null, hypervisor: "qemu", helpers: [], stale: [], requires: [] },
			vmm: { name: "qemu", argv: ["qemu", `${memoryMiB}`] },
			vsock: join(directory, "vsock"),
			control: { kind: "qmp", path: join(directory, "qmp.sock") },
			limits: { memoryMaxMiB: null, cpuWeight: null },
			stopWithinMs: 60_000,
			opensInternetSockets: false,
			...{ emptyDirectory: null, wayland: null, makesNamespaces: false },
		};
	}
}
