/** How sessions have ended, until a broker has heard of it. Of more than it may be told at a time the last ones stay. */
import type { EndedSession } from "../../protocol/control.ts";
import { endedToldMax } from "../../protocol/limits.ts";
import type { CommandEnd } from "../../protocol/session.ts";

export class UntoldEnds {
	/** By session, the oldest first. */
	readonly #ends = new Map<number, CommandEnd>();

	ended(session: number, end: CommandEnd): void {
		this.#ends.set(session, end);
		const [oldest] = this.#ends.keys();
		if (oldest !== undefined && this.#ends.size > endedToldMax) this.#ends.delete(oldest);
	}

	list(): EndedSession[] {
		return [...this.#ends].map(([session, end]) => ({ session, end }));
	}

	/** The broker has answered what told of these. */
	told(ended: readonly EndedSession[]): void {
		for (const { session } of ended) this.#ends.delete(session);
	}
}
