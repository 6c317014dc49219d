/** What happens to a vm, as lines of the log: each change of its state, and its agent's hellos. */
import type { Logger } from "pino";
import type { AgentHello } from "../protocol/control.ts";
import type { VmContext } from "../statemachines/vm-context.ts";

/** An agent may dial as often as it likes: that it is back is told this often. */
const helloEveryMs = 60_000;

export class VmLog {
	readonly #vm: string;
	readonly #log: Logger;
	readonly #now: () => number;
	#state = "";
	#hello = { boot: -1, at: 0 };

	constructor(vm: string, log: Logger, now: () => number) {
		this.#vm = vm;
		this.#log = log;
		this.#now = now;
	}

	/** `value` as the machine has it. True where it is another one than before. */
	state(value: unknown, context: VmContext): boolean {
		const state = typeof value === "string" ? value : Object.entries(value as object)[0]?.join(".");
		if (state === undefined || state === this.#state) return false;
		this.#state = state;
		this.#log.info({ event: "vm.state", vm: this.#vm, state, reason: context.reason?.sentence });
		return true;
	}

	display(message: string): void {
		this.#log.info({ event: "vm.display", vm: this.#vm, why: message });
	}

	hello(boot: number, { phases }: AgentHello): void {
		if (boot === this.#hello.boot && this.#now() - this.#hello.at < helloEveryMs) return;
		this.#hello = { boot, at: this.#now() };
		this.#log.info({ event: "guest.hello", vm: this.#vm, phases });
	}
}
