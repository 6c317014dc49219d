/**
 * The highest number that any ticket of this boot had, also for an agent that was started anew: a broker that comes later
 * counts on from it. Written ahead in steps, since a write for each session would cost more than the numbers left out.
 */
import { readFileSync, writeFileSync } from "node:fs";

const step = 100;
/** A hello has room for no higher one. */
const most = 2 ** 31;

export class SessionNumbers {
	readonly #path: string;
	#written: number;
	#last: number;

	/** After a crash it begins behind all that the agent before can have used. */
	constructor(path: string) {
		this.#path = path;
		this.#written = read(path);
		this.#last = this.#written;
	}

	get last(): number {
		return this.#last;
	}

	used(number: number): void {
		if (number <= this.#last) return;
		this.#last = Math.min(number, most);
		if (this.#last <= this.#written) return;
		this.#written = Math.min(this.#last + step, most);
		/** Without room for it a later agent has to begin with the cgroups that it finds. */
		try {
			writeFileSync(this.#path, String(this.#written), { mode: 0o600 });
		} catch {}
	}
}

function read(path: string): number {
	try {
		const text = readFileSync(path, "utf8");
		return /^[0-9]{1,10}$/.test(text) ? Math.min(Number(text), most) : 0;
	} catch {
		return 0;
	}
}
