/** One vm, as it is shown on the bus: what changes of it is announced. */
import type { BusService } from "../../dbus/bus-service.ts";
import { formatSessionId } from "../../protocol/session-id.ts";
import type { VmNotice } from "../../statemachines/vm-events.ts";
import type { Clock } from "../clock.ts";
import type { Instance } from "../instance.ts";
import { Pace } from "../pace.ts";
import type { SessionNews } from "../session-news.ts";
import type { Vm } from "../vm.ts";
import { toPath } from "./interfaces.ts";
import { toCodeAndSignal } from "./session-end.ts";
import { VmObject, type VmObjectHost } from "./vm-object.ts";
import { differences, type VmProperties } from "./vm-properties.ts";

export interface ToldVmHost extends VmObjectHost {
	readonly service: Pick<BusService, "emit" | "changed" | "isOwner">;
	readonly clock: Clock;
	isHidden(): boolean;
	/** Called when it is to be seen from now on, or no longer. `isTold`: whoever listens is to be told, or was told before. */
	shown(isShown: boolean, isTold: boolean): void;
}

/** A guest decides how often its sessions change: what is not a change of state is announced together. */
const togetherMs = 50;
/**
 * A guest's sessions make it ready and idle as well: some such changes are told at once, as commands follow each other, more only as
 * often as what is announced together.
 */
const flipsAtOnce = 8;
const sessionStates: readonly unknown[] = ["ready", "idle"];
/** While there is no bus; what a desktop starts and ends in such a moment is less. */
const untoldMax = 256;

export class ToldVm {
	readonly path: string;
	readonly name: string;
	readonly #vm: Vm;
	readonly #host: ToldVmHost;
	readonly #object: VmObject;
	readonly #unwatch: readonly (() => void)[];
	/** As it was told last; undefined: it is not shown. */
	#told: VmProperties | undefined;
	/** Whoever listens has been told that it is there. */
	#isTold = false;
	#hasBegun = false;
	#later: unknown;
	readonly #flips: Pace;
	/** Ends of sessions, and their beginnings, that nobody could be told of yet. */
	#untold: (readonly [news: SessionNews, instance: Instance])[] = [];

	constructor(vm: Vm, host: ToldVmHost) {
		this.#vm = vm;
		this.#host = host;
		this.name = vm.config.name;
		this.path = toPath(this.name);
		this.#object = new VmObject(vm, host);
		this.#flips = new Pace({ atOnce: flipsAtOnce, everyMs: togetherMs, now: host.requests.dependencies.now });
		this.#unwatch = [
			vm.watch(() => this.#stepped()),
			vm.notices((notice) => this.#notice(notice)),
			vm.watchSessions((news, instance) => this.#session(news, instance)),
		];
		/** Of those that an earlier broker has begun an adopted guest tells sooner than we have our name. */
		const { instance } = vm.snapshot();
		if (instance !== undefined) {
			this.#untold = [...instance.sessions.ends()].map(([session, end]) => [{ type: "ended", session, end }, instance]);
		}
		/** Whether it is kept ready, its maker says when it has been made. */
		queueMicrotask(() => {
			this.#hasBegun = true;
			this.look();
		});
	}

	get isShown(): boolean {
		return this.#told !== undefined;
	}

	get interfaces(): readonly VmObject[] {
		return [this.#object];
	}

	/** Something has happened to it, maybe nothing that shows. */
	look(): void {
		this.#host.clock.clearTimeout(this.#later);
		this.#later = undefined;
		if (!this.#hasBegun) return;
		if (this.#host.isHidden()) {
			if (this.isShown) this.#hide();
			return;
		}
		const [told, now] = [this.#told, this.#object.properties()];
		/** What may not be told now is news later. */
		const mayTell = this.#host.requests.mayTell(this.name);
		if (told === undefined) {
			this.#told = now;
			this.#isTold = mayTell;
			this.#host.shown(true, mayTell);
			return;
		}
		if (!mayTell) return;
		this.#told = now;
		if (!this.#isTold) {
			this.#isTold = true;
			this.#host.shown(true, true);
			return;
		}
		const changed = differences(told, now);
		if (Object.keys(changed).length === 0) return;
		this.#host.service.changed(this.path, this.#object, changed);
		if (changed.State !== undefined) {
			if (isFlip(told.State, now.State)) this.#flips.spend();
			this.#host.service.emit(this.path, this.#object, "StateChanged", [told.State, now.State, now.Reason]);
		}
	}

	/** The name is ours: who listens to it hears what has happened before. */
	catchUp(): void {
		const untold = this.#untold;
		this.#untold = [];
		for (const [news, instance] of untold) this.#session(news, instance);
	}

	/** It is no more. */
	end(): void {
		for (const unwatch of this.#unwatch) unwatch();
		this.#host.clock.clearTimeout(this.#later);
		this.#hasBegun = false;
		if (this.isShown) this.#hide();
	}

	#hide(): void {
		this.#told = undefined;
		this.#host.shown(false, this.#isTold);
	}

	#stepped(): void {
		const [told, { state }] = [this.#told?.State, this.#vm.snapshot()];
		if (state !== told && !(isFlip(told, state) && this.#flips.isSpent)) this.look();
		else this.#later ??= this.#host.clock.setTimeout(() => this.look(), togetherMs);
	}

	#notice(notice: VmNotice): void {
		if (notice.type === "stop.averted") this.#emit("StopAverted", []);
		if (notice.type !== "stop.announced") return;
		const { now, wallNow } = this.#host.requests.dependencies;
		const at = Math.round((wallNow() - now() + notice.at) * 1000);
		this.#emit("StopAnnounced", [BigInt(at), notice.sentence]);
	}

	#session(news: SessionNews, instance: Instance): void {
		if (news.type === "learnt") {
			this.#stepped();
			return;
		}
		if (!this.#host.service.isOwner) {
			if (this.#untold.length < untoldMax) this.#untold.push([news, instance]);
			return;
		}
		const { bootTag, book } = instance;
		const id = formatSessionId({ vm: this.name, session: news.session, boot: bootTag });
		if (news.type === "started") this.#emit("SessionStarted", [id, book.nameOf(news.session) ?? ""]);
		else this.#emit("SessionEnded", [id, ...toCodeAndSignal(news.end)]);
	}

	#emit(signal: string, body: readonly unknown[]): void {
		if (!this.isShown || !this.#host.requests.mayTell(this.name)) return;
		if (!this.#isTold) this.look();
		this.#host.service.emit(this.path, this.#object, signal, body);
	}
}

const isFlip = (from: unknown, to: unknown): boolean => sessionStates.includes(from) && sessionStates.includes(to);
