/**
 * What a watcher is told: first who tells and what each vm is at, then what happens to them. Snapshot and stream are taken together, so
 * that nothing is missed between.
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
	const begin = (vm: Vm): void => {
		told.set(vm, new ToldVm(vm, source, say));
	};
	const vms = registry.all().filter(isMeant);
	say({ type: "broker", pid, vms: vms.map(({ config }) => config.name) });
	for (const vm of vms) begin(vm);
	const unwatch = registry.watch({
		added(vm) {
			if (!isMeant(vm)) return;
			say({ type: "vm-added", vm: vm.config.name });
			begin(vm);
		},
		gone(vm) {
			if (!told.has(vm)) return;
			told.get(vm)?.end();
			told.delete(vm);
			say({ type: "vm-gone", vm: vm.config.name });
		},
		configured() {
			for (const vm of told.values()) vm.look();
		},
	});
	return () => {
		unwatch();
		for (const vm of told.values()) vm.end();
	};
}

/** One vm, as a watcher knows it. */
class ToldVm {
	readonly #vm: Vm;
	readonly #source: EventSource;
	readonly #tell: Tell;
	readonly #unwatch: readonly (() => void)[];
	#state: VmState;
	#flags: string;

	constructor(vm: Vm, source: EventSource, tell: Tell) {
		this.#vm = vm;
		this.#source = source;
		this.#tell = tell;
		const { state, facts } = this.#now();
		this.#state = state;
		this.#flags = facts.flags.join();
		tell({ type: "is", vm: vm.config.name, state, ...facts });
		this.#tellAnnounced();
		this.#unwatch = [vm.watch(() => this.look()), vm.notices((notice) => this.#notice(notice))];
	}

	end(): void {
		for (const unwatch of this.#unwatch) unwatch();
	}

	/** Something has happened to it, maybe nothing that shows. */
	look(): void {
		const { state, facts } = this.#now();
		const flags = facts.flags.join();
		if (state === this.#state && flags === this.#flags) return;
		const from = this.#state;
		this.#state = state;
		this.#flags = flags;
		this.#tell({ type: "state", vm: this.#vm.config.name, from, to: state, ...facts });
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
		this.#notice({ type: "stop.announced", at: stop.at, sentence: stopSentences[stop.cause](context) });
	}

	#notice(notice: VmNotice): void {
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
