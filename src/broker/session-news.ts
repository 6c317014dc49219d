/** Sessions that begin and end in one instance, as its guest's reports tell: each once, however often it is reported. */
import type { EndedSession } from "../protocol/control.ts";
import type { CommandEnd } from "../protocol/session.ts";

export type SessionNews =
	| { readonly type: "started"; readonly session: number }
	/** null: nobody knows how, since its vm ended under it, or its guest's agent is too old to say. */
	| { readonly type: "ended"; readonly session: number; readonly end: CommandEnd | null };

interface Report {
	readonly sessions: readonly number[];
	readonly ended?: readonly EndedSession[] | undefined;
}

/** What a broker knows of the numbers that a guest reports. */
export interface SessionBookView {
	/** A command runs there: we have granted it, or its guest has listed it. */
	isCommand(number: number): boolean;
	/** We have granted it, and it is another connection to a session. */
	isAttachment(number: number): boolean;
}

/** Ends that are told again are those of the last heartbeats. */
const endsRememberedMax = 1024;

export class SessionWatch {
	readonly #book: SessionBookView;
	readonly #tell: (news: SessionNews) => void;
	readonly #living = new Set<number>();
	readonly #ended = new Set<number>();

	constructor(book: SessionBookView, tell: (news: SessionNews) => void) {
		this.#book = book;
		this.#tell = tell;
	}

	/** The first report of a guest that an earlier broker has known: what runs in it has begun before. */
	found({ sessions }: Report): void {
		for (const session of sessions) this.#living.add(session);
	}

	heard({ sessions, ended = [] }: Report): void {
		for (const session of sessions) {
			if (this.#living.has(session) || this.#book.isAttachment(session)) continue;
			this.#living.add(session);
			if (!this.#ended.has(session)) this.#tell({ type: "started", session });
		}
		for (const { session, end } of ended) this.#end(session, end);
		const reported = new Set(sessions);
		for (const session of this.#living) {
			if (reported.has(session)) continue;
			if (this.#book.isCommand(session)) this.#end(session, null);
			this.#living.delete(session);
		}
	}

	/** Its vm has ended. */
	over(): void {
		for (const session of this.#living) if (this.#book.isCommand(session)) this.#end(session, null);
		this.#living.clear();
	}

	#end(session: number, end: CommandEnd | null): void {
		if (this.#ended.has(session)) return;
		this.#ended.add(session);
		const [oldest] = this.#ended;
		if (oldest !== undefined && this.#ended.size > endsRememberedMax) this.#ended.delete(oldest);
		if (!this.#living.has(session)) this.#tell({ type: "started", session });
		this.#tell({ type: "ended", session, end });
	}
}
