/** Those who wait for one vm: each is answered once, with the vm or with why there is none. */
import { totalmem } from "node:os";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { isEmulated } from "../host/kvm.ts";
import type { Reason } from "../statemachines/vm-events.ts";
import type { GuestRefusals } from "./guest-refusals.ts";
import { launchFailure, refusedError } from "./vm-errors.ts";

/** Of the vm that they wait for: what an error is made of. */
export interface AskedVm {
	readonly vm: () => VmConfig;
	readonly refusals: GuestRefusals;
	consoleTail(): Promise<string[]>;
}

export class VmRequests {
	readonly #asked: AskedVm;
	readonly #answers = new Map<number, (refusal: Reason | null) => void>();

	constructor(asked: AskedVm) {
		this.#asked = asked;
	}

	/**
	 * Calls `send` once what it needs is there, and resolves when the machine has answered; rejects with its reason, or with why
	 * something is not there. Never settles once it is forgotten.
	 */
	async ask(request: number, needed: Promise<void> | null, send: () => void): Promise<void> {
		const answer = new Promise<Reason | null>((resolve) => this.#answers.set(request, resolve));
		await needed?.catch(async (cause: unknown) => {
			this.#answers.delete(request);
			throw await this.#toError(launchFailure(QubesLiteError.from(cause)));
		});
		if (this.#answers.has(request)) send();
		const refusal = await answer;
		if (refusal !== null) throw await this.#toError(refusal);
	}

	forget(request: number): void {
		this.#answers.delete(request);
	}

	answer(request: number, refusal: Reason | null): void {
		this.#answers.get(request)?.(refusal);
		this.#answers.delete(request);
	}

	async #toError(refusal: Reason): Promise<QubesLiteError> {
		const console = await this.#asked.consoleTail();
		return refusedError(this.#asked.vm(), refusal, {
			console,
			refusal: this.#asked.refusals.last,
			isEmulated,
			hostMemoryMiB: Math.floor(totalmem() / 2 ** 20),
		});
	}
}
