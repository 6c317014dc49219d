/** A boot that somebody waits for, once they have waited for a while: how far it has come, until the vm is there. */
import { phaseWords } from "../../protocol/boot-phases.ts";
import { formatDuration } from "../../statemachines/duration.ts";
import { leasesOf } from "../../statemachines/leases.ts";
import type { Clock } from "../clock.ts";
import type { Note } from "./note.ts";
import type { NotedVmOptions, Noter } from "./noted-vm.ts";
import type { OpenNote } from "./open-note.ts";

/** Who waits less does not look up. */
const lateAfterMs = 2_000;
/** Its seconds go on. */
const tickMs = 500;
/** Of a broker that is killed meanwhile: it goes by itself. */
const expiresMs = 10_000;

export class BootNote implements Noter {
	readonly #options: NotedVmOptions;
	readonly #clock: Clock;
	readonly #now: () => number;
	#note: OpenNote | undefined;
	#timer: unknown;
	/** It has been shown, or was not to be, in this boot. */
	#isDone = false;

	constructor(options: NotedVmOptions, clock: Clock, now: () => number) {
		this.#options = options;
		this.#clock = clock;
		this.#now = now;
	}

	look(): void {
		const askedAt = this.#askedAt();
		if (askedAt === null || this.#options.isHidden()) {
			void this.end();
			return;
		}
		this.#note?.update(this.#toNote(askedAt));
		if (!this.#isDone) this.#wakeIn(askedAt + lateAfterMs - this.#now());
	}

	async end(): Promise<void> {
		this.#clock.clearTimeout(this.#timer);
		this.#timer = undefined;
		const note = this.#note;
		this.#note = undefined;
		this.#isDone = false;
		await note?.close();
	}

	/** Since when somebody has waited for it to boot; null: it does not boot, or nobody does. */
	#askedAt(): number | null {
		const { state, context } = this.#options.vm.snapshot();
		const requests = state === "booting" ? leasesOf(context.leases, "request") : [];
		return requests.length === 0 ? null : Math.min(...requests.map(({ since }) => since));
	}

	#wakeIn(ms: number): void {
		this.#timer ??= this.#clock.setTimeout(
			() => {
				this.#timer = undefined;
				this.#wake();
			},
			Math.max(0, ms),
		);
	}

	#wake(): void {
		const askedAt = this.#askedAt();
		if (askedAt === null) return;
		if (!this.#isDone) {
			/** Who asked first may have left. */
			const leftMs = askedAt + lateAfterMs - this.#now();
			if (leftMs > 0) {
				this.#wakeIn(leftMs);
				return;
			}
			this.#isDone = true;
			this.#note = this.#options.desk.show(this.#options.vm.config.name, "boot", this.#toNote(askedAt));
		}
		if (this.#note === undefined || this.#note.isOver) return;
		this.#note.update(this.#toNote(askedAt));
		this.#wakeIn(tickMs);
	}

	#toNote(askedAt: number): Note {
		const { vm } = this.#options;
		const { context } = vm.snapshot();
		const { usualBootMs } = vm;
		const isRunning = context.phase !== "dependencies";
		const waited = formatDuration(Math.max(1, Math.floor((this.#now() - askedAt) / 1000)) * 1000);
		const usual = isRunning && usualBootMs !== null ? `; usually ${formatDuration(usualBootMs)}` : "";
		return {
			summary: `Starting ${vm.config.name}…`,
			body: [`${phaseWords[context.phase]}, ${waited}${usual}`],
			urgency: "low",
			expiresMs,
			...(usualBootMs !== null && {
				progress: isRunning ? toPercent(this.#now() - context.bootBeganAt, usualBootMs) : 0,
			}),
		};
	}
}

/** It is never there before it is. */
const toPercent = (elapsedMs: number, usualMs: number): number =>
	Math.max(0, Math.min(99, Math.floor((100 * elapsedMs) / Math.max(1, usualMs))));
