/** One vm under its systemd unit, seen from a broker: from the start that it asked for or found, to the removal of its traces. */
import { constants } from "node:os";
import { readEnd, removeEnded } from "./ended-starts.ts";
import { isAlive, signalProcess } from "./process-identity.ts";
import { readVmmIdentity } from "./shim-records.ts";
import { shimBounds } from "./shim-script.ts";
import type { RunningVmm, StartedPlan, VmmExit } from "./supervisor.ts";
import type { ServiceEnd, UserManager } from "./user-manager.ts";

/** After its vmm's end a unit takes its helper's bound, the logs' bound, and a second on a busy host. */
const followMs = 2 * shimBounds.endMs + 1000;

export interface SystemdVmmFacts {
	readonly unit: string;
	/** The unit's invocation id. */
	readonly boot: string;
	readonly plan: StartedPlan;
	readonly startedAtUptimeMs: number;
	/** Where ExecStopPost saves what is to be read of this start's end. */
	readonly ended: string;
	/** The manager that is connected now. */
	readonly manager: () => UserManager;
}

export class SystemdVmm implements RunningVmm {
	readonly supervisor = "systemd";
	readonly #facts: SystemdVmmFacts;
	readonly #exited = Promise.withResolvers<VmmExit>();
	readonly #stopping = Promise.withResolvers<void>();
	#hasEnded = false;
	#wasAsked = false;
	#escalation: NodeJS.Timeout | undefined;

	constructor(facts: SystemdVmmFacts) {
		this.#facts = facts;
	}

	get vm(): string {
		return this.#facts.plan.vm;
	}
	get boot(): string {
		return this.#facts.boot;
	}
	get plan(): StartedPlan {
		return this.#facts.plan;
	}
	get startedAtUptimeMs(): number {
		return this.#facts.startedAtUptimeMs;
	}
	get logs(): string {
		return this.#hasEnded ? this.#facts.ended : this.plan.directory;
	}
	get exited(): Promise<VmmExit> {
		return this.#exited.promise;
	}
	get stopping(): Promise<void> {
		return this.#stopping.promise;
	}

	pid(): number | null {
		try {
			const vmm = readVmmIdentity(this.plan.directory, "unit");
			return vmm !== undefined && isAlive(vmm) ? vmm.pid : null;
		} catch {
			return null;
		}
	}

	terminate(): void {
		this.#signal("SIGTERM");
	}

	kill(): void {
		this.#signal("SIGKILL");
		if (!this.#hasEnded) this.#escalation ??= setTimeout(() => this.#killUnit(), followMs).unref();
	}

	async cleanUp(): Promise<void> {
		await this.exited;
		await removeEnded(this.#facts.ended);
		/** A SIGKILL of ours is no failure of the unit's; and nobody asks about an instance that is gone. */
		if (this.#wasAsked || this.vm.startsWith("disp-")) await this.#facts.manager().resetFailed(this.#facts.unit);
	}

	/** Its unit is being stopped, and not by us. */
	noteStopping(): void {
		this.#stopping.resolve();
	}

	/** Its unit is down. */
	async noteEnd(end: ServiceEnd): Promise<void> {
		if (this.#hasEnded) return;
		this.#hasEnded = true;
		clearTimeout(this.#escalation);
		this.#exited.resolve(await readEnd(this.#facts.ended, end));
	}

	#signal(signal: "SIGTERM" | "SIGKILL"): void {
		this.#wasAsked = true;
		if (this.#hasEnded) return;
		try {
			const vmm = readVmmIdentity(this.plan.directory, "unit");
			if (vmm !== undefined) signalProcess(vmm, signal);
			// No vmm yet, and the shim defies SIGTERM: there is nothing to be gentle to.
			else this.#killUnit();
		} catch {
			// Out of file descriptors: kill()'s second attempt comes later.
		}
	}

	#killUnit(): void {
		if (this.#hasEnded) return;
		this.#facts
			.manager()
			.kill(this.#facts.unit, constants.signals.SIGKILL)
			.catch(() => {
				this.#escalation = setTimeout(() => this.#killUnit(), 1000).unref();
			});
	}
}
