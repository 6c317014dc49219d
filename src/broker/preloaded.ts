/**
 * Instances of disposables that are kept ready: booted, and paused, until somebody asks for one. Made one at a time and only while
 * nobody waits for a boot; a member that is not as it would be started now, or that has ended, goes.
 */
import type { Logger } from "pino";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import type { Vm } from "./vm.ts";

export interface PreloadedHost {
	/** Those to keep instances of. */
	bases(): readonly VmConfig[];
	/** A fresh instance that nobody has asked for; throws where there can be none. */
	create(base: VmConfig): Vm;
	/** One that has not been started, and will not be. */
	forget(instance: Vm): void;
	/** Its members do not count. */
	isSomebodyWaiting(): boolean;
	/** There is a TAP for one more, or none is needed. */
	hasTap(base: VmConfig): boolean;
	/** What an instance would be started with now, in a form that can be compared; throws where it can't be. */
	wayToStart(base: VmConfig, member: Vm): string;
	/** What a vmm could take without anything else being pushed out. */
	readonly freeMemoryMiB: () => number;
	readonly now: () => number;
	readonly clock: Clock;
	readonly log: Logger;
}

interface Member {
	readonly vm: Vm;
	readonly base: string;
	readonly way: string;
	/** By which it is started. */
	readonly request: number;
	isReady: boolean;
	readonly madeAt: number;
}

/** What has just been claimed or started has the processors to itself so long. */
const lookAfterMs = 2_000;
/** And where nothing changes so often. */
const lookEveryMs = 60_000;
/** Between two tries that have come to nothing, and at most. */
const failureMs = { first: 10_000, longest: 600_000 };
/** Beside a member's own memory, as much stays free. */
const spareMemoryMiB = 512;

export class Preloaded {
	readonly #host: PreloadedHost;
	readonly #members = new Map<Vm, Member>();
	#timer: unknown;
	/** It rings after lookAfterMs at most. */
	#isLookNear = false;
	#isClosed = false;
	/** By base: how many tries in a row have come to nothing, and when the next one may be. */
	readonly #failures = new Map<string, { readonly count: number; readonly notBefore: number }>();
	#retry: unknown;
	/** Those who ask for themselves count up. */
	#requests = 0;

	constructor(host: PreloadedHost) {
		this.#host = host;
	}

	has(vm: Vm): boolean {
		return this.#members.has(vm);
	}

	/** Something has changed somewhere: soon it is looked whether a member is wanted. Costs nothing where none is. */
	changed(): void {
		if (this.#members.size > 0 && this.#host.isSomebodyWaiting()) this.#giveWay();
		if (this.#isLookNear || (this.#members.size === 0 && this.#host.bases().length === 0)) return;
		this.#lookIn(lookAfterMs);
	}

	/** A member for whoever asks, theirs from now on; the one that is furthest. Undefined: there is none. */
	claim(base: VmConfig): Vm | undefined {
		const member = this.#toClaim(base);
		if (member !== undefined) this.claimThis(member.vm);
		return member?.vm;
	}

	canClaim(base: VmConfig): boolean {
		return this.#toClaim(base) !== undefined;
	}

	/** The last of these that is a member goes: somebody asks for what it holds. False: none is. */
	giveUp(vms: readonly Vm[]): boolean {
		const vm = vms.findLast((one) => this.#members.has(one));
		if (vm !== undefined) this.#drop(vm, "its TAP is asked for");
		return vm !== undefined;
	}

	#toClaim(base: VmConfig): Member | undefined {
		const members = this.#membersOf(base).sort((a, b) => Number(b.isReady) - Number(a.isReady));
		return members.find(({ vm, way }) => isComing(vm) && this.#isAsNow(base, vm, way));
	}

	/** Somebody asks for it by its name: if it is a member, it is one no longer. */
	claimThis(vm: Vm): void {
		const member = this.#members.get(vm);
		if (member === undefined) return;
		this.#members.delete(vm);
		this.#failures.delete(member.base);
		vm.claim();
		/** It boots for whoever asks now: without them for nobody. */
		vm.withdraw(member.request);
		this.#host.log.info({ event: "instance.claimed", vm: vm.config.name, base: member.base });
		this.changed();
	}

	/** Another configuration is a new chance for what has failed. */
	configured(): void {
		this.#failures.clear();
		this.changed();
	}

	/** All of them go: nobody knows them any more. */
	close(): void {
		this.#isClosed = true;
		this.#host.clock.clearTimeout(this.#timer);
		this.#host.clock.clearTimeout(this.#retry);
		for (const vm of [...this.#members.keys()]) this.#drop(vm, "the broker leaves");
	}

	#lookIn(ms: number): void {
		if (this.#isClosed) return;
		this.#host.clock.clearTimeout(this.#timer);
		this.#isLookNear = ms === lookAfterMs;
		this.#timer = this.#host.clock.setTimeout(() => {
			this.#timer = undefined;
			this.#isLookNear = false;
			this.#look();
		}, ms);
	}

	#membersOf(base: VmConfig): Member[] {
		return [...this.#members.values()].filter((member) => member.base === base.name);
	}

	#isAsNow(base: VmConfig, vm: Vm, way: string): boolean {
		try {
			return this.#host.wayToStart(base, vm) === way;
		} catch {
			return false;
		}
	}

	/** One that is still booting takes time from those who wait for theirs. */
	#giveWay(): void {
		for (const { vm, isReady } of this.#members.values()) if (!isReady) this.#drop(vm, "somebody waits for a boot");
	}

	#look(): void {
		const bases = this.#host.bases();
		for (const { vm, base: name, way } of [...this.#members.values()]) {
			const base = bases.find((one) => one.name === name);
			if (base === undefined) this.#drop(vm, "none is wanted any more");
			else if (!this.#isAsNow(base, vm, way)) this.#drop(vm, "it would be started otherwise now");
		}
		for (const base of bases) {
			for (const { vm } of this.#membersOf(base).slice(base.preload)) this.#drop(vm, "fewer are wanted");
		}
		const wanted = bases.filter((base) => this.#membersOf(base).length < base.preload);
		if (wanted.length > 0) this.#tryToFill(wanted);
		/** An image that is built anew is no step of any vm. */
		if (this.#members.size > 0 && this.#timer === undefined) this.#lookIn(lookEveryMs);
	}

	/** One of these, the first that there is room and a TAP for and that is not to wait after its failures. */
	#tryToFill(bases: readonly VmConfig[]): void {
		const isBooting = [...this.#members.values()].some(({ isReady }) => !isReady);
		if (isBooting || this.#host.isSomebodyWaiting()) return;
		const free = this.#host.freeMemoryMiB() - spareMemoryMiB;
		const now = this.#host.now();
		const waitOf = ({ name }: VmConfig): number => (this.#failures.get(name)?.notBefore ?? now) - now;
		const base = bases.find((one) => waitOf(one) <= 0 && one.memoryMiB <= free && this.#host.hasTap(one));
		if (base === undefined) {
			const soonest = Math.min(...bases.map(waitOf));
			this.#host.clock.clearTimeout(this.#retry);
			this.#retry = this.#host.clock.setTimeout(() => this.changed(), Math.max(soonest, failureMs.first));
			return;
		}
		const before = this.#failures.get(base.name)?.count ?? 0;
		void this.#fill(base).then(
			() => this.changed(),
			(cause: unknown) => this.#failed(base, QubesLiteError.from(cause).message, before),
		);
	}

	/** The next try comes later, the more of them have come to nothing: `before` so many; -1: it comes at once. */
	#failed({ name }: VmConfig, why: string, before: number): void {
		const waitMs = before < 0 ? 0 : Math.min(failureMs.first * 2 ** before, failureMs.longest);
		const { count } = this.#failures.get(name) ?? { count: 0 };
		this.#failures.set(name, { count: count + 1, notBefore: this.#host.now() + waitMs });
		this.#host.log.warn({ event: "preload.failed", base: name, why });
		this.changed();
	}

	/** By itself. Where one after the other does, such as those of a vmm that can't pause, that is of no use to anybody. */
	#ended(base: VmConfig, { vm, madeAt }: Member): void {
		this.#members.delete(vm);
		if (this.#host.now() - madeAt > failureMs.longest) this.#failures.delete(base.name);
		this.#failed(base, "it has ended by itself", (this.#failures.get(base.name)?.count ?? 0) - 1);
	}

	/** Resolves when it is up, or is no member any more; rejects with why it is not. */
	async #fill(base: VmConfig): Promise<void> {
		const member = this.#make(base);
		const { vm } = member;
		this.#members.set(vm, member);
		const unwatch = vm.watch(() => {
			if (!this.#members.has(vm)) unwatch();
			else if (member.isReady && !vm.isUp) this.#ended(base, member);
		});
		try {
			await vm.request(member.request, { type: "start.requested", askedAt: this.#host.now() });
			member.isReady = true;
		} catch (cause) {
			if (!this.#members.delete(vm)) return;
			/** Nobody is going to look at it. */
			if (vm.isUp) vm.stop(true, this.#host.now());
			throw cause;
		}
	}

	/** Throws where it could not be started. */
	#make(base: VmConfig): Member {
		const vm = this.#host.create(base);
		vm.configuration.preload();
		this.#requests -= 1;
		try {
			const way = this.#host.wayToStart(base, vm);
			return { vm, base: base.name, way, request: this.#requests, isReady: false, madeAt: this.#host.now() };
		} catch (cause) {
			this.#host.forget(vm);
			throw cause;
		}
	}

	#drop(vm: Vm, why: string): void {
		this.#members.delete(vm);
		this.#host.log.info({ event: "instance.dropped", vm: vm.config.name, why });
		vm.stop(true, this.#host.now());
	}
}

/** Not one that is about to end. */
const isComing = (vm: Vm): boolean => ["booting", "ready", "idle"].includes(vm.snapshot().state);
