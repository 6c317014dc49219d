/**
 * The port of a hypervisor: one driver each, pure. What a driver can't do is in config/hypervisor.ts, so that it is refused where it is
 * written; what its running vmm can be told is in vmm-control/.
 */
import type { Config, VmConfig } from "../config/schema.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { HostFacts } from "./host-facts.ts";

/** Words that belong together on a command line, and why they are there. */
export interface Argument {
	readonly words: readonly string[];
	/** For people: a phrase. */
	readonly why: string;
}

/** What a vmm's exit status says of its guest. */
export type VmmEnd =
	/** It powered off, or somebody told the vmm to end it. */
	| { readonly kind: "poweredOff" }
	| { readonly kind: "rebooted" }
	/** `sentence` goes on after "its vmm "; `words` are the vmm's own, its last line if absent; `remedy` helps. */
	| { readonly kind: "failed"; readonly sentence: string; readonly words?: string; readonly remedy?: string };

export interface VmmDriver {
	/** Throws BootFailed where the host lacks something that `vm` needs, with the remedy. */
	plan(config: Config, vm: VmConfig, facts: HostFacts): LaunchPlan;
	/** The vmm's arguments, whose words are those of the plan after the program. */
	explain(config: Config, vm: VmConfig, facts: HostFacts): Argument[];
	/**
	 * Of the two `code` and `signal` one is null. `log`: the end of what the vmm has written to its standard error, in which the guest may
	 * have a say.
	 */
	toEnd(code: number | null, signal: string | null, log: string): VmmEnd;
}
