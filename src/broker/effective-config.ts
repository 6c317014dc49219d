/** What holds of a vm's configuration: some of it at once, some from its next boot on, and some only until its vmm ends. */
import { type Lifecycle, lifecycleOf, type Settable } from "../config/lifecycle.ts";
import type { VmConfig } from "../config/schema.ts";

/** What `qubes-lite set` may change of a vm that runs. */
export type Overrides = Partial<Settable & Pick<VmConfig, "memoryMiB">>;

export class EffectiveConfig {
	/** As the vmm that runs was started, but for what changes under it. */
	#current: VmConfig;
	/** As it is configured. */
	#next: VmConfig;
	#overrides: Overrides = {};
	/** Of an instance that is kept ready. */
	#kept: Partial<Lifecycle> = {};

	constructor(config: VmConfig) {
		this.#current = config;
		this.#next = config;
	}

	/** As its machine goes by it, and as a vmm that runs was started. */
	get current(): VmConfig {
		return { ...this.#current, ...this.#kept, ...this.#overrides };
	}

	/** Its memory as the vmm that runs was started, whatever it gives back. */
	get bootedMemoryMiB(): number {
		return this.#current.memoryMiB;
	}

	/** As its next boot will be. */
	get next(): VmConfig {
		return this.#next;
	}

	/** What its machine goes by. */
	get lifecycle(): Lifecycle {
		return lifecycleOf(this.current);
	}

	get overrides(): Overrides {
		return this.#overrides;
	}

	/** Its lifecycle holds at once; the rest from its next boot on. */
	configure(config: VmConfig, isUp: boolean): void {
		this.#next = config;
		/** Of one that was found running without a configuration nothing is known: what its name has now is the best guess. */
		const isKnown = this.#current.memoryMiB > 0;
		this.#current = isUp && isKnown ? { ...this.#current, ...lifecycleOf(config) } : config;
	}

	/** Until its vmm ends. */
	override(overrides: Overrides): void {
		this.#overrides = { ...this.#overrides, ...overrides };
	}

	/** An instance that nobody has asked for yet: booted, and paused as soon as it is up. */
	preload(): void {
		this.#kept = { disposable: false, idleTimeoutMs: 1, idleAction: "pause", pauseTimeoutMs: 0, maxLifetimeMs: 0 };
	}

	/** Somebody has: from now on it is a disposable as any other. Its life begins `ageMs` after its vmm did. */
	claim(ageMs: number): void {
		const { maxLifetimeMs } = this.#current;
		this.#kept = maxLifetimeMs === 0 ? {} : { maxLifetimeMs: maxLifetimeMs + ageMs };
	}

	/** A vmm is about to start: it is as it is configured. */
	launched(): VmConfig {
		this.#current = this.#next;
		return this.#current;
	}

	/** Its vmm has ended. True if something had been overridden. */
	released(): boolean {
		const wasOverridden = Object.keys({ ...this.#kept, ...this.#overrides }).length > 0;
		this.#current = this.#next;
		this.#overrides = {};
		this.#kept = {};
		return wasOverridden;
	}
}
