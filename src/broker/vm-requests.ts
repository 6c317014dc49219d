/** Those who wait for one vm: each is answered once, with the vm or with why there is none. */
import { totalmem } from "node:os";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { isEmulated } from "../host/kvm.ts";
import type { Reason, VmEvent } from "../statemachines/vm-events.ts";
import { stoppedBefore } from "../statemachines/vm-requests.ts";
import type { GuestRefusals } from "./guest-refusals.ts";
import { launchFailure, notRunning, refusedError } from "./vm-errors.ts";

/** What somebody wants of a vm, in the machine's words. */
export type Wish = { readonly askedAt: number } & (
	| { readonly type: "run.requested" | "attach.requested"; readonly label: string }
	| { readonly type: "start.requested"; readonly forOther?: true }
);

/** Of the vm that they wait for: what an error is made of. */
export interface AskedVm {
	/** To its machine. */
	tell(event: VmEvent): void;
	isServing(): boolean;
	isForgotten(): boolean;
	/** Resolves when all of these vms are ready; rejects with why one can't be. */
	awaitReady(names: readonly string[]): Promise<void>;
	readonly vm: () => VmConfig;
	readonly refusals: GuestRefusals;
	consoleTail(): Promise<string[]>;
}

export class VmRequests {
	readonly #asked: AskedVm;
	/** Those that wait for another vm first, of which the machine has not heard yet: when they asked. */
	readonly #needing = new Map<number, number>();
	readonly #answers = new Map<number, (refusal: Reason | null) => void>();

	constructor(asked: AskedVm) {
		this.#asked = asked;
	}

	/** Resolves when the machine has answered; rejects with its reason, or with why a vm that this one needs is not there. */
	ask(request: number, wish: Wish): Promise<void> {
		const { tell } = this.#asked;
		const needed = this.#needed(wish);
		if (needed === null) return this.#ask(request, null, () => tell({ ...wish, request }));
		/** Who waits for another vm first holds this one. */
		tell({ type: "inhibit.requested", inhibitor: request, label: "a run that waits for what it needs" });
		this.#needing.set(request, wish.askedAt);
		const release = (): void => this.#release(request);
		const come = needed.catch((cause: unknown) => {
			release();
			throw cause;
		});
		return this.#ask(request, come, () => {
			tell({ ...wish, request });
			release();
		});
	}

	/** Whoever asked is gone, and hears nothing more. */
	withdraw(request: number): void {
		this.#answers.delete(request);
		this.#release(request);
		this.#asked.tell({ type: "request.withdrawn", request });
	}

	#release(request: number): void {
		this.#needing.delete(request);
		this.#asked.tell({ type: "inhibit.released", inhibitor: request });
	}

	/** The vm is told to stop, by somebody who asked at `askedAt`: as the machine does, who asked before that is refused. */
	stopped(askedAt: number): void {
		for (const [request, since] of [...this.#needing]) {
			if (since > askedAt) continue;
			this.answer(request, stoppedBefore(this.#asked.vm().name, "session"));
			this.#release(request);
		}
	}

	/** A vm that is up may have lost one that it needs; one that is not looks for them when it boots. */
	#needed({ type }: Wish): Promise<void> | null {
		const { dependsOn } = this.#asked.vm();
		const isNeeded = type === "run.requested" && dependsOn.length > 0 && this.#asked.isServing();
		return isNeeded ? this.#asked.awaitReady(dependsOn) : null;
	}

	/** Calls `send` once what it needs is there. Never settles once it is withdrawn. */
	async #ask(request: number, needed: Promise<void> | null, send: () => void): Promise<void> {
		const answer = new Promise<Reason | null>((resolve) => this.#answers.set(request, resolve));
		if (needed !== null) {
			const come = needed.catch(async (cause: unknown) => {
				this.#answers.delete(request);
				throw await this.#toError(launchFailure(QubesLiteError.from(cause)));
			});
			await Promise.race([come, answer]);
		}
		/** What has ended for good while somebody waited for another vm must not boot again: nobody would know of it. */
		if (this.#answers.has(request) && this.#asked.isForgotten()) {
			this.withdraw(request);
			throw notRunning(this.#asked.vm(), "for it has ended");
		}
		if (this.#answers.has(request)) send();
		const refusal = await answer;
		if (refusal !== null) throw await this.#toError(refusal);
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
