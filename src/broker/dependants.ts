/** Vms that need others: which of those they hold, and the wait for those to be ready. */
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { Vm } from "./vm.ts";
import { DependencyError } from "./vm-errors.ts";

export class Dependants {
	readonly #find: (name: string) => Vm | undefined;
	/** What each dependant holds, by its name. */
	readonly #held = new Map<string, ReadonlySet<string>>();
	/** Those who ask for themselves count up. */
	#requests = 0;

	constructor(find: (name: string) => Vm | undefined) {
		this.#find = find;
	}

	/** `dependant` is up, or about to be, or it is not: it holds the vms that it needs now, and no others. */
	look(dependant: VmConfig, isUp: boolean): void {
		const before = this.#held.get(dependant.name) ?? none;
		const needed: ReadonlySet<string> = isUp && dependant.dependsOn.length > 0 ? new Set(dependant.dependsOn) : none;
		if (before === none && needed === none) return;
		for (const name of needed) this.#find(name)?.dependant(dependant, true);
		for (const name of before) if (!needed.has(name)) this.#find(name)?.dependant(dependant, false);
		if (needed === none) this.#held.delete(dependant.name);
		else this.#held.set(dependant.name, needed);
	}

	/** Boots them where needed. Resolves when all are ready; rejects with why one can't be. */
	async awaitReady(names: readonly string[]): Promise<void> {
		await Promise.all(names.map((name) => this.#awaitOne(name)));
	}

	async #awaitOne(name: string): Promise<void> {
		const vm = this.#find(name);
		if (vm === undefined) throw new QubesLiteError("NoSuchVm", `it depends on ${name}, which is no longer configured`);
		this.#requests -= 1;
		try {
			await vm.request(this.#requests, {
				type: "start.requested",
				forOther: true,
				askedAt: Number.POSITIVE_INFINITY,
			});
		} catch (cause) {
			throw new DependencyError(name, cause);
		}
	}
}

const none: ReadonlySet<string> = new Set();
