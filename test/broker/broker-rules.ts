/** What a broker must keep to, whatever happens: looked at whenever a vm steps, after each thing that happens, and in the end. */
import { isInstance } from "../../src/broker/disposables.ts";
import type { Vm } from "../../src/broker/vm.ts";
import { poolIdOf } from "../../src/config/addresses.ts";
import { hasLease } from "../../src/statemachines/leases.ts";
import type { BrokerWorld } from "./broker-world.ts";
import { liveVmm } from "./fake-places.ts";

/** How the reason of a stop by idleness begins. */
const idleSentences = /^(idle for|paused for|its last command ended|nothing was run in it)/;

const isServing = (state: string): boolean => state === "ready" || state === "idle";

export class BrokerRules {
	readonly #world: BrokerWorld;
	readonly violations: string[] = [];
	/** Of all machines; and at which one's last boot began, or it last served. */
	#steps = 0;
	readonly #beganAt = new WeakMap<Vm, number>();
	readonly #servedAt = new WeakMap<Vm, number>();

	constructor(world: BrokerWorld) {
		this.#world = world;
	}

	broken(rule: string): void {
		this.violations.push(rule);
	}

	/** `vm` is new. */
	watch(vm: Vm): void {
		let last = "";
		let boot = -1;
		const { name } = vm.config;
		vm.watch(() => {
			const { state, context } = vm.snapshot();
			this.#steps += 1;
			if (context.boot !== boot) this.#beganAt.set(vm, this.#steps);
			if (isServing(state) || isServing(last)) this.#servedAt.set(vm, this.#steps);
			boot = context.boot;
			if (state === last) return;
			last = state;
			if (state !== "shutdown" || !idleSentences.test(context.reason?.sentence ?? "")) return;
			for (const use of this.#uses(vm))
				this.broken(`${name} is stopped (${context.reason?.sentence}), although ${use}`);
		});
	}

	/** All that forbids an idle stop now. */
	*#uses(vm: Vm): Generator<string> {
		const { name } = vm.config;
		const { clients, inhibitors, registry } = this.#world;
		const tag = vm.snapshot().instance?.bootTag ?? null;
		for (const { wish, isWaiting, ready } of clients) {
			if (!isWaiting) continue;
			if (ready === undefined && !wish.disposable && wish.vm === name) yield "a client waits for it";
			if (ready?.vm === name && ready.boot === tag) yield "a client waits for its ticket";
		}
		const guest = liveVmm(this.#world, name)?.guest;
		if (guest !== undefined) {
			if (guest.sessions.size > 0) yield "a session runs";
			if (guest.cgroups.size > 0) yield "a session has left processes";
			if (guest.tickets.size > 0) yield "a ticket is out";
			if (guest.isDeaf) yield "its guest is not heard";
		}
		if ([...inhibitors.values()].some((one) => one.vm === vm)) yield "somebody inhibits it";
		for (const other of registry.all()) {
			if (other.isUp && other.config.dependsOn.includes(name)) yield `${other.config.name} depends on it, and is up`;
		}
	}

	/** Before a launch: what the vm needs has been ready since its boot began. */
	launches(name: string): void {
		const vm = this.#world.registry.all().find(({ config }) => config.name === name);
		if (vm === undefined) {
			this.broken(`${name} is launched, and its broker has forgotten it`);
			return;
		}
		this.#launchesWithTap(vm);
		for (const needed of vm.snapshot().context.dependsOn) {
			const other = this.#world.registry.all().find(({ config }) => config.name === needed);
			const isReady = other !== undefined && isServing(other.snapshot().state);
			const servedAt = (other && this.#servedAt.get(other)) ?? -1;
			const wasReady = servedAt >= (this.#beganAt.get(vm) ?? 0);
			if (!isReady && !wasReady) this.broken(`${name} is launched although ${needed} is not ready`);
		}
	}

	/** After each thing that has happened. */
	check(): void {
		const { registry, vmms, clients } = this.#world;
		for (const vm of registry.all()) {
			const { name, id, dependsOn } = vm.config;
			const { state, context, instance } = vm.snapshot();
			const rule = (holds: boolean, sentence: string): void => {
				if (!holds) this.broken(`${name}, ${state}: ${sentence}`);
			};
			rule(vmms.filter((vmm) => vmm.vm === name && vmm.isAlive).length <= 1, "two vmms run");
			rule(context.vmmAlive === (instance !== undefined), "its machine and its instances disagree about its vmm");
			if (context.linked) rule(instance?.bootTag !== null, "it is linked without a hello");
			if (state === "stopped" || state === "failed") {
				const waiting = [...context.leases.values()].filter(({ kind }) => kind === "request");
				rule(waiting.length === 0, `${waiting.length} requests wait for nothing`);
			}
			for (const { kind, id: number } of context.leases.values()) {
				/** Those of vms that need it, and of those that are kept ready, are below 0. */
				if (kind === "request" && number > 0)
					rule(this.#isAwaited(number), "somebody's request holds it, who has left");
			}
			if (!vm.isUp) continue;
			for (const needed of dependsOn) {
				const other = registry.all().find(({ config }) => config.name === needed);
				if (other === undefined) continue;
				rule(hasLease(other.snapshot().context.leases, "dependant", id), `it does not hold ${needed}`);
			}
		}
		const given = clients.filter(({ ready, wish }) => ready !== undefined && wish.disposable);
		for (const { ready } of given) {
			if (given.filter((one) => one.ready?.vm === ready?.vm).length > 1) this.broken(`${ready?.vm} is given to two`);
		}
		this.#throwAny();
	}

	/** A TAP is one instance's until nothing of that is left, and there is none without while there is a pool. */
	#launchesWithTap({ config: { name, id, instanceOf, network } }: Vm): void {
		const { poolIds, vmms } = this.#world;
		if (instanceOf === undefined || !network || poolIds.length === 0) return;
		const tap = poolIdOf(id);
		if (tap === null || !poolIds.includes(tap)) this.broken(`${name} has no TAP of the pool`);
		const other = vmms.find(
			(vmm) => !vmm.isGone && vmm.vm !== name && isInstance(vmm.vm, vmm.plan.id) && poolIdOf(vmm.plan.id) === tap,
		);
		if (other !== undefined) this.broken(`${name} is launched with the TAP of ${other.vm}`);
	}

	#isAwaited(number: number): boolean {
		const { clients, commands } = this.#world;
		return commands.has(number) || clients.some((client) => client.number === number && !client.hasLeft);
	}

	/** Nobody wants anything any more, and there has been time. */
	checkSettled(): void {
		const { registry, vmms, clients, commands, config, poolIds } = this.#world;
		for (const { outcome, wish } of clients)
			if (outcome === "waits") this.broken(`a client of ${wish.vm} waits for ever`);
		for (const command of commands.values()) this.broken(`a ${command} has no end`);
		for (const vmm of vmms) {
			const { isAlive, isGone, cleanUps, boot, isForeign } = vmm;
			if (isAlive && cleanUps > 0) this.broken(`${vmm.vm} (${boot}) is cleaned up although it runs`);
			/** One that another start has come across is left to that. */
			const isLeft = isForeign && cleanUps === 0;
			if (!isAlive && !isLeft && !(isGone && cleanUps === 1))
				this.broken(`${vmm.vm} (${boot}) was cleaned up ${cleanUps} times`);
		}
		for (const vm of registry.all()) this.#checkAtRest(vm);
		const keptOf = (base: string): number =>
			registry.all().filter((vm) => registry.isPreloaded(vm) && vm.config.instanceOf?.name === base).length;
		const isRoom = poolIds.length === 0 || config.vms.reduce((sum, { preload }) => sum + preload, 0) <= poolIds.length;
		for (const { name, preload } of config.vms) {
			const kept = keptOf(name);
			if (isRoom && kept !== preload) this.broken(`${kept} instances of ${name} are kept ready, not ${preload}`);
		}
		const kept = config.vms.reduce((sum, { name }) => sum + keptOf(name), 0);
		if (!isRoom && kept !== poolIds.length) this.broken(`${kept} instances are kept ready by ${poolIds.length} TAPs`);
		this.#throwAny();
	}

	#checkAtRest(vm: Vm): void {
		const { registry } = this.#world;
		const { name, instanceOf, idleTimeoutMs, disposable, idleAction, pauseTimeoutMs } = vm.config;
		const { state, context } = vm.snapshot();
		const vmm = liveVmm(this.#world, name);
		const rule = (holds: boolean, sentence: string): void => {
			if (!holds) this.broken(`in the end ${name} is ${state}: ${sentence}`);
		};
		rule((vmm !== undefined) === vm.isUp, vmm === undefined ? "it has no vmm" : "its vmm runs");
		if (registry.isPreloaded(vm)) {
			rule(vmm?.guest.isPaused === true, "it is kept ready, but not paused");
			return;
		}
		rule(instanceOf === undefined, "it is an instance that nobody has");
		rule(context.leases.size === 0, `${[...context.leases.keys()]} hold it`);
		const mayStay = (idleTimeoutMs === 0 && !disposable) || (idleAction === "pause" && pauseTimeoutMs === 0);
		rule(mayStay || !vm.isUp, "it is idle for ever");
	}

	#throwAny(): void {
		if (this.violations.length > 0) throw new Error(this.violations.join("\n"));
	}
}
