/** A vm that did not come up, or went down without being asked to. */
import { isEmulated } from "../../host/kvm.ts";
import type { Reason } from "../../statemachines/vm-events.ts";
import { failedBootRemedy } from "../vm-errors.ts";
import type { NotedVm, NotedVmOptions, Noter } from "./noted-vm.ts";
import type { OpenNote } from "./open-note.ts";

const isAtRest = (state: string): boolean => state === "stopped" || state === "failed";

export class FailureNote implements Noter {
	readonly #options: NotedVmOptions;
	#note: OpenNote | undefined;
	#state: string;
	/** It has been there since its last boot began. */
	#wasThere = false;

	constructor(options: NotedVmOptions) {
		this.#options = options;
		this.#state = options.vm.snapshot().state;
		this.#noteState(this.#state);
	}

	look(): void {
		const { vm, isHidden } = this.#options;
		const { state, context } = vm.snapshot();
		const from = this.#state;
		if (state === from) return;
		this.#state = state;
		this.#noteState(state);
		if (isAtRest(from) || !isAtRest(state)) return;
		/** Of a vm that it depends on there is one of its own. */
		if (context.reason === null || context.reason.fault !== undefined || isHidden()) return;
		if (context.reason.code !== "Stopped") this.#tell(from, context.reason);
	}

	/** What has failed has failed; but nobody will show its log. */
	async end(): Promise<void> {
		const note = this.#note;
		this.#note = undefined;
		await note?.finish();
	}

	#noteState(state: string): void {
		if (state === "ready" || state === "idle") this.#wasThere = true;
		if (state !== "booting") return;
		this.#wasThere = false;
		void this.#note?.close();
		this.#note = undefined;
	}

	#tell(from: string, reason: Reason): void {
		const { vm, desk, showLog } = this.#options;
		const { name } = vm.config;
		const summary = `${name} ${this.#toWords(from)}`;
		const remedy = reason.remedy ?? failedBootRemedy(vm.config, reason, isEmulated);
		this.#note = desk.show(
			name,
			"failure",
			{
				summary,
				body: remedy === undefined ? [reason.sentence] : [reason.sentence, remedy],
				urgency: "critical",
				actions: hasLog(vm) ? [{ key: "log", label: "Show log" }] : [],
			},
			{
				acted: (key) => {
					if (key === "log") showLog(vm, `${summary}: ${reason.sentence}`);
				},
			},
		);
	}

	#toWords(from: string): string {
		if (from === "shutdown" && this.#state === "failed") return "does not stop";
		return this.#wasThere ? "has ended unexpectedly" : "did not start";
	}
}

/** Nothing is kept of a disposable. */
const hasLog = ({ config }: NotedVm): boolean => !config.disposable;
