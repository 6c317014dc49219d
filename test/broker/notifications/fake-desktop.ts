/** A desktop without a bus: what is on its screen, and who clicks on it; and a vm that is at what the test says. */
import type { DisplayEvent } from "../../../src/broker/display-link.ts";
import type { Note, NoteHandlers, NotificationPort, ShownNote } from "../../../src/broker/notifications/note.ts";
import { Notifications } from "../../../src/broker/notifications/notifications.ts";
import type { RegistryWatcher } from "../../../src/broker/registry.ts";
import type { Vm } from "../../../src/broker/vm.ts";
import type { VmConfig } from "../../../src/config/schema.ts";
import { type Lease, noLeases, withLease } from "../../../src/statemachines/leases.ts";
import { initialContext, type VmContext } from "../../../src/statemachines/vm-context.ts";
import type { VmNotice } from "../../../src/statemachines/vm-events.ts";
import { defaultInput, TestClock } from "../../statemachines/vm-harness.ts";
import { createVm } from "../../vmm/facts.ts";

/** One on the screen. */
export class FakeBubble {
	/** All that it has said, the last one last. */
	readonly said: Note[];
	readonly saidAt: number[];
	isOpen = true;
	readonly #handlers: NoteHandlers;

	constructor(note: Note, at: number, handlers: NoteHandlers) {
		this.said = [note];
		this.saidAt = [at];
		this.#handlers = handlers;
	}

	get note(): Note {
		const note = this.said.at(-1);
		if (note === undefined) throw new Error("it says nothing");
		return note;
	}

	click(key: string): void {
		this.#handlers.acted?.(key);
	}

	/** Whoever sits there closes it, or its time is over. */
	dismiss(): void {
		this.isOpen = false;
		this.#handlers.closed?.();
	}
}

export class FakeDesktop implements NotificationPort {
	readonly bubbles: FakeBubble[] = [];
	/** Nobody shows anything. */
	isAbsent = false;
	/** It answers nothing. */
	isDeaf = false;
	hasActions = true;
	readonly #now: () => number;

	constructor(now: () => number) {
		this.#now = now;
	}

	get open(): FakeBubble[] {
		return this.bubbles.filter(({ isOpen }) => isOpen);
	}

	/** Of those on the screen. */
	get summaries(): string[] {
		return this.open.map(({ note }) => note.summary);
	}

	async show(note: Note, handlers: NoteHandlers): Promise<ShownNote | null> {
		if (this.isAbsent) return null;
		if (this.isDeaf) return new Promise(() => {});
		const bubble = new FakeBubble(note, this.#now(), handlers);
		this.bubbles.push(bubble);
		return {
			hasActions: this.hasActions,
			replace: async (next) => {
				if (!bubble.isOpen) return;
				bubble.said.push(next);
				bubble.saidAt.push(this.#now());
			},
			close: async () => {
				bubble.isOpen = false;
			},
		};
	}
}

export class FakeVm {
	readonly config: VmConfig;
	readonly asked: string[] = [];
	usualBootMs: number | null = null;
	state = "stopped";
	context: VmContext;
	readonly #steps = new Set<() => void>();
	readonly #notices = new Set<(notice: VmNotice) => void>();
	readonly #display = new Set<(event: DisplayEvent) => void>();

	constructor(name: string, now: () => number, config: Partial<VmConfig> = {}) {
		this.config = { ...createVm({ name }), ...config };
		this.context = initialContext({ ...defaultInput, name, disposable: this.config.disposable, now });
	}

	/** Its machine makes a step. */
	step(state: string, context: Partial<VmContext> = {}): void {
		this.state = state;
		this.context = { ...this.context, ...context };
		for (const step of this.#steps) step();
	}

	notice(notice: VmNotice): void {
		for (const hear of this.#notices) hear(notice);
	}

	snapshot() {
		return { state: this.state, context: this.context, instance: undefined };
	}

	watch(listener: () => void): () => void {
		this.#steps.add(listener);
		return () => this.#steps.delete(listener);
	}

	notices(listener: (notice: VmNotice) => void): () => void {
		this.#notices.add(listener);
		return () => this.#notices.delete(listener);
	}

	display(event: DisplayEvent): void {
		for (const hear of this.#display) hear(event);
	}

	watchDisplay(listener: (event: DisplayEvent) => void): () => void {
		this.#display.add(listener);
		return () => this.#display.delete(listener);
	}

	get watchers(): number {
		return this.#steps.size + this.#notices.size + this.#display.size;
	}

	async request(_: number, { type }: { readonly type: string }): Promise<void> {
		this.asked.push(type);
	}

	stop(force: boolean): void {
		this.asked.push(force ? "kill" : "stop");
	}

	async settled(): Promise<void> {}
}

export const leasesWith = (...leases: readonly Lease[]) => leases.reduce(withLease, noLeases);

export const waiting = (since: number, id = 1): Lease => ({
	kind: "request",
	id,
	label: "firefox",
	since,
	wants: "session",
});

export class FakeBroker {
	readonly clock = new TestClock();
	readonly desktop = new FakeDesktop(() => this.clock.now());
	readonly preloaded = new Set<unknown>();
	readonly logs: string[] = [];
	/** By the policy: "stop shopping". */
	readonly forbidden = new Set<string>();
	readonly vms: FakeVm[];
	isWanted = true;
	opensLogs = true;
	readonly notifications: Notifications;
	readonly #watchers = new Set<RegistryWatcher>();

	constructor(...vms: readonly ((now: () => number) => FakeVm)[]) {
		this.clock.set(1_000_000);
		const now = (): number => this.clock.now();
		this.vms = vms.map((make) => make(now));
		this.notifications = new Notifications({
			registry: {
				all: () => [...this.vms] as unknown as Vm[],
				isPreloaded: (vm) => this.preloaded.has(vm),
				watch: (watcher) => {
					this.#watchers.add(watcher);
					return () => this.#watchers.delete(watcher);
				},
			},
			...{ port: this.desktop, clock: this.clock, now, isWanted: () => this.isWanted, newRequest: () => 7 },
			mayDo: (vm, service) => !this.forbidden.has(`${service} ${vm}`),
			showLog: async (vm, headline) => {
				this.logs.push(`${vm.config.name}: ${headline}`);
				return this.opensLogs;
			},
		});
	}

	vm(index = 0): FakeVm {
		const vm = this.vms[index];
		if (vm === undefined) throw new Error("no such vm");
		return vm;
	}

	/** The configuration is another one. */
	configure(isWanted: boolean): void {
		this.isWanted = isWanted;
		for (const watcher of this.#watchers) watcher.configured?.();
	}

	tell(event: "added" | "gone", vm: FakeVm): void {
		for (const watcher of this.#watchers) watcher[event]?.(vm as unknown as Vm);
	}

	/** Each timer at its own instant, and what follows from it before the next. */
	async advance(ms: number): Promise<void> {
		const end = this.clock.now() + ms;
		await settle();
		while (this.clock.nextAt <= end) {
			this.clock.advanceToNext();
			await settle();
		}
		this.clock.set(end);
		await settle();
	}
}

/** What promises have to do is done. */
export async function settle(): Promise<void> {
	for (let turn = 0; turn < 20; turn++) await null;
}
