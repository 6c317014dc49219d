/** All vms by name: those of the configuration, instances of disposables, and those that run although the configuration no longer has them. */
import type { Config, VmConfig } from "../config/schema.ts";
import { noSuchVm, parseVmName } from "../config/vm-name.ts";
import { QubesLiteError } from "../errors.ts";
import { findBase, isInstance, toAdoptedInstance, toInstance } from "./disposables.ts";
import { Vm, type VmDependencies } from "./vm.ts";

export interface RegistryDependencies extends VmDependencies {
	/** Four random hex digits. */
	newInstanceTag(): string;
	/** Called after every step of any vm's machine. */
	changed(): void;
}

export class Registry {
	readonly #config: Config;
	readonly #dependencies: RegistryDependencies;
	readonly #vms = new Map<string, Vm>();
	readonly #orphans = new Set<string>();

	private constructor(config: Config, dependencies: RegistryDependencies) {
		this.#config = config;
		this.#dependencies = dependencies;
	}

	/** Takes in what an earlier broker left running. `uptimeMs` is on the clock of RunningVmm.startedAtUptimeMs. */
	static async open(config: Config, dependencies: RegistryDependencies, uptimeMs: number): Promise<Registry> {
		const registry = new Registry(config, dependencies);
		const { running, ended } = await dependencies.supervisor.adopt();
		for (const { vm, exit } of ended) dependencies.log.info({ event: "vm.endedUnseen", vm, exit });
		for (const vmm of running) {
			const adopted = { vmm, ageMs: uptimeMs - vmm.startedAtUptimeMs };
			const vmConfig = registry.#configOf(vmm.vm, vmm.plan.id);
			const isOrphan = registry.#orphans.has(vmm.vm);
			registry.#vms.set(
				vmm.vm,
				new Vm(vmConfig, isOrphan ? { ...dependencies, planLaunch: refuse } : dependencies, adopted),
			);
			dependencies.log.info({ event: "vm.adopted", vm: vmm.vm, ageMs: adopted.ageMs });
		}
		for (const vm of config.vms) {
			if (!registry.#vms.has(vm.name)) registry.#vms.set(vm.name, new Vm(vm, dependencies, null));
		}
		await Promise.all(registry.all().map((vm) => registry.#start(vm)));
		return registry;
	}

	/** The vm of this name, as it came from outside; throws BadName or NoSuchVm with the nearest name. */
	find(untrustedName: string): Vm {
		const name = parseVmName(untrustedName);
		const vm = this.#vms.get(name);
		if (vm === undefined) throw this.#missing(name);
		return vm;
	}

	/**
	 * A fresh instance of a configured vm, stopped: whoever makes it asks it for something at once, and calls dropIfEnded
	 * when that has come to nothing. It is here until it has run and its vmm is gone.
	 */
	createInstance(untrustedBase: string): Vm {
		const base = findBase(this.#config, untrustedBase);
		const { newInstanceTag, log } = this.#dependencies;
		const existing = this.all().map((vm) => vm.config);
		const vm = new Vm(toInstance(base, existing, newInstanceTag), this.#dependencies, null);
		this.#vms.set(vm.config.name, vm);
		log.info({ event: "instance.created", vm: vm.config.name, base: base.name });
		void this.#start(vm);
		return vm;
	}

	/** Forgets an instance, or a vm that the configuration no longer has, once it has ended and left nothing; other vms stay. */
	dropIfEnded(vm: Vm): void {
		if (!this.#isOver(vm)) return;
		void vm.settled().then(() => {
			if (!this.#isOver(vm) || !this.#vms.delete(vm.config.name)) return;
			const event = this.#orphans.delete(vm.config.name) ? "vm.gone" : "instance.gone";
			this.#dependencies.log.info({ event, vm: vm.config.name });
			this.#dependencies.changed();
		});
	}

	all(): Vm[] {
		return [...this.#vms.values()];
	}

	isConfigured(vm: Vm): boolean {
		return !this.#orphans.has(vm.config.name);
	}

	/** No vmm runs, and none is about to. */
	isQuiet(): boolean {
		return this.all().every((vm) => !isUp(vm));
	}

	#isOver(vm: Vm): boolean {
		return (vm.config.instanceOf !== undefined || !this.isConfigured(vm)) && !isUp(vm);
	}

	#configOf(name: string, id: number): VmConfig {
		const known = this.#config.vms.find((vm) => vm.name === name);
		if (known !== undefined) return known;
		const orphan = orphanConfig(name, id);
		if (isInstance(name, id)) return toAdoptedInstance(orphan);
		this.#orphans.add(name);
		return orphan;
	}

	/** An instance that is new has not ended, although it is stopped: it is looked at after its steps only. */
	#start(vm: Vm): Promise<void> {
		const started = vm.start();
		vm.watch(() => {
			this.dropIfEnded(vm);
			this.#dependencies.changed();
		});
		return started;
	}

	#missing(name: string): QubesLiteError {
		return noSuchVm(
			name,
			this.#config.vms.map((vm) => vm.name),
		);
	}
}

function isUp(vm: Vm): boolean {
	const { state, context } = vm.snapshot();
	return context.vmmAlive || (state !== "stopped" && state !== "failed");
}

/** What it would be started with again nobody knows. */
function refuse({ name }: VmConfig): never {
	throw new QubesLiteError("NoSuchVm", `the configuration has no vm '${name}' any more`, { remedy: "qubes-lite ls" });
}

/** A running vm that has left the configuration goes on, with defaults that never stop it by idleness. */
function orphanConfig(name: string, id: number): VmConfig {
	return {
		id,
		name,
		memoryMiB: 0,
		cpus: 0,
		network: false,
		autoStart: false,
		disks: [],
		disposable: false,
		idleTimeoutMs: 0,
		bootTimeoutMs: 60_000,
	};
}
