/** The configuration as it holds now: read at the start, and again when its file has changed or somebody asks for it. */
import { totalmem } from "node:os";
import { configPlaces, type Environment, type FoundConfig, findConfig } from "../config/find-config.ts";
import { checkPreload } from "../config/preload.ts";
import type { Config } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { lookAt } from "./place-look.ts";
import { watchPlaces } from "./place-watch.ts";

/** Nothing is configured as long as there has been no good configuration. */
const emptyConfig: Config = {
	vmNetwork: "172.16.200.0/24",
	supervisor: "auto",
	notifications: true,
	desktop: true,
	vms: [],
};

export interface LiveConfigEvents {
	/** A file is about to be read. */
	reading(): void;
	/** A good one holds from now on, or a bad one has changed nothing: then `problem` says what is wrong with it. */
	read(): void;
}

export class LiveConfig {
	readonly #env: Environment;
	#found: FoundConfig | undefined;
	#problem: QubesLiteError | null = null;
	/** What the places looked like when they were last read. */
	#seen = "";
	#reading: Promise<void> | undefined;

	private constructor(env: Environment) {
		this.#env = env;
	}

	/** Never rejects: what is wrong is `problem`. */
	static async open(env: Environment): Promise<LiveConfig> {
		const live = new LiveConfig(env);
		await live.#read();
		return live;
	}

	/** The last good one; an empty one where there was none yet. */
	get config(): Config {
		return this.#found?.config ?? emptyConfig;
	}

	/** Of the last good one; undefined: the embedded default. */
	get path(): string | undefined {
		return this.#found?.path;
	}

	/** What is wrong with the file as it was last read. */
	get problem(): QubesLiteError | null {
		return this.#problem;
	}

	/** Nothing good has been read yet, and this is why. */
	get refusal(): QubesLiteError | null {
		return this.#found === undefined ? this.#problem : null;
	}

	/** Reads again whenever a place has changed, until the process ends. */
	watch(events: LiveConfigEvents): void {
		watchPlaces(configPlaces(this.#env), () => void this.refresh(events));
	}

	/** Reads again if a place has changed since the last time, or `always`. Never rejects. */
	async refresh(events: LiveConfigEvents, always = false): Promise<void> {
		/** Whoever asks while it is being read may have seen what that reading has not: the look comes after it. */
		while (this.#reading !== undefined) await this.#reading;
		if (!always && this.#seen === look(this.#env)) return;
		events.reading();
		try {
			this.#reading = this.#read();
			await this.#reading;
		} finally {
			this.#reading = undefined;
			events.read();
		}
	}

	async #read(): Promise<void> {
		/** Looked at before it is read: a change in between is one to read again. */
		this.#seen = look(this.#env);
		try {
			const found = await findConfig(this.#env);
			checkPreload(found, totalmem() / 2 ** 20);
			this.#found = found;
			this.#problem = null;
		} catch (cause) {
			this.#problem = QubesLiteError.from(cause);
		}
	}
}

/** Changes whenever a file comes, goes, is replaced, or is written to. */
const look = (env: Environment): string => lookAt(configPlaces(env)).stamp;
