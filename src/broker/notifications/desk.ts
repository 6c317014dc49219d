/** All notifications of a broker: whether they are wanted, how many there may be, and which of them are open. */
import type { Clock } from "../clock.ts";
import type { Note, NoteAction, NoteHandlers, NotificationPort } from "./note.ts";
import { OpenNote } from "./open-note.ts";
import { perMinute, RateLimit } from "./rate-limit.ts";

export interface DeskOptions {
	readonly port: NotificationPort;
	readonly clock: Clock;
	/** As fast as `clock`. */
	readonly now: () => number;
	/** As the configuration has it now. */
	readonly isWanted: () => boolean;
}

export type NoteKind = "boot" | "failure" | "stop" | "leftover" | "log";

export interface Question {
	/** Whom it is about, such as the vm: of each there is one question at a time. */
	readonly about: string;
	readonly summary: string;
	readonly body: readonly string[];
	readonly choices: readonly NoteAction[];
	/** Until no answer is an answer. */
	readonly withinMs: number;
	readonly cancel?: AbortSignal;
}

/** Names that a summary of failures says. */
const namedMax = 3;

export class Desk {
	readonly #options: DeskOptions;
	readonly #limit = new RateLimit();
	readonly #open = new Set<OpenNote>();
	/** Questions, by whom they are about. */
	readonly #asked = new Map<string, OpenNote>();
	/** Failures that were too many to be told one by one, since the last one that was not. */
	#unsaid: string[] = [];
	#summary: OpenNote | undefined;

	constructor(options: DeskOptions) {
		this.#options = options;
	}

	/** Undefined where it is not wanted, or one too many. One about a failure is summed up with others then. */
	show(vm: string, kind: NoteKind, note: Note, handlers: NoteHandlers = {}): OpenNote | undefined {
		if (!this.#options.isWanted()) return undefined;
		/** The last one of a minute is for the sum. */
		const admission = this.#limit.admit(vm, kind, this.#options.now(), perMinute - 1);
		if (admission === "full" && kind === "failure") this.#sumUp(vm);
		if (admission !== "admitted") return undefined;
		if (kind === "failure") this.#unsaid = [];
		return this.#add(note, handlers);
	}

	/**
	 * A question to whoever sits there: resolves with the key of the choice, or with null where nobody has chosen, nobody can, or it is
	 * not to be asked. Never rejects.
	 */
	async ask({ about, summary, body, choices, withinMs, cancel }: Question): Promise<string | null> {
		const { now, clock, isWanted } = this.#options;
		if (!isWanted() || cancel?.aborted === true || this.#asked.has(about)) return null;
		if (!this.#limit.admitAny(now(), perMinute - 1)) return null;
		const { promise, resolve } = Promise.withResolvers<string | null>();
		const known = (key: string): boolean => choices.some((choice) => choice.key === key);
		const question: Note = { summary, body, urgency: "normal", actions: choices, expiresMs: withinMs };
		const note = this.#add(question, {
			acted: (key) => {
				if (known(key)) resolve(key);
			},
			closed: () => resolve(null),
		});
		this.#asked.set(about, note);
		const timer = clock.setTimeout(() => resolve(null), withinMs);
		const cancelled = (): void => resolve(null);
		cancel?.addEventListener("abort", cancelled, { once: true });
		void note.shown.then((shown) => {
			if (shown?.hasActions !== true) resolve(null);
		});
		try {
			return await promise;
		} finally {
			clock.clearTimeout(timer);
			cancel?.removeEventListener("abort", cancelled);
			this.#asked.delete(about);
			void note.close();
		}
	}

	/** Nobody will hear an answer. Resolves when the server knows. Never rejects. */
	async withdrawQuestions(): Promise<void> {
		await Promise.all([...this.#asked.values()].map((note) => note.close()));
	}

	/** Resolves when the server knows. Never rejects. */
	async closeAll(): Promise<void> {
		await Promise.all([...this.#open].map((note) => note.close()));
	}

	#add(note: Note, handlers: NoteHandlers): OpenNote {
		const { port, clock, now } = this.#options;
		const open = new OpenNote(note, {
			...{ port, clock, now },
			handlers: {
				...handlers,
				closed: () => {
					this.#open.delete(open);
					handlers.closed?.();
				},
			},
		});
		this.#open.add(open);
		return open;
	}

	#sumUp(vm: string): void {
		if (!this.#unsaid.includes(vm)) this.#unsaid.push(vm);
		const note = toSummary(this.#unsaid);
		if (this.#summary?.isOver === false) this.#summary.update(note);
		else if (this.#limit.admitAny(this.#options.now())) this.#summary = this.#add(note, {});
	}
}

function toSummary(vms: readonly string[]): Note {
	const named = vms.slice(0, namedMax).join(", ");
	const more = vms.length > namedMax ? ` and ${vms.length - namedMax} more` : "";
	return {
		summary: vms.length === 1 ? "Another vm has failed" : `${vms.length} other vms have failed`,
		body: [`${named}${more}`, "qubes-lite ls"],
		urgency: "critical",
	};
}
