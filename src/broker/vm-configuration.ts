/** One vm's configuration as it holds now: told to its machine, and marked beside its vmm for a broker that comes later. */
import type { Lifecycle } from "../config/lifecycle.ts";
import type { VmConfig } from "../config/schema.ts";
import type { VmEvent } from "../statemachines/vm-events.ts";
import { EffectiveConfig, type Overrides } from "./effective-config.ts";
import type { Instance } from "./instance.ts";
import { notRunning } from "./vm-errors.ts";

export interface ConfiguredVm {
	tell(event: VmEvent): void;
	/** From its launch until its vmm has ended. */
	instance(): Instance | undefined;
}

export class VmConfiguration {
	readonly #config: EffectiveConfig;
	readonly #vm: ConfiguredVm;

	constructor(config: VmConfig, vm: ConfiguredVm) {
		this.#config = new EffectiveConfig(config);
		this.#vm = vm;
	}

	get current(): VmConfig {
		return this.#config.current;
	}

	/** As it will be from its next boot on. */
	get next(): VmConfig {
		return this.#config.next;
	}

	get bootedMemoryMiB(): number {
		return this.#config.bootedMemoryMiB;
	}

	get lifecycle(): Lifecycle {
		return this.#config.lifecycle;
	}

	/** What has been set until what runs has ended. */
	get overrides(): Overrides {
		return this.#config.overrides;
	}

	/** Its lifecycle holds at once; the rest from its next boot on. */
	configure(config: VmConfig): void {
		this.#config.configure(config, this.#vm.instance() !== undefined);
		this.#vm.tell({ type: "settings.changed", ...this.#config.lifecycle, isConfigured: true });
	}

	/** Holds at once, and until what runs has ended; also under a broker that comes later. Throws NotRunning. */
	override(overrides: Overrides): void {
		this.running();
		this.#config.override(overrides);
		this.#markOverrides();
		this.#changed();
	}

	/** What there is something to set of. Throws NotRunning. */
	running(): Instance {
		const instance = this.#vm.instance();
		if (instance !== undefined) return instance;
		throw notRunning(this.current, "so there is nothing to set until its stop");
	}

	/** Before it boots: nobody asks for it yet, and it is paused as soon as it is up. */
	preload(): void {
		this.#config.preload();
		this.#changed();
	}

	/** Somebody asks for it now, `ageMs` after its vmm was started. */
	claim(ageMs: number): void {
		this.#config.claim(ageMs);
		this.#markBounds(this.current);
		this.#changed();
	}

	/** A vmm is about to start. */
	launched(): VmConfig {
		return this.#config.launched();
	}

	/** It has a directory for marks from here on; it may be the second of a boot that is being tried again. */
	mark(): void {
		this.#markOverrides();
		this.#markBounds(this.next);
	}

	/** An earlier broker has started what runs, and set this; the machine is not there yet. */
	adopted(overrides: Overrides): void {
		this.#config.override(overrides);
	}

	/** Somebody else has started what runs: an earlier broker perhaps, whose settings nobody could see until now. */
	taken(overrides: Overrides): void {
		this.#config.released();
		this.#config.override(overrides);
		this.#changed();
	}

	/** What ran has ended. */
	released(): void {
		if (this.#config.released()) this.#changed();
	}

	#changed(): void {
		this.#vm.tell({ type: "settings.changed", ...this.#config.lifecycle });
	}

	#markOverrides(): void {
		const instance = this.#vm.instance();
		if (instance !== undefined) instance.marks.overrides = this.overrides;
	}

	/** What it is made from may be another by the time that another broker looks. */
	#markBounds({ instanceOf, maxLifetimeMs, shutdown }: VmConfig): void {
		const instance = this.#vm.instance();
		if (instanceOf !== undefined && instance !== undefined) instance.marks.bounds = { maxLifetimeMs, shutdown };
	}
}
