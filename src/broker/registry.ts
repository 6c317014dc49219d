/** All vms by name: those of the configuration, and those that run although the configuration no longer has them. */
import type { Config, VmConfig } from "../config/schema.ts";
import { noSuchVm, parseVmName } from "../config/vm-name.ts";
import type { QubesLiteError } from "../errors.ts";
import { Vm, type VmDependencies } from "./vm.ts";

export class Registry {
	readonly #config: Config;
	readonly #vms = new Map<string, Vm>();
	readonly #orphans = new Set<string>();

	private constructor(config: Config) {
		this.#config = config;
	}

	/** Takes in what an earlier broker left running. `uptimeMs` is on the clock of RunningVmm.startedAtUptimeMs. */
	static async open(config: Config, dependencies: VmDependencies, uptimeMs: number): Promise<Registry> {
		const registry = new Registry(config);
		const { running, ended } = await dependencies.supervisor.adopt();
		for (const { vm, exit } of ended) dependencies.log.info({ event: "vm.endedUnseen", vm, exit });
		for (const vmm of running) {
			const known = config.vms.find((vm) => vm.name === vmm.vm);
			if (known === undefined) registry.#orphans.add(vmm.vm);
			const adopted = { vmm, ageMs: uptimeMs - vmm.startedAtUptimeMs };
			registry.#vms.set(vmm.vm, new Vm(known ?? orphanConfig(vmm.vm, vmm.plan.id), dependencies, adopted));
			dependencies.log.info({ event: "vm.adopted", vm: vmm.vm, ageMs: adopted.ageMs });
		}
		for (const vm of config.vms) {
			if (!registry.#vms.has(vm.name)) registry.#vms.set(vm.name, new Vm(vm, dependencies, null));
		}
		await Promise.all([...registry.#vms.values()].map((vm) => vm.start()));
		return registry;
	}

	/** The vm of this name, as it came from outside; throws BadName or NoSuchVm with the nearest name. */
	find(untrustedName: string): Vm {
		const name = parseVmName(untrustedName);
		const vm = this.#vms.get(name);
		if (vm === undefined) throw this.#missing(name);
		return vm;
	}

	all(): Vm[] {
		return [...this.#vms.values()];
	}

	isConfigured(vm: Vm): boolean {
		return !this.#orphans.has(vm.config.name);
	}

	/** No vmm runs, and none is about to. */
	isQuiet(): boolean {
		return this.all().every((vm) => {
			const { state, context } = vm.snapshot();
			return !context.vmmAlive && (state === "stopped" || state === "failed");
		});
	}

	#missing(name: string): QubesLiteError {
		return noSuchVm(
			name,
			this.#config.vms.map((vm) => vm.name),
		);
	}
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
