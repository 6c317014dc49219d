/** All notifications of a broker: whether they are wanted, how many there may be, and which of them are open. */
import type { Clock } from "../clock.ts";
import type { Note, NoteHandlers, NotificationPort } from "./note.ts";
import { OpenNote } from "./open-note.ts";
import { type Answer, OpenQuestion, type Question } from "./question.ts";
import { perMinute, RateLimit } from "./rate-limit.ts";

export interface DeskOptions {
	readonly port: NotificationPort;
	readonly clock: Clock;
	/** As fast as `clock`. */
	readonly now: () => number;
	/** As the configuration has it now. */
	readonly isWanted: () => boolean;
}

export type NoteKind = "boot" | "failure" | "stop" | "leftover" | "log" | "display" | "clip";

/** Names that a summary of failures says. */
const namedMax = 3;

export class Desk {
	readonly #options: DeskOptions;
	readonly #limit = new RateLimit();
	readonly #open = new Set<OpenNote>();
	/** Questions, by what their reader sees of them. */
	readonly #asked = new Map<string, OpenQuestion>();
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

	/** A question to whoever sits there. Who asks what is on the screen already hears the same answer. Never rejects. */
	async ask(question: Question): Promise<Answer> {
		const { now, clock, isWanted } = this.#options;
		const { summary, body, choices, cancel } = question;
		if (!isWanted()) return { kind: "unwanted" };
		if (cancel?.aborted === true) return { kind: "unanswered" };
		const seen = JSON.stringify([summary, body, choices]);
		const asked = this.#asked.get(seen);
		if (asked !== undefined) return await asked.hear(cancel);
		if (!this.#limit.admitAny(now(), perMinute - 1)) return { kind: "tooMany" };
		const open = new OpenQuestion(question, {
			clock,
			show: (note, handlers) => this.#add(note, handlers),
			ended: () => this.#asked.delete(seen),
		});
		this.#asked.set(seen, open);
		return await open.hear(cancel);
	}

	/** Nobody will hear an answer. Resolves when the server knows. Never rejects. */
	async withdrawQuestions(): Promise<void> {
		await Promise.all([...this.#asked.values()].map((question) => question.close()));
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
