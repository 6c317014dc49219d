/**
 * What a watcher is told: first who tells and what each vm is at, then what happens to them. Snapshot and stream are taken together, so
 * that nothing is missed between. A vm of which the policy lets nothing be told is not there, until it does.
 */
import { type BrokerEvent, eventWordsMax, type VmFacts } from "../protocol/broker-events.ts";
import type { VmState } from "../protocol/broker-replies.ts";
import { nextStop } from "../statemachines/vm-context.ts";
import type { VmNotice } from "../statemachines/vm-events.ts";
import { stopSentences } from "../statemachines/vm-reasons.ts";
import type { Registry } from "./registry.ts";
import { toFlags } from "./status.ts";
import type { Vm } from "./vm.ts";

export interface EventSource {
	readonly registry: Pick<Registry, "all" | "watch" | "isConfigured" | "isPreloaded">;
	readonly pid: number;
	/** Whether the policy lets the host be told what happens to the vm of this name, now. */
	mayTell(vm: string): boolean;
	/** Calls `changed` when that may have become another answer, until the returned function is called. */
	onPolicy(changed: () => void): () => void;
	/** Clock of the machines, and the wall's. */
	readonly now: () => number;
	readonly wallNow: () => number;
}

type WithoutTime<Event> = Event extends BrokerEvent ? Omit<Event, "at"> : never;
type Tell = (event: WithoutTime<BrokerEvent>) => void;

/** Of all vms, or of the one of this name. `tell` is called until the returned function is; it must not throw. */
export function streamEvents(source: EventSource, only: string | null, tell: (event: BrokerEvent) => void): () => void {
	const { registry, pid, wallNow } = source;
	const told = new Map<Vm, ToldVm>();
	const say: Tell = (event) => tell({ at: new Date(wallNow()).toISOString(), ...event } as BrokerEvent);
	const isMeant = (vm: Vm): boolean => only === null || vm.config.name === only;
	const look = (): void => {
		for (const vm of told.values()) vm.look();
	};
	const vms = registry.all().filter(isMeant);
	const listed = new Set(vms.filter(({ config }) => source.mayTell(config.name)));
	say({ type: "broker", pid, vms: [...listed].map(({ config }) => config.name) });
	for (const vm of vms) told.set(vm, new ToldVm(vm, source, say, listed.has(vm)));
	const unwatch = registry.watch({
		added(vm) {
			if (!isMeant(vm)) return;
			const added = new ToldVm(vm, source, say, false);
			told.set(vm, added);
			added.look();
		},
		gone(vm) {
			const gone = told.get(vm);
			gone?.end();
			told.delete(vm);
			if (gone?.isTold === true) say({ type: "vm-gone", vm: vm.config.name });
		},
		configured: look,
	});
	const unwatchPolicy = source.onPolicy(look);
	return () => {
		unwatch();
		unwatchPolicy();
		for (const vm of told.values()) vm.end();
	};
}

/** One vm, as a watcher knows it. */
class ToldVm {
	readonly #vm: Vm;
	readonly #source: EventSource;
	readonly #tell: Tell;
	readonly #unwatch: readonly (() => void)[];
	#state: VmState = "stopped";
	#flags = "";
	#isTold = false;

	/** `isListed`: the watcher has been told that it is there, and is told what it is at. */
	constructor(vm: Vm, source: EventSource, tell: Tell, isListed: boolean) {
		this.#vm = vm;
		this.#source = source;
		this.#tell = tell;
		if (isListed) this.#begin();
		this.#unwatch = [vm.watch(() => this.look()), vm.notices((notice) => this.#notice(notice))];
	}

	/** The watcher knows that it is there. */
	get isTold(): boolean {
		return this.#isTold;
	}

	end(): void {
		for (const unwatch of this.#unwatch) unwatch();
	}

	/** Something has happened to it, or to the policy, maybe nothing that shows. */
	look(): void {
		if (!this.#mayTell) return;
		if (!this.#isTold) {
			this.#tell({ type: "vm-added", vm: this.#vm.config.name });
			this.#begin();
			return;
		}
		const { state, facts } = this.#now();
		const flags = facts.flags.join();
		if (state === this.#state && flags === this.#flags) return;
		const from = this.#state;
		this.#state = state;
		this.#flags = flags;
		this.#tell({ type: "state", vm: this.#vm.config.name, from, to: state, ...facts });
	}

	get #mayTell(): boolean {
		return this.#source.mayTell(this.#vm.config.name);
	}

	#begin(): void {
		const { state, facts } = this.#now();
		this.#isTold = true;
		this.#state = state;
		this.#flags = facts.flags.join();
		this.#tell({ type: "is", vm: this.#vm.config.name, state, ...facts });
		this.#tellAnnounced();
	}

	#now(): { state: VmState; facts: VmFacts } {
		const { state, context } = this.#vm.snapshot();
		const { reason } = context;
		const { registry } = this.#source;
		const flags = toFlags(state, context, {
			isConfigured: registry.isConfigured(this.#vm),
			isPreloaded: registry.isPreloaded(this.#vm),
		});
		return {
			state: state as VmState,
			facts: { flags, reason: cut(reason?.sentence), remedy: cut(reason?.remedy) },
		};
	}

	/** A stop that others have been told of before. */
	#tellAnnounced(): void {
		const { context } = this.#vm.snapshot();
		const stop = nextStop(context);
		if (stop === null || stop.at !== context.announcedStopAt) return;
		this.#say({ type: "stop.announced", at: stop.at, sentence: stopSentences[stop.cause](context) });
	}

	/** To who has not heard of it before what it is at says as much. */
	#notice(notice: VmNotice): void {
		if (!this.#isTold) this.look();
		else if (this.#mayTell) this.#say(notice);
	}

	#say(notice: VmNotice): void {
		const { name: vm } = this.#vm.config;
		switch (notice.type) {
			case "stop.announced": {
				const { now, wallNow } = this.#source;
				const stopsAt = new Date(wallNow() - now() + notice.at).toISOString();
				this.#tell({ type: "stop-announced", vm, stopsAt, sentence: cut(notice.sentence) ?? "" });
				return;
			}
			case "stop.averted":
				this.#tell({ type: "stop-averted", vm });
				return;
			case "boot.finished": {
				const phases = Object.entries(notice.phases).map(([phase, ms]) => [phase, toWhole(ms)] as const);
				this.#tell({ type: "boot", vm, ms: toWhole(notice.ms), phases: Object.fromEntries(phases) });
			}
		}
	}
}

const cut = (words: string | undefined): string | null => words?.slice(0, eventWordsMax) ?? null;
const toWhole = (ms: number): number => Math.max(0, Math.round(ms));
