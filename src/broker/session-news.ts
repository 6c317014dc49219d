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
	readonly ended?: readonly EndedSession[] | undefined;
}

/** Who waits for an end, or comes late to ask for it, does so soon. */
const endsRememberedMax = 1024;

export class SessionWatch {
	/** A command of this number has been granted by this broker. */
	readonly #isGranted: (number: number) => boolean;
	readonly #tell: (news: SessionNews) => void;
	readonly #living = new Set<number>();
	/** Those of an earlier broker: attachments among them look the same, and end without a word. */
	readonly #found = new Set<number>();
	readonly #ends = new Map<number, CommandEnd | null>();

	constructor(isGranted: (number: number) => boolean, tell: (news: SessionNews) => void) {
		this.#isGranted = isGranted;
		this.#tell = tell;
	}

	/** The first report of a guest that an earlier broker has known: what runs in it has begun before. */
	found({ sessions }: Report): void {
		for (const session of sessions) {
			this.#living.add(session);
			this.#found.add(session);
		}
	}

	/** A hello of an agent that has lost its connection: what it lists no longer has ended, and its next heartbeat says how. */
	greeted({ sessions }: Report): void {
		for (const session of sessions) this.#begin(session);
	}

	heard({ sessions, ended = [] }: Report): void {
		this.greeted({ sessions });
		for (const { session, end } of ended) this.#end(session, end);
		const reported = new Set(sessions);
		for (const session of this.#living) {
			if (reported.has(session)) continue;
			if (this.#isGranted(session)) this.#end(session, null);
			this.#living.delete(session);
			this.#found.delete(session);
		}
	}

	/** Its vm has ended. */
	over(): void {
		for (const session of this.#living) this.#end(session, null);
		this.#living.clear();
	}

	/** Undefined: it has not ended, or that is long ago. */
	endOf(session: number): CommandEnd | null | undefined {
		return this.#ends.get(session);
	}

	#begin(session: number): void {
		if (this.#living.has(session) || !this.#isGranted(session)) return;
		this.#living.add(session);
		if (!this.#ends.has(session)) this.#tell({ type: "started", session });
	}

	#end(session: number, end: CommandEnd | null): void {
		if (this.#ends.has(session)) return;
		if (!this.#isGranted(session) && !this.#found.has(session)) return;
		if (!this.#living.has(session)) this.#tell({ type: "started", session });
		this.#ends.set(session, end);
		const [oldest] = this.#ends.keys();
		if (oldest !== undefined && this.#ends.size > endsRememberedMax) this.#ends.delete(oldest);
		this.#tell({ type: "ended", session, end });
	}
}
