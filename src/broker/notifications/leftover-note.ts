/** A disposable that stays although what it was for has ended: its memory is taken, and nothing of it is on the screen. */
import { isUnused } from "../../statemachines/vm-context.ts";
import type { Clock } from "../clock.ts";
import { describeLeases } from "../status.ts";
import type { NotedVm, NotedVmOptions, Noter } from "./noted-vm.ts";
import type { OpenNote } from "./open-note.ts";

/** A browser may take as long to write down what it has, and a guest to end its processes. */
const staysAfterMs = 60_000;
/** So many reasons fit a bubble. */
const reasonsMax = 3;

export class LeftoverNote implements Noter {
	readonly #options: NotedVmOptions;
	readonly #clock: Clock;
	readonly #now: () => number;
	#note: OpenNote | undefined;
	#timer: unknown;

	constructor(options: NotedVmOptions, clock: Clock, now: () => number) {
		this.#options = options;
		this.#clock = clock;
		this.#now = now;
	}

	look(): void {
		if (!isLeftOver(this.#options.vm)) {
			void this.end();
			return;
		}
		/** Once it has been told it is told no more. */
		this.#timer ??= this.#clock.setTimeout(() => this.#tell(), staysAfterMs);
	}

	async end(): Promise<void> {
		this.#clock.clearTimeout(this.#timer);
		this.#timer = undefined;
		const note = this.#note;
		this.#note = undefined;
		await note?.close();
	}

	#tell(): void {
		const { vm, desk, isHidden, mayDo } = this.#options;
		if (isHidden() || !isLeftOver(vm)) return;
		const { name } = vm.config;
		this.#note = desk.show(
			name,
			"leftover",
			{
				summary: `${name} is still open`,
				body: whatKeeps(vm),
				urgency: "normal",
				actions: mayDo("stop") ? [{ key: "stop", label: "Stop it" }] : [],
			},
			{
				acted: (key) => {
					if (key === "stop" && mayDo("stop")) vm.stop(false, this.#now());
				},
			},
		);
	}
}

/** Something was run in it, nothing runs or is about to, and it is still there. */
function isLeftOver(vm: NotedVm): boolean {
	if (!vm.config.disposable) return false;
	const { state, context } = vm.snapshot();
	if ((state !== "ready" && state !== "idle") || !context.used || isUnused(context)) return false;
	return ![...context.leases.values()].some(
		({ kind }) => kind !== "cgroup" && kind !== "inhibitor" && kind !== "dependant",
	);
}

function whatKeeps(vm: NotedVm): string[] {
	const { context } = vm.snapshot();
	const reasons = describeLeases(vm);
	const shown = reasons.slice(0, reasonsMax).map((words) => `kept by ${words}`);
	if (reasons.length > reasonsMax)
		shown.push(`and ${reasons.length - reasonsMax} more: qubes-lite why ${vm.config.name}`);
	if (shown.length > 0) return shown;
	return [context.unresponsive ? "its guest does not answer" : "its guest is not connected"];
}
