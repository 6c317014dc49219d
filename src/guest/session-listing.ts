/** The question for a guest's sessions: everybody who asks while one is under way shares its answer. */
import type { SessionFacts } from "../protocol/control.ts";

/** Also for an agent that is about to dial again, which it does every 200 ms. */
const answerWithinMs = 2_000;

export class SessionListing {
	readonly #waiting = new Set<(sessions: SessionFacts[]) => void>();
	/** Sends the question; undefined while no agent is connected. */
	#send: (() => void) | undefined;
	#isOwed = false;

	/** Resolves with the agent's next answer, or with null where none comes in time. */
	async ask(): Promise<SessionFacts[] | null> {
		let timer: NodeJS.Timeout | undefined;
		let waiting: ((sessions: SessionFacts[] | null) => void) | undefined;
		const answer = new Promise<SessionFacts[] | null>((resolve) => {
			waiting = resolve;
			timer = setTimeout(resolve, answerWithinMs, null);
			this.#waiting.add(resolve);
		});
		this.#ask();
		try {
			return await answer;
		} finally {
			clearTimeout(timer);
			if (waiting !== undefined) this.#waiting.delete(waiting);
		}
	}

	/** An agent is there; who waits already is asked for now. */
	connected(send: () => void): void {
		this.#send = send;
		this.#isOwed = false;
		if (this.#waiting.size > 0) this.#ask();
	}

	disconnected(): void {
		this.#send = undefined;
	}

	/** False where nobody had asked. An answer that comes too late for everybody was asked for all the same. */
	answered(sessions: SessionFacts[]): boolean {
		if (!this.#isOwed) return false;
		this.#isOwed = false;
		for (const resolve of this.#waiting) resolve(sessions);
		return true;
	}

	#ask(): void {
		if (this.#send === undefined || this.#isOwed) return;
		this.#isOwed = true;
		this.#send();
	}
}
