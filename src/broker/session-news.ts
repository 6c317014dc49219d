/**
 * Sessions that begin and end in one instance, as its guest's reports tell: each once, however often it is reported. Numbers that nobody
 * has granted are a guest's invention, and no news.
 */
import type { EndedSession } from "../protocol/control.ts";
import type { CommandEnd } from "../protocol/session.ts";

export type SessionNews =
	| { readonly type: "started"; readonly session: number }
	/** null: nobody knows how, since its vm ended under it, or its guest's agent is too old to say. */
	| { readonly type: "ended"; readonly session: number; readonly end: CommandEnd | null }
	/** What is shown of sessions, or of the vmm, has changed although the vm's machine has taken no step. */
	| { readonly type: "learnt" };

interface Report {
	readonly sessions: readonly number[];
	readonly tickets?: readonly number[];
	readonly ended?: readonly EndedSession[] | undefined;
}

/** Twice as many as the book has, so that what a guest says again of one of them is known to be said again. */
const endsRememberedMax = 4096;

/**
 * Its beginning was told by us, or by an earlier broker; it is of an earlier broker's, which may have been a connection to another one; or
 * nobody has granted it, and nobody is told of it.
 */
type Standing = "told" | "found" | "strange";

/** A guest says what it likes: only of what a broker has granted is anything told, so that it is no more than was asked for. */
export class SessionWatch {
	/** A command of this number has been granted by this broker, and not too long ago. */
	readonly #isGranted: (number: number) => boolean;
	readonly #tell: (news: SessionNews) => void;
	readonly #living = new Map<number, Standing>();
	readonly #ended = new Map<number, CommandEnd | null>();
	/** Granted by an earlier broker, and not begun when we came. */
	#earlierTickets: ReadonlySet<number> = new Set();
	/** The next report tells of what has ended while no broker was there, and was known to the one before us. */
	#isFirst = false;

	constructor(isGranted: (number: number) => boolean, tell: (news: SessionNews) => void) {
		this.#isGranted = isGranted;
		this.#tell = tell;
	}

	/** Those that are remembered, the oldest first. */
	ends(): ReadonlyMap<number, CommandEnd | null> {
		return this.#ended;
	}

	/** undefined: as far as we know it runs. */
	endOf(session: number): CommandEnd | null | undefined {
		return this.#ended.get(session);
	}

	/** The first report of a guest that an earlier broker has known: what runs in it has begun before. */
	found({ sessions, tickets = [] }: Report): void {
		for (const session of sessions) this.#living.set(session, "found");
		this.#earlierTickets = new Set(tickets);
		this.#isFirst = true;
	}

	/** A guest of ours has dialled again. How sessions have ended meanwhile, its next report says. */
	greeted({ sessions }: Report): void {
		for (const session of sessions) {
			if (!this.#living.has(session)) this.#begin(session);
		}
	}

	heard(report: Report): void {
		const { sessions, ended = [] } = report;
		this.greeted(report);
		for (const { session, end } of ended) this.#hearEnd(session, end);
		this.#isFirst = false;
		const reported = new Set(sessions);
		for (const [session, standing] of this.#living) {
			if (reported.has(session)) continue;
			this.#living.delete(session);
			if (standing === "told") this.#end(session, null);
		}
	}

	/** Its vm has ended. */
	over(): void {
		for (const [session, standing] of this.#living) if (standing !== "strange") this.#end(session, null);
		this.#living.clear();
	}

	#begin(session: number): void {
		const isKnown = this.#isGranted(session) || this.#earlierTickets.has(session);
		this.#living.set(session, isKnown ? "told" : "strange");
		if (isKnown && !this.#ended.has(session)) this.#tell({ type: "started", session });
	}

	#hearEnd(session: number, end: CommandEnd): void {
		const standing = this.#living.get(session);
		if (standing !== undefined) {
			if (standing !== "strange") this.#end(session, end);
		} else if (this.#isGranted(session)) {
			if (!this.#ended.has(session)) this.#tell({ type: "started", session });
			this.#end(session, end);
		} else if (this.#isFirst) this.#end(session, end);
	}

	#end(session: number, end: CommandEnd | null): void {
		if (this.#ended.has(session)) return;
		this.#ended.set(session, end);
		const [oldest] = this.#ended.keys();
		if (oldest !== undefined && this.#ended.size > endsRememberedMax) this.#ended.delete(oldest);
		this.#tell({ type: "ended", session, end });
	}
}
