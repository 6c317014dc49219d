/**
 * How long the late boots of each vm took, so that people can be told what to expect, and a slow one gets its time; and how many have
 * failed since the last one that did not.
 */
import * as v from "valibot";
import type { VmConfig } from "../config/schema.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { bootPhases } from "../protocol/boot-phases.ts";
import type { VmNotice } from "../statemachines/vm-events.ts";
import type { FailedBoots } from "./failed-boots.ts";
import { StateFiles, type StateLog } from "./state-files.ts";

/** Enough that one odd boot changes little, few enough that the history soon knows a new image or another machine. */
const bootsMax = 10;

/** Only boots with the same one are comparable: emulated ones take several times as long. Memory and processors change little. */
export type Accelerator = "kvm" | "tcg";

export const acceleratorOf = ({ requires }: Pick<LaunchPlan, "requires">): Accelerator | null =>
	requires.map(({ kind }) => kind).find((kind) => kind === "kvm" || kind === "tcg") ?? null;

const milliseconds = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** No boot takes longer: four times the longest bootTimeout. */
const duration = v.pipe(milliseconds, v.maxValue(4 * 3_600_000));
const boot = v.object({
	/** Wall clock. */
	at: milliseconds,
	ms: duration,
	/** Since the start of the vmm. */
	phases: v.partial(v.object(v.entriesFromList(bootPhases, duration))),
	accelerator: v.picklist(["kvm", "tcg"]),
});

export type Boot = v.InferOutput<typeof boot>;

const entries = {
	boots: v.pipe(v.array(boot), v.maxLength(bootsMax)),
	failed: v.optional(
		v.object({
			boots: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
			at: milliseconds,
			config: v.pipe(v.string(), v.maxLength(64)),
		}),
	),
};

interface Known {
	readonly boots: readonly Boot[];
	readonly failed?: FailedBoots | undefined;
}

export class BootHistory {
	readonly #files;
	/** Read once, since it is asked for at each look at a vm. */
	readonly #known = new Map<string, Known>();

	constructor(stateDirectory: string, log: StateLog) {
		this.#files = new StateFiles(stateDirectory, "boots", entries, log);
	}

	/** Those that can be compared with the last one, the oldest first. */
	read(vm: string): readonly Boot[] {
		const { boots } = this.#all(vm);
		return boots.filter(({ accelerator }) => accelerator === boots.at(-1)?.accelerator);
	}

	note(vm: string, boot: Boot): void {
		const known = this.#all(vm);
		this.#write(vm, { ...known, boots: [...known.boots, boot].slice(-bootsMax) });
	}

	/** Since the last boot that did not fail; undefined: none has. */
	failed(vm: string): FailedBoots | undefined {
		return this.#all(vm).failed;
	}

	noteFailed(vm: string, failed: FailedBoots | undefined): void {
		this.#write(vm, { ...this.#all(vm), failed });
	}

	/** What is known of its failures can't be. */
	ignoredFailed(vm: string, why: string): void {
		this.#files.ignored(vm, new Error(why));
	}

	/** Forgets all other vms. */
	keepOnly(vms: ReadonlySet<string>): void {
		for (const vm of this.#known.keys()) if (!vms.has(vm)) this.#known.delete(vm);
		this.#files.keepOnly(vms);
	}

	#all(vm: string): Known {
		const known = this.#known.get(vm) ?? this.#files.read(vm) ?? { boots: [] };
		this.#known.set(vm, known);
		return known;
	}

	#write(vm: string, known: Known): void {
		this.#known.set(vm, known);
		this.#files.write(vm, known);
	}
}

export interface BootsDependencies {
	readonly bootHistory: BootHistory;
	readonly wallNow: () => number;
}

/** Those of one vm; an instance's count for what it is made from. */
export class VmBoots {
	/** Null where that is not known: nothing is either then. */
	readonly #vm: string | null;
	readonly #dependencies: BootsDependencies;

	constructor({ name, instanceOf }: Pick<VmConfig, "name" | "instanceOf">, dependencies: BootsDependencies) {
		this.#vm = instanceOf === undefined ? name : (instanceOf?.name ?? null);
		this.#dependencies = dependencies;
	}

	/** `accelerator`: null where somebody else has started it: for how long it has really booted is not known then. */
	note({ ms, phases }: Extract<VmNotice, { type: "boot.finished" }>, accelerator: Accelerator | null): void {
		if (this.#vm === null || accelerator === null) return;
		const rounded = Object.fromEntries(Object.entries(phases).map(([phase, at]) => [phase, Math.round(at)]));
		const { bootHistory, wallNow } = this.#dependencies;
		bootHistory.note(this.#vm, { at: wallNow(), ms: Math.round(ms), phases: rounded, accelerator });
	}

	/** The median; null where none is known. */
	get usualMs(): number | null {
		const sorted = this.#sorted();
		return sorted[sorted.length >> 1] ?? null;
	}

	/** 0 where none is known. */
	get slowestMs(): number {
		return this.#sorted().at(-1) ?? 0;
	}

	#sorted(): number[] {
		if (this.#vm === null) return [];
		return this.#dependencies.bootHistory
			.read(this.#vm)
			.map(({ ms }) => ms)
			.sort((a, b) => a - b);
	}
}
