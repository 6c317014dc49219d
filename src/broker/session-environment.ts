/** Where the user's compositor is, as it is before a start: a broker may be there before the session is, and outlive it. */
import type { VmConfig } from "../config/schema.ts";

const display = "WAYLAND_DISPLAY";

export class SessionEnvironment {
	readonly #own: NodeJS.ProcessEnv;
	readonly #ask: () => Promise<ReadonlyMap<string, string>>;
	#display: string | undefined;
	#seen: string | undefined;

	/** `own`: what whoever started the broker has. `ask`: what the user manager has now, which compositors tell; empty without one. */
	constructor(own: NodeJS.ProcessEnv, ask: () => Promise<ReadonlyMap<string, string>>) {
		this.#own = own;
		this.#ask = ask;
		this.#display = own[display];
	}

	/** Where a client has its compositor: what whoever started this broker has, may be of another session. */
	saw(socket: string): void {
		this.#seen = socket;
		this.#display = socket;
	}

	/** As of the last refresh. */
	get current(): NodeJS.ProcessEnv {
		return { ...this.#own, [display]: this.#display };
	}

	/** Asks, where `vm` may have windows. Never rejects. */
	async refresh({ hypervisor, gpu }: VmConfig): Promise<void> {
		if (hypervisor !== "crosvm" || gpu === "none") return;
		const managers = await this.#ask().catch(() => new Map<string, string>());
		this.#display = managers.get(display) ?? this.#seen ?? this.#own[display];
	}
}
