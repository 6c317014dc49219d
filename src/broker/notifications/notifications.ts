/** The broker's notifications: what happens to each vm, told to whoever sits before the desktop, if they want to know. */
import { type Clock, waitFor } from "../clock.ts";
import type { Registry } from "../registry.ts";
import type { Vm } from "../vm.ts";
import { BootNote } from "./boot-note.ts";
import { Desk, type DeskOptions } from "./desk.ts";
import { DisplayNote } from "./display-note.ts";
import { FailureNote } from "./failure-note.ts";
import { LeftoverNote } from "./leftover-note.ts";
import type { NotedVm, NotedVmOptions, Noter } from "./noted-vm.ts";
import type { Answer, Question } from "./question.ts";
import { StopNote } from "./stop-note.ts";

/** A server answers in milliseconds. Whoever comes while a broker leaves waits for the next one. */
const closesWithinMs = 250;

export interface NotificationsOptions extends DeskOptions {
	readonly registry: Pick<Registry, "all" | "watch" | "isPreloaded">;
	/** Whoever sits there is the host: what the policy does not let it do by a command, no button does. */
	readonly mayDo: (vm: string, service: "events" | "start" | "stop") => boolean;
	/** A number of a request's that nobody else has. */
	readonly newRequest: () => number;
	/** Resolves with whether somebody sees it. Never rejects. */
	showLog(vm: NotedVm, headline: string): Promise<boolean>;
}

export class Notifications {
	readonly #options: NotificationsOptions;
	readonly #desk: Desk;
	readonly #noted = new Map<Vm, () => Promise<void>>();
	readonly #unwatch: () => void;

	constructor(options: NotificationsOptions) {
		const { registry, isWanted } = options;
		this.#options = options;
		this.#desk = new Desk(options);
		for (const vm of registry.all()) this.#begin(vm);
		this.#unwatch = registry.watch({
			added: (vm) => this.#begin(vm),
			gone: (vm) => void this.#forget(vm),
			configured: () => {
				if (!isWanted()) void this.#desk.closeAll();
			},
		});
	}

	/** See Desk.ask. */
	ask(question: Question): Promise<Answer> {
		return this.#desk.ask(question);
	}

	/** Nothing more is told, and what will be true no longer is taken away. Resolves when the server knows, or is too slow. Never rejects. */
	async close(): Promise<void> {
		this.#unwatch();
		const ended = [...this.#noted.keys()].map((vm) => this.#forget(vm));
		const told = Promise.all([...ended, this.#desk.withdrawQuestions()]);
		await Promise.race([told, waitFor(this.#options.clock, closesWithinMs)]);
	}

	#begin(vm: Vm): void {
		const { clock, now, registry, mayDo } = this.#options;
		void this.#forget(vm);
		this.#noted.set(
			vm,
			followVm(
				{
					...{ vm, desk: this.#desk, isHidden: () => registry.isPreloaded(vm) || !mayDo(vm.config.name, "events") },
					mayDo: (service) => mayDo(vm.config.name, service),
					newRequest: this.#options.newRequest,
					showLog: (of, headline) => void this.#showLog(of, headline),
				},
				clock,
				now,
			),
		);
	}

	async #forget(vm: Vm): Promise<void> {
		const end = this.#noted.get(vm);
		this.#noted.delete(vm);
		await end?.();
	}

	/** Where nothing opens it, its reader is told how to get at it. */
	async #showLog(vm: NotedVm, headline: string): Promise<void> {
		if (await this.#options.showLog(vm, headline)) return;
		const { name } = vm.config;
		const body = [`Nothing opens it here. In a terminal: qubes-lite logs ${name}`];
		this.#desk.show(name, "log", { summary: `The log of ${name}`, body, urgency: "normal" });
	}
}

/** Until the returned function is called. */
function followVm(options: NotedVmOptions, clock: Clock, now: () => number): () => Promise<void> {
	const { vm } = options;
	const stop = new StopNote(options, now);
	const noters: Noter[] = [
		new BootNote(options, clock, now),
		new FailureNote(options),
		new DisplayNote(options),
		stop,
		new LeftoverNote(options, clock, now),
	];
	const look = (): void => {
		for (const noter of noters) noter.look();
	};
	const unwatch = [vm.watch(look), vm.notices((notice) => stop.notice(notice))];
	look();
	return async () => {
		for (const end of unwatch) end();
		await Promise.all(noters.map((noter) => noter.end()));
	};
}
