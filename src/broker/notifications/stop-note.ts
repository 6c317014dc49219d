/** A stop that comes by itself, before it comes. */
import { formatDuration } from "../../statemachines/duration.ts";
import { nextStop } from "../../statemachines/vm-context.ts";
import type { VmNotice } from "../../statemachines/vm-events.ts";
import { stopSentences } from "../../statemachines/vm-reasons.ts";
import type { NotedVmOptions, Noter } from "./noted-vm.ts";
import type { OpenNote } from "./open-note.ts";

const isServing = (state: string): boolean => state === "ready" || state === "idle";

export class StopNote implements Noter {
	readonly #options: NotedVmOptions;
	readonly #now: () => number;
	#note: OpenNote | undefined;

	constructor(options: NotedVmOptions, now: () => number) {
		this.#options = options;
		this.#now = now;
		this.#tellAnnounced();
	}

	look(): void {
		if (!isServing(this.#options.vm.snapshot().state)) void this.end();
	}

	notice(notice: VmNotice): void {
		if (notice.type === "stop.averted") void this.end();
		if (notice.type === "stop.announced") this.#tell(notice.at, notice.sentence);
	}

	async end(): Promise<void> {
		const note = this.#note;
		this.#note = undefined;
		await note?.close();
	}

	/** Before this broker's notifications were there. */
	#tellAnnounced(): void {
		const { context } = this.#options.vm.snapshot();
		const stop = nextStop(context);
		if (stop === null || stop.at !== context.announcedStopAt) return;
		this.#tell(stop.at, stopSentences[stop.cause](context));
	}

	#tell(at: number, sentence: string): void {
		const { vm, desk, isHidden, mayDo } = this.#options;
		void this.end();
		if (isHidden()) return;
		const leftMs = Math.max(0, at - this.#now());
		/** What is over is over, whoever uses it. */
		const mayStay = nextStop(vm.snapshot().context)?.cause !== "lifetime" && mayDo("start");
		this.#note = desk.show(
			vm.config.name,
			"stop",
			{
				summary: `${vm.config.name} stops in ${formatDuration(leftMs)}`,
				body: [sentence],
				urgency: "normal",
				expiresMs: leftMs,
				actions: mayStay ? [{ key: "keep", label: "Keep running" }] : [],
			},
			{
				acted: (key) => {
					if (key === "keep" && mayStay) this.#keep();
				},
			},
		);
	}

	/** Counts as use, as `start` does. One that is going down by now is not booted again for it. */
	#keep(): void {
		const { vm, newRequest, mayDo } = this.#options;
		if (!isServing(vm.snapshot().state) || !mayDo("start")) return;
		/** Whoever asks next hears why it is not there. */
		vm.request(newRequest(), { type: "start.requested", askedAt: this.#now() }).catch(() => {});
	}
}
