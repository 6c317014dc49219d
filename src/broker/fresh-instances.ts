/** Fresh instances of disposables, for whoever asks: one that is kept ready or one that is stopped, with a TAP where it needs one. */
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { canBeBase, toInstanceOf } from "../launch/vm-units.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { DisposableTaps, type TapsHost } from "./disposable-taps.ts";
import { findBase, toInstance } from "./disposables.ts";
import { Preloaded, type PreloadedHost } from "./preloaded.ts";
import type { Vm } from "./vm.ts";

export interface FreshInstancesHost
	extends Pick<TapsHost, "readTap" | "config" | "now" | "clock">,
		Pick<PreloadedHost, "freeMemoryMiB" | "log"> {
	vms(): readonly Vm[];
	/** Makes it known, and starts it. */
	add(config: VmConfig): Vm;
	/** Called when it has come to nothing. */
	forget(vm: Vm): void;
	/** Four random hex digits. */
	newInstanceTag(): string;
	/** Throws where the vm can't be launched here. */
	planLaunch(vm: VmConfig): LaunchPlan;
}

export class FreshInstances {
	readonly #host: FreshInstancesHost;
	readonly #preloaded: Preloaded;
	readonly #taps: DisposableTaps;
	#isClosed = false;

	constructor(host: FreshInstancesHost) {
		this.#host = host;
		const { now, clock, log, readTap, freeMemoryMiB } = host;
		this.#taps = new DisposableTaps({
			...{ now, clock, readTap, config: () => this.#config, vms: () => host.vms() },
			giveUp: (vms) => this.#preloaded.giveUp(vms),
		});
		this.#preloaded = new Preloaded({
			...{ now, clock, log, freeMemoryMiB },
			bases: () => this.#config.vms.filter(({ preload }) => preload > 0),
			create: (base) => this.#create(base),
			forget: (vm) => host.forget(vm),
			isSomebodyWaiting: () => this.#isSomebodyWaiting(),
			hasTap: (base) => this.#taps.hasFree(base),
			wayToStart: (base, { config: { name, id } }) =>
				JSON.stringify([this.#taps.isAsNow(base, id), host.planLaunch(toInstanceOf(base, name.slice(-4), id))]),
		});
	}

	get #config(): Config {
		return this.#host.config();
	}

	/**
	 * Of a configured vm: whoever gets it asks it for something at once, and has it forgotten when that has come to nothing. Throws
	 * what findBase and toInstance do.
	 */
	get(untrustedBase: string): Vm {
		if (this.#isClosed)
			throw new QubesLiteError("Busy", "the broker leaves", { remedy: "ask again: the next one serves" });
		const base = findBase(this.#config, untrustedBase);
		return this.#preloaded.claim(base) ?? this.#create(base);
	}

	/**
	 * For whoever has asked for one at `askedAt`: null where get() has an answer that will not change soon. Else resolves when it may
	 * have changed, and they look again.
	 */
	awaitTap(untrustedBase: string, askedAt: number): Promise<void> | null {
		const base = findBase(this.#config, untrustedBase);
		if (!canBeBase(base) || this.#preloaded.canClaim(base)) return null;
		return this.#taps.awaitChange(base, askedAt);
	}

	/** It is up or about to be, and nobody has used it or waits for it. */
	isUnused(vm: Vm): boolean {
		if (vm.config.instanceOf === undefined || this.#preloaded.has(vm)) return false;
		const { state, context } = vm.snapshot();
		const isComing = state === "booting" || state === "ready" || state === "idle";
		return isComing && !context.used && context.leases.size === 0;
	}

	/** It is kept ready, and nobody has asked for it. */
	isPreloaded(vm: Vm): boolean {
		return this.#preloaded.has(vm);
	}

	/** Somebody wants something of it: one that was kept ready is theirs. */
	claim(vm: Vm): void {
		this.#preloaded.claimThis(vm);
	}

	/** After each step of any vm. */
	changed(): void {
		this.#preloaded.changed();
		this.#taps.changed();
	}

	configured(): void {
		this.#preloaded.configured();
		this.#taps.changed();
	}

	/** The next broker can't know again which are kept ready: they go, and nobody gets one any more. */
	close(): void {
		this.#isClosed = true;
		this.#preloaded.close();
	}

	#isSomebodyWaiting(): boolean {
		if (this.#taps.isAwaited) return true;
		return this.#host.vms().some((vm) => !this.#preloaded.has(vm) && vm.snapshot().state === "booting");
	}

	#create(base: VmConfig): Vm {
		const existing = this.#host.vms().map((vm) => vm.config);
		const made = { newTag: () => this.#host.newInstanceTag(), takeTap: () => this.#taps.take(base) };
		const vm = this.#host.add(toInstance(base, existing, made));
		this.#host.log.info({ event: "instance.created", vm: vm.config.name, base: base.name });
		return vm;
	}
}
