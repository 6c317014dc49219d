/** Connections from a guest that were refused: told in the log now and then, and to those whose boot came to nothing. */
import type { Logger } from "pino";
import type { ErrorCode } from "../errors.ts";

const loggedEveryMs = 60_000;
const loggedMax = 8;

export interface GuestRefusal {
	readonly code: ErrorCode;
	readonly why: string;
}

export class GuestRefusals {
	readonly #vm: string;
	readonly #log: Logger;
	readonly #logged = new Set<string>();
	#last: GuestRefusal | null = null;

	constructor(vm: string, log: Logger) {
		this.#vm = vm;
		this.#log = log;
	}

	/** Why an agent was last refused in this boot. One of another version is no passing fault: nothing that comes later covers it. */
	get last(): GuestRefusal | null {
		return this.#last;
	}

	/** Another boot begins. */
	forget(): void {
		this.#last = null;
	}

	/** Any process in the guest can dial us all day: each reason is told once a minute, and not too many of them. */
	note({ code, why }: GuestRefusal): void {
		if (this.#last?.code !== "Unsupported") this.#last = { code, why };
		if (this.#logged.has(why) || this.#logged.size >= loggedMax) return;
		this.#logged.add(why);
		this.#log.warn({ event: "guest.refused", vm: this.#vm, why });
		setTimeout(() => this.#logged.delete(why), loggedEveryMs).unref();
	}
}
