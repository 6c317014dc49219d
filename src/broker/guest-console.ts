/** The console of one instance, of which its guest has the say: how far it has come while it boots, and what it said last. */
import type { BootPhase } from "../protocol/boot-phases.ts";
import { lastLines } from "../terminal/safe-text.ts";
import { lastPhase } from "./boot-phases.ts";
import type { InstanceAdapters } from "./instance-adapters.ts";
import { findPanic } from "./kernel-panic.ts";

const tailLines = 20;

export class GuestConsole {
	readonly #adapters: Pick<InstanceAdapters, "readConsole" | "watchConsole">;
	readonly #progressed: (phase: BootPhase) => void;
	#unwatch: (() => void) | undefined;
	#phase: BootPhase = "vmm";

	constructor(
		adapters: Pick<InstanceAdapters, "readConsole" | "watchConsole">,
		progressed: (phase: BootPhase) => void,
	) {
		this.#adapters = adapters;
		this.#progressed = progressed;
	}

	/** While it boots: its phases, as the console says them. Without a watch there is no progress, and nothing worse. */
	watch(directory: string): void {
		this.#unwatch = this.#adapters.watchConsole(directory, () => void this.#look(directory).catch(() => {}));
	}

	unwatch(): void {
		this.#unwatch?.();
	}

	/** The last lines in `logs`, safe to show. */
	async tail(logs: string): Promise<string[]> {
		if (logs === "") return [];
		return lastLines(await this.#adapters.readConsole(logs), tailLines);
	}

	/** What the guest's kernel said of its panic, if it did: what makes a vmm end may be no more than a reboot to it. Never rejects. */
	async panic(logs: string): Promise<string | null> {
		const console = await this.#adapters.readConsole(logs).catch(() => Buffer.of());
		return findPanic(console.toString("latin1"));
	}

	async #look(directory: string): Promise<void> {
		const phase = lastPhase(await this.#adapters.readConsole(directory));
		if (phase === undefined || phase === this.#phase) return;
		this.#phase = phase;
		this.#progressed(phase);
	}
}
