/**
 * The TAPs of disposablePool: which of them a new instance gets, and how long somebody waits for one. An instance has its TAP from the
 * moment at which it is known until nothing of it is left; what holds one that is not known here shows in the TAP itself.
 */
import { poolIdOf, toPoolTap, toTapRemedy } from "../config/addresses.ts";
import { poolIdsOf } from "../config/disposable-pool.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { Tap } from "../host/taps.ts";
import type { Clock } from "./clock.ts";
import type { Vm } from "./vm.ts";

export interface PoolTapFacts extends Pick<Tap, "isInUse" | "isUp"> {
	/** The vms' user may open it. */
	readonly isOurs: boolean;
}

export interface TapsHost {
	config(): Config;
	vms(): readonly Vm[];
	/** Undefined where there is none of this name. */
	readTap(name: string): PoolTapFacts | undefined;
	/** Ends one of these that nobody has asked for; false: there is none. */
	giveUp(vms: readonly Vm[]): boolean;
	readonly now: () => number;
	readonly clock: Clock;
}

/** Who has just left an instance may be heard of only after who comes next: its guest says so, and that takes a moment. */
const leavesWithinMs = 1_000;

/** More names do not help anybody to choose. */
const namesMax = 6;

interface PoolTap {
	readonly id: number;
	readonly holder: Vm | undefined;
	readonly isFree: boolean;
	readonly isOurs: boolean;
	readonly isUp: boolean;
}

export class DisposableTaps {
	readonly #host: TapsHost;
	readonly #waiting = new Set<() => void>();

	constructor(host: TapsHost) {
		this.#host = host;
	}

	/** For a new instance of `base`: null where it needs none, or there is no pool. Throws Limit. */
	take(base: VmConfig): number | null {
		const taps = this.#look(base);
		if (taps.length === 0) return null;
		/** One that is switched off is better than none: its guest has no network, and doctor says so. */
		const free = taps.find(({ isFree, isUp }) => isFree && isUp) ?? taps.find(({ isFree }) => isFree);
		if (free === undefined) throw toLimit(taps);
		return free.id;
	}

	hasFree(base: VmConfig): boolean {
		const taps = this.#look(base);
		return taps.length === 0 || taps.some(({ isFree }) => isFree);
	}

	/** An instance of this id would have been made so now, too: with a TAP of the pool, or where there is none without. */
	isAsNow(base: VmConfig, instanceId: number): boolean {
		const taps = this.#look(base);
		const poolId = poolIdOf(instanceId);
		return poolId === null ? taps.length === 0 : taps.some(({ id }) => id === poolId);
	}

	/** Somebody waits for one. */
	get isAwaited(): boolean {
		return this.#waiting.size > 0;
	}

	/**
	 * Null where `take` has an answer that will not change soon. Else resolves when it may have changed: an instance ends just now, one
	 * that nobody has asked for makes room, or who asked at `askedAt` is ahead of the news.
	 */
	awaitChange(base: VmConfig, askedAt: number): Promise<void> | null {
		if (this.hasFree(base)) return null;
		const holders = this.#look(base).flatMap(({ holder }) => holder ?? []);
		const leftMs = askedAt + leavesWithinMs - this.#host.now();
		if (!holders.some(isLeaving) && !this.#host.giveUp(holders) && leftMs <= 0) return null;
		return new Promise((resolve) => {
			const timer = this.#host.clock.setTimeout(() => changed(), leftMs > 0 ? leftMs : leavesWithinMs);
			const changed = (): void => {
				this.#host.clock.clearTimeout(timer);
				this.#waiting.delete(changed);
				resolve();
			};
			this.#waiting.add(changed);
		});
	}

	/** Something has changed somewhere. */
	changed(): void {
		for (const changed of [...this.#waiting]) changed();
	}

	/** Those that are there. */
	#look(base: VmConfig): PoolTap[] {
		if (!base.network) return [];
		const { config, vms, readTap } = this.#host;
		const holders = new Map(
			vms()
				.filter((vm) => vm.config.instanceOf !== undefined)
				.map((vm) => [poolIdOf(vm.config.id), vm]),
		);
		return poolIdsOf(config()).flatMap((id) => {
			const tap = readTap(toPoolTap(id));
			const holder = holders.get(id);
			if (tap === undefined) return [];
			const { isOurs, isUp, isInUse } = tap;
			return [{ id, holder, isOurs, isUp, isFree: holder === undefined && isOurs && !isInUse }];
		});
	}
}

/** It ends, or has ended and is not cleaned up. */
const isLeaving = (vm: Vm): boolean => !vm.isUp || vm.snapshot().state === "shutdown";

function toLimit(taps: readonly PoolTap[]): QubesLiteError {
	const names = taps.flatMap(({ holder }) => holder?.config.name ?? []);
	const strangers = taps
		.filter(({ holder }) => holder === undefined)
		.map(({ id, isOurs }) => `whoever ${isOurs ? "has" : "owns"} ${toPoolTap(id)}${isOurs ? " open" : ""}`);
	const shown = [...names, ...strangers];
	const by = shown.slice(0, namesMax).join(", ") + (shown.length > namesMax ? ", …" : "");
	const all = taps.length === 1 ? "the one TAP of disposablePool is" : `all ${taps.length} TAPs of disposablePool are`;
	const end = names[0] === undefined ? "" : `qubes-lite stop ${names[0]}   # or `;
	return new QubesLiteError("Limit", `${all} in use, by ${by}`, {
		remedy: `${end}add ids to disposablePool, and make their TAPs: ${toTapRemedy()}`,
	});
}
