/**
 * What a broker leaves in a vm's directory for one that comes later in the same boot. It goes with the directory; what can't be
 * written is not known then, and nothing worse.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Overrides } from "./effective-config.ts";

const names = ["hello.nonce", "began", "paused", "inhibited", "overrides.json", "instance.json"] as const;
type Name = (typeof names)[number];

/** Each is small. */
const markMaxBytes = 4096;

/** As the configuration has them: a year at most. */
const milliseconds = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(31_536_000_000));
const overridesSchema = v.object({
	idleTimeoutMs: v.optional(milliseconds),
	idleAction: v.optional(v.picklist(["stop", "pause"])),
	pauseTimeoutMs: v.optional(milliseconds),
	maxLifetimeMs: v.optional(milliseconds),
	memoryMiB: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
});

const upToAnHour = v.pipe(milliseconds, v.maxValue(3_600_000));
const boundsSchema = v.object({
	maxLifetimeMs: milliseconds,
	shutdown: v.object({ askMs: upToAnHour, buttonMs: upToAnHour, terminateMs: upToAnHour, killMs: upToAnHour }),
});

/** What an instance has of what it is made from, and nobody else knows of it. */
export type InstanceBounds = v.InferOutput<typeof boundsSchema>;

export class BootMarks {
	#directory: string | undefined;
	/** What is to be written once there is a directory. */
	readonly #early = new Map<Name, string>();

	/** Of what runs in this directory. */
	static of(vmDirectory: string): BootMarks {
		const marks = new BootMarks();
		marks.settle(vmDirectory);
		return marks;
	}

	/** The vm's directory is there, and a boot of ours begins in it: what an earlier one may have left there is not its own. */
	begin(vmDirectory: string): void {
		this.#directory = vmDirectory;
		for (const name of names) if (!this.#early.has(name)) this.#remove(name);
		for (const [name, text] of this.#early) this.#write(name, text);
		this.#early.clear();
	}

	/** What runs has left them in its directory. */
	settle(vmDirectory: string): void {
		this.#directory = vmDirectory;
	}

	/** Of this boot's hello, so that an adopting broker knows the vm was ready; null: it has not said any. */
	get nonce(): string | null {
		const nonce = this.#read("hello.nonce");
		return nonce !== null && /^[0-9a-f]{32}$/.test(nonce) ? nonce : null;
	}

	set nonce(nonce: string) {
		this.#write("hello.nonce", nonce);
	}

	/** When it was launched, CLOCK_MONOTONIC, ms; null: not known. */
	get beganAt(): number | null {
		const text = this.#read("began");
		return text !== null && /^[0-9]{1,15}$/.test(text) ? Number(text) : null;
	}

	set beganAt(ms: number) {
		this.#write("began", String(ms));
	}

	/** Its vmm has been told to pause it, or is about to be. */
	get isPaused(): boolean {
		return this.#read("paused") !== null;
	}

	set isPaused(isPaused: boolean) {
		if (isPaused) this.#write("paused", "");
		else this.#remove("paused");
	}

	/** Somebody keeps it from stopping by idleness. */
	get isInhibited(): boolean {
		return this.#read("inhibited") !== null;
	}

	set isInhibited(isInhibited: boolean) {
		if (isInhibited) this.#write("inhibited", "");
		else this.#remove("inhibited");
	}

	/** What has been set for as long as it runs. */
	get overrides(): Overrides {
		try {
			const found = v.parse(overridesSchema, JSON.parse(this.#read("overrides.json") ?? "{}"));
			return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
		} catch {
			return {};
		}
	}

	set overrides(overrides: Overrides) {
		if (Object.keys(overrides).length === 0) this.#remove("overrides.json");
		else this.#write("overrides.json", JSON.stringify(overrides));
	}

	/** Of an instance; null: not known. */
	get bounds(): InstanceBounds | null {
		try {
			return v.parse(boundsSchema, JSON.parse(this.#read("instance.json") ?? "null"));
		} catch {
			return null;
		}
	}

	set bounds(bounds: InstanceBounds) {
		this.#write("instance.json", JSON.stringify(bounds));
	}

	#read(name: Name): string | null {
		if (this.#directory === undefined) return this.#early.get(name) ?? null;
		try {
			const path = join(this.#directory, name);
			const stat = statSync(path);
			return stat.isFile() && stat.size <= markMaxBytes ? readFileSync(path, "utf8") : null;
		} catch {
			return null;
		}
	}

	#write(name: Name, text: string): void {
		if (this.#directory === undefined) {
			this.#early.set(name, text);
			return;
		}
		try {
			writeFileSync(join(this.#directory, name), text, { mode: 0o600 });
		} catch {}
	}

	#remove(name: Name): void {
		this.#early.delete(name);
		if (this.#directory === undefined) return;
		try {
			rmSync(join(this.#directory, name), { force: true });
		} catch {}
	}
}
