/** Tickets for sessions of one vm, announced to the agent of the instance that runs; or why it ended before. */
import type { VmConfig } from "../config/schema.ts";
import type { QubesLiteError } from "../errors.ts";
import { GuestGoingDown } from "../guest/guest-link.ts";
import type { Expect } from "../protocol/control.ts";
import type { Reason, VmEvent } from "../statemachines/vm-events.ts";
import { isGuestsOwnEnd } from "../statemachines/vm-reasons.ts";
import { type Clock, waitFor } from "./clock.ts";
import type { Instance } from "./instance.ts";
import { TicketGate, type TicketHolder } from "./ticket-gate.ts";
import { endedError, justStopped } from "./vm-errors.ts";

export interface GrantingVm extends TicketHolder {
	vm(): VmConfig;
	/** The instance that runs, or is about to. */
	current(): Instance | undefined;
	/** Why the vm is as it is. */
	lastReason(): Reason | null;
	/** To its machine. */
	tell(event: VmEvent): void;
	readonly clock: Clock;
}

export class VmGrants {
	readonly #granting: GrantingVm;
	readonly #tickets: TicketGate;

	constructor(granting: GrantingVm) {
		this.#granting = granting;
		this.#tickets = new TicketGate(granting);
	}

	/** Resolves with the session's number once the agent holds the ticket; rejects with GuestGoingDown, AgentAway, or with why there is none. */
	async grant(request: number, label: string, ticket: Omit<Expect, "session">): Promise<number> {
		const instance = this.#granting.current();
		return this.#tickets.pass(request, async () => {
			if (instance === undefined || this.#hasEnded(instance)) throw this.gone(instance);
			const session = instance.sessions.newNumber();
			await instance.expect({ session, ...ticket }).catch(async (cause: unknown) => {
				if (cause instanceof GuestGoingDown || !(await this.#endsSoon(instance))) throw cause;
				throw this.gone(instance);
			});
			if (this.#hasEnded(instance)) throw this.gone(instance);
			this.#granting.tell({ type: "ticket.granted", request, session, label });
			return session;
		});
	}

	/** What ended under a request that had been answered; undefined: before anybody saw it. */
	gone(instance: Instance | undefined): QubesLiteError {
		const vm = this.#granting.vm();
		const reason = instance === undefined ? this.#granting.lastReason() : instance.endReason;
		if (isGuestsOwnEnd(reason)) return new GuestGoingDown(vm.name);
		return instance === undefined ? justStopped(vm) : endedError(vm, reason, "starting");
	}

	#hasEnded(instance: Instance): boolean {
		return instance !== this.#granting.current();
	}

	/** An agent that goes away may be the first sign of a vm that has ended: that is what there is to say then. */
	async #endsSoon(instance: Instance): Promise<boolean> {
		for (let look = 0; look < 20 && !this.#hasEnded(instance); look++) await waitFor(this.#granting.clock, 50);
		return this.#hasEnded(instance);
	}
}
