/** One notification from its first showing to its end: brought up to date as often as its reader can bear, closed when it is over. */
import type { Clock } from "../clock.ts";
import type { Note, NoteHandlers, NotificationPort, ShownNote } from "./note.ts";

/** From one update to the next. */
const updateEveryMs = 500;

export interface OpenNoteOptions {
	readonly port: NotificationPort;
	readonly clock: Clock;
	readonly now: () => number;
	readonly handlers: NoteHandlers;
}

export class OpenNote {
	readonly #options: OpenNoteOptions;
	/** What it is to say; what it says. */
	#wanted: Note;
	#said: Note;
	#saidAt: number;
	#timer: unknown;
	#isReplacing = false;
	#isOver = false;
	readonly #shown: Promise<ShownNote | null>;

	/** Resolves with whether its actions are offered, once it is shown; null where nobody shows it. */
	readonly shown: Promise<{ readonly hasActions: boolean } | null>;

	constructor(note: Note, options: OpenNoteOptions) {
		const { port, handlers, now } = options;
		this.#options = options;
		this.#wanted = note;
		this.#said = note;
		this.#saidAt = now();
		this.#shown = port.show(note, {
			acted: (key) => {
				if (!this.#isOver) handlers.acted?.(key);
			},
			closed: () => this.#end(),
		});
		this.shown = this.#shown.then((shown) => {
			if (shown === null) this.#end();
			return shown;
		});
	}

	/** Nobody sees it any more, or is to see it. */
	get isOver(): boolean {
		return this.#isOver;
	}

	update(note: Note): void {
		this.#wanted = note;
		this.#look();
	}

	/** Resolves when its server knows. Never rejects. */
	async close(): Promise<void> {
		this.#end();
		await (await this.#shown)?.close();
	}

	/** It stays as it is, but offers nothing any more. Resolves when its server knows. Never rejects. */
	async finish(): Promise<void> {
		const { actions = [], ...rest } = this.#wanted;
		const shown = await this.#shown;
		const isOver = this.#isOver;
		this.#end();
		if (!isOver && actions.length > 0) await shown?.replace(rest);
	}

	#look(): void {
		if (this.#isOver || this.#isReplacing || this.#timer !== undefined) return;
		if (JSON.stringify(this.#wanted) === JSON.stringify(this.#said)) return;
		const { clock, now } = this.#options;
		this.#timer = clock.setTimeout(
			() => {
				this.#timer = undefined;
				void this.#replace();
			},
			Math.max(0, this.#saidAt + updateEveryMs - now()),
		);
	}

	async #replace(): Promise<void> {
		this.#isReplacing = true;
		const shown = await this.#shown;
		if (!this.#isOver && shown !== null) {
			this.#said = this.#wanted;
			this.#saidAt = this.#options.now();
			await shown.replace(this.#said);
		}
		this.#isReplacing = false;
		this.#look();
	}

	#end(): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#options.clock.clearTimeout(this.#timer);
		this.#options.handlers.closed?.();
	}
}
