/** A program on a test user's bus that stays connected until it is ended (test/fixtures/bus-caller.py). */
import { fileURLToPath } from "node:url";
import type { Running } from "../e2e/harness.ts";
import type { InstalledBroker } from "./installed-broker.ts";

const script = fileURLToPath(new URL("../fixtures/bus-caller.py", import.meta.url));

export type Answer = readonly ["ok", unknown] | readonly ["sent"] | readonly ["error", name: string, text: string];

export class BusCaller {
	readonly #installed: InstalledBroker;
	readonly #running: Running;
	#asked = 0;

	constructor(installed: InstalledBroker) {
		this.#installed = installed;
		this.#running = installed.manager.begin("/usr/bin/python3", script);
	}

	/** `args`: the tuple of its arguments, as GVariant text. */
	call(path: string, name: string, method: string, args: string): Promise<Answer> {
		return this.#ask(["call", path, name, method, args]);
	}

	/** Resolves when it has been sent. */
	send(path: string, name: string, method: string, args: string): Promise<Answer> {
		return this.#ask(["send", path, name, method, args]);
	}

	/** Match rules that the broker's connection has on the bus. */
	async matchRules(): Promise<number> {
		return Number((await this.#ask(["rules"]))[1]);
	}

	/** It leaves the bus as programs do that are killed. */
	async kill(): Promise<void> {
		this.#running.kill("SIGKILL");
		await this.#running.done;
	}

	async #ask(words: readonly unknown[]): Promise<Answer> {
		this.#running.stdin.write(`${JSON.stringify(words)}\n`);
		this.#asked += 1;
		const lines = (): string[] => this.#running.stdout().split("\n");
		await this.#installed.user.until(`an answer to ${words}`, () => lines().length > this.#asked, 120_000);
		return JSON.parse(lines()[this.#asked - 1] ?? "");
	}
}
