/**
 * Clients that an earlier broker has granted a session: each comes and holds it, or is dead and never will. One that does
 * neither is left alone, however long it takes: its user may have stopped it by Ctrl-Z.
 */
import { isAlive, type ProcessIdentity } from "../activation/process-identity.ts";

const lookEveryMs = 1_000;

export class AwaitedClients {
	readonly #awaited: Map<number, ProcessIdentity>;
	readonly #died: (number: number) => void;
	readonly #timer: NodeJS.Timeout;

	/** By their tickets' numbers. Calls `died` once for each that is dead, at once for those that are now. */
	constructor(clients: ReadonlyMap<number, ProcessIdentity>, died: (number: number) => void) {
		this.#awaited = new Map(clients);
		this.#died = died;
		this.#timer = setInterval(() => this.#look(), lookEveryMs).unref();
		this.#look();
	}

	/** It holds its session. */
	came(number: number): void {
		this.#awaited.delete(number);
	}

	close(): void {
		clearInterval(this.#timer);
	}

	#look(): void {
		for (const [number, identity] of this.#awaited) {
			if (mayLive(identity)) continue;
			this.#awaited.delete(number);
			this.#died(number);
		}
		if (this.#awaited.size === 0) this.close();
	}
}

/** Who can't be asked about now is asked about again. */
function mayLive(identity: ProcessIdentity): boolean {
	try {
		return isAlive(identity);
	} catch {
		return true;
	}
}
