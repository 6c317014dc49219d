/** A question to whoever sits there, with choices; on the screen it is once, however many have asked it. */
import { orAborted } from "../../session-client/on-abort.ts";
import type { Clock } from "../clock.ts";
import type { Note, NoteAction, NoteHandlers } from "./note.ts";
import type { OpenNote } from "./open-note.ts";

export interface Question {
	readonly summary: string;
	readonly body: readonly string[];
	readonly choices: readonly NoteAction[];
	/** Until no answer is an answer. */
	readonly withinMs: number;
	readonly cancel?: AbortSignal;
}

/**
 * What a question has come to. `unanswered`: nobody has chosen, or who asked has given up; `unshown`: nothing shows it, or nothing with choices; `unwanted`: the
 * configuration wants no notifications; `tooMany`: there have been as many as a person bears.
 */
export type Answer =
	| { readonly kind: "chosen"; readonly key: string }
	| { readonly kind: "unanswered" | "unshown" | "unwanted" | "tooMany" };

export interface OpenQuestionOptions {
	readonly clock: Clock;
	readonly show: (note: Note, handlers: NoteHandlers) => OpenNote;
	/** Called once, before anybody has the answer: who asks from then on asks anew. */
	readonly ended: () => void;
}

export class OpenQuestion {
	readonly #options: OpenQuestionOptions;
	readonly #answer = Promise.withResolvers<Answer>();
	readonly #note: OpenNote;
	readonly #timer: unknown;
	#hearers = 0;
	#isShown = false;
	#isOver = false;

	constructor({ summary, body, choices, withinMs }: Question, options: OpenQuestionOptions) {
		this.#options = options;
		const note: Note = { summary, body, urgency: "normal", actions: choices, expiresMs: withinMs };
		this.#note = options.show(note, {
			acted: (key) => {
				if (choices.some((choice) => choice.key === key)) this.#end({ kind: "chosen", key });
			},
			closed: () => this.#end({ kind: this.#isShown ? "unanswered" : "unshown" }),
		});
		this.#timer = options.clock.setTimeout(() => this.#end({ kind: "unanswered" }), withinMs);
		void this.#note.shown.then((shown) => {
			this.#isShown = shown?.hasActions === true;
			if (!this.#isShown) this.#end({ kind: "unshown" });
		});
	}

	/** For one who asks, until `cancel`. The last one that gives up takes it off the screen. Never rejects. */
	async hear(cancel?: AbortSignal): Promise<Answer> {
		const { promise } = this.#answer;
		this.#hearers += 1;
		try {
			return await (cancel === undefined ? promise : orAborted(cancel, promise));
		} catch {
			return { kind: "unanswered" };
		} finally {
			this.#hearers -= 1;
			if (this.#hearers === 0) this.#end({ kind: "unanswered" });
		}
	}

	/** Nobody will hear an answer. Resolves when the server knows. Never rejects. */
	async close(): Promise<void> {
		this.#end({ kind: "unanswered" });
		await this.#note.close();
	}

	#end(answer: Answer): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#options.clock.clearTimeout(this.#timer);
		this.#options.ended();
		this.#answer.resolve(answer);
		void this.#note.close();
	}
}
