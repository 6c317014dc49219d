/** All vms by name: those of the configuration, instances of disposables, and those that run although the configuration no longer has them. */
import type { EndedVmm, RunningVmm } from "../activation/supervisor.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { noSuchVm, parseVmName } from "../config/vm-name.ts";
import { QubesLiteError } from "../errors.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { Dependants } from "./dependants.ts";
import type { TapsHost } from "./disposable-taps.ts";
import { findBase } from "./disposables.ts";
import { bury, isPaused, toFoundConfig } from "./found-vms.ts";
import { FreshInstances } from "./fresh-instances.ts";
import { type Adopted, Vm, type VmDependencies } from "./vm.ts";

export interface RegistryDependencies extends Omit<VmDependencies, "awaitReady"> {
	readonly freeMemoryMiB: () => number;
	readonly readTap: TapsHost["readTap"];
	/** Four random hex digits. */
	newInstanceTag(): string;
	/** Called after every step of any vm's machine. */
	changed(): void;
}

/** Called when vms come, go, or have another configuration. */
export interface RegistryWatcher {
	added?(vm: Vm): void;
	gone?(vm: Vm): void;
	configured?(): void;
}

export class Registry {
	#config: Config;
	readonly #dependencies: RegistryDependencies & VmDependencies;
	readonly #vms = new Map<string, Vm>();
	readonly #fresh: FreshInstances;
	readonly #dependants = new Dependants((name) => this.#vms.get(name));
	/** Running vms that the configuration does not have. */
	readonly #orphans = new Set<string>();
	readonly #planConfigured: VmDependencies["planLaunch"];

	readonly #watchers = new Set<RegistryWatcher>();

	private constructor(config: Config, dependencies: RegistryDependencies) {
		this.#config = config;
		this.#dependencies = {
			...dependencies,
			planLaunch: (vm) => this.#planLaunch(vm),
			awaitReady: (names) => this.#dependants.awaitReady(names),
		};
		this.#planConfigured = dependencies.planLaunch;
		this.#fresh = new FreshInstances({
			...dependencies,
			config: () => this.#config,
			vms: () => this.all(),
			add: (instance) => {
				const vm = this.#add(instance, null);
				void this.#start(vm);
				return vm;
			},
			forget: (vm) => this.dropIfEnded(vm),
		});
	}

	/** Takes in what an earlier broker left running. `uptimeMs` is on the clock of RunningVmm.startedAtUptimeMs. */
	static async open(config: Config, dependencies: RegistryDependencies, uptimeMs: number): Promise<Registry> {
		const registry = new Registry(config, dependencies);
		const { running, ended } = await dependencies.supervisor.adopt();
		for (const vmm of ended) await registry.#bury(vmm);
		const paused = await Promise.all(running.map((vmm) => isPaused(vmm, dependencies)));
		for (const [index, vmm] of running.entries()) {
			const adopted = { vmm, ageMs: uptimeMs - vmm.startedAtUptimeMs, isPaused: paused[index] === true };
			registry.#add(registry.#configOf(vmm), adopted);
			dependencies.log.info({ event: "vm.adopted", vm: vmm.vm, ageMs: adopted.ageMs });
		}
		for (const vm of config.vms) {
			if (!registry.#vms.has(vm.name)) registry.#add(vm, null);
		}
		await Promise.all(registry.all().map((vm) => registry.#start(vm)));
		dependencies.supervisor.endedUnseen.subscribe((vmm) => void registry.#bury(vmm));
		dependencies.supervisor.appeared.subscribe((vmm) => registry.#appeared(vmm));
		registry.#keepConfigured();
		registry.#fresh.changed();
		return registry;
	}

	/** What has left the configuration must not be started by way of what it has left with the supervisor, and is forgotten. */
	#keepConfigured(): void {
		/** It may be that no good configuration has been read yet. */
		if (this.#config.vms.length === 0) return;
		const names = new Set(this.#config.vms.map(({ name }) => name));
		const { supervisor, lastEnds, bootHistory } = this.#dependencies;
		void supervisor.keepOnly(names);
		lastEnds.keepOnly(names);
		bootHistory.keepOnly(names);
	}

	#bury(vmm: EndedVmm): Promise<void> {
		return bury(vmm, this.#config, this.#dependencies);
	}

	/** Started by somebody else: `systemctl start`, or the login. */
	#appeared(vmm: RunningVmm): void {
		this.#dependencies.log.info({ event: "vm.appeared", vm: vmm.vm });
		const known = this.#vms.get(vmm.vm);
		const vm = known ?? this.#add(this.#configOf(vmm), null);
		if (known === undefined) void this.#start(vm);
		vm.appear(vmm);
	}

	#add(config: VmConfig, adopted: Adopted | null): Vm {
		const vm = new Vm(config, this.#dependencies, adopted);
		this.#vms.set(config.name, vm);
		return vm;
	}

	/**
	 * From now on the configuration is this one. A vm that it does not have goes once it is not up; one that runs takes what
	 * of its settings can change under it. Instances stay as they were made.
	 */
	configure(config: Config): void {
		this.#config = config;
		for (const vm of this.all().filter(({ config: { instanceOf } }) => instanceOf === undefined)) {
			const next = config.vms.find(({ name }) => name === vm.config.name);
			if (next === undefined) this.#orphans.add(vm.config.name);
			else {
				this.#orphans.delete(next.name);
				vm.configuration.configure(next);
			}
			this.dropIfEnded(vm);
		}
		for (const added of config.vms) {
			if (this.#vms.has(added.name)) continue;
			void this.#start(this.#add(added, null));
		}
		/** What is up may need one that is new. */
		for (const vm of this.all()) this.#dependants.look(vm.config, vm.isUp);
		this.#keepConfigured();
		this.#fresh.configured();
		this.#dependencies.changed();
		for (const watcher of this.#watchers) watcher.configured?.();
	}

	/** Until the returned function is called. */
	watch(watcher: RegistryWatcher): () => void {
		this.#watchers.add(watcher);
		return () => this.#watchers.delete(watcher);
	}

	/** The vm of this name, as it came from outside; throws BadName or NoSuchVm with the nearest name. */
	find(untrustedName: string): Vm {
		const name = parseVmName(untrustedName);
		const vm = this.#vms.get(name);
		if (vm === undefined) throw this.#missing(name);
		return vm;
	}

	/** The same for whoever wants something of it: one that is kept ready is theirs then. */
	findToUse(untrustedName: string): Vm {
		const vm = this.find(untrustedName);
		this.#fresh.claim(vm);
		return vm;
	}

	/**
	 * A fresh instance of a configured vm: whoever gets it asks it for something at once, and calls dropIfEnded when that has come to
	 * nothing. It is here until it has run and its vmm is gone.
	 */
	newInstance(untrustedBase: string): Vm {
		return this.#fresh.get(untrustedBase);
	}

	/** Before newInstance: null where it has an answer that will not change soon. Else resolves when it may have changed. */
	awaitTap(untrustedBase: string, askedAt: number): Promise<void> | null {
		return this.#fresh.awaitTap(untrustedBase, askedAt);
	}

	/** The instance of this name and base, if it is up or about to be, and nobody has used it or waits for it. Throws as newInstance does. */
	findUnused(untrustedName: string | undefined, untrustedBase: string): Vm | undefined {
		const vm = untrustedName === undefined ? undefined : this.#vms.get(untrustedName);
		if (vm === undefined || !this.#fresh.isUnused(vm)) return undefined;
		/** Whoever may have an instance of one vm may not have one of another by its name. */
		return this.baseOf(vm.config.name) === findBase(this.#config, untrustedBase).name ? vm : undefined;
	}

	/** The vm that the instance of this name is one of; null: there is no such instance, or that vm is not configured any more. */
	baseOf(instance: string): string | null {
		return this.#vms.get(instance)?.config.instanceOf?.name ?? null;
	}

	/** Forgets an instance, or a vm that the configuration no longer has, once it has ended and left nothing; other vms stay. */
	dropIfEnded(vm: Vm): void {
		if (!this.#isOver(vm)) return;
		void vm.settled().then(() => {
			/** Another one may have its name by now. */
			if (!this.#isOver(vm) || this.#vms.get(vm.config.name) !== vm) return;
			this.#vms.delete(vm.config.name);
			vm.isForgotten = true;
			const event = this.#orphans.delete(vm.config.name) ? "vm.gone" : "instance.gone";
			this.#dependencies.log.info({ event, vm: vm.config.name });
			if (event === "vm.gone") this.#keepConfigured();
			this.#fresh.changed();
			this.#dependencies.changed();
			for (const watcher of this.#watchers) watcher.gone?.(vm);
		});
	}

	all(): Vm[] {
		return [...this.#vms.values()];
	}

	/** It is kept ready, and nobody has asked for it. */
	isPreloaded(vm: Vm): boolean {
		return this.#fresh.isPreloaded(vm);
	}

	/** This broker is about to end: what the next one can't know again goes, what a guest would be lost with is resumed. Never rejects. */
	async leave(): Promise<void> {
		this.#fresh.close();
		for (const vm of this.all()) vm.snapshot().instance?.leave();
		await Promise.all(this.all().map((vm) => vm.wake()));
	}

	isConfigured(vm: Vm): boolean {
		return !this.#orphans.has(vm.config.name);
	}

	/** The states of those that are not at rest: a vmm runs, or is about to. */
	statesUp(): string[] {
		return this.all()
			.filter((vm) => vm.isUp)
			.map((vm) => vm.snapshot().state);
	}

	#isOver(vm: Vm): boolean {
		return (vm.config.instanceOf !== undefined || !this.isConfigured(vm)) && !vm.isUp;
	}

	/** What a vm that has left the configuration would be started with again, nobody knows. */
	#planLaunch(vm: VmConfig): LaunchPlan {
		if (!this.#orphans.has(vm.name)) return this.#planConfigured(vm);
		throw new QubesLiteError("NoSuchVm", `the configuration has no vm '${vm.name}' any more`, {
			remedy: "qubes-lite ls",
		});
	}

	#configOf(vmm: RunningVmm): VmConfig {
		const known = this.#config.vms.find(({ name }) => name === vmm.vm);
		if (known !== undefined) return known;
		const found = toFoundConfig(vmm, this.#config);
		if (found.instanceOf === undefined) this.#orphans.add(vmm.vm);
		return found;
	}

	/** An instance that is new has not ended, although it is stopped: it is looked at after its steps only. */
	#start(vm: Vm): Promise<void> {
		const started = vm.start();
		/** One that was adopted is up already. */
		this.#dependants.look(vm.config, vm.isUp);
		vm.watch(() => {
			this.#dependants.look(vm.config, vm.isUp);
			this.dropIfEnded(vm);
			this.#fresh.changed();
			this.#dependencies.changed();
		});
		for (const watcher of this.#watchers) watcher.added?.(vm);
		return started;
	}

	#missing(name: string): QubesLiteError {
		return noSuchVm(
			name,
			this.#config.vms.map((vm) => vm.name),
		);
	}
}
