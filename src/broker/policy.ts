/** The one question that is asked before anything is done for anybody. Files of rules come in behind this port (live-policy.ts). */
import type { Question } from "../policy/find-rule.ts";

export type PolicyRequest = Question;

export type Decision =
	| { readonly allow: true }
	| {
			readonly allow: false;
			/** To follow a colon. */
			readonly why: string;
			/** A command that says more. */
			readonly remedy?: string;
			/** The rule's place, or that of what is wrong with the policy: "FILE:LINE"; null: no rule allows it. */
			readonly rule: string | null;
	  };

export interface Policy {
	/** As it holds at this moment. Never throws. */
	decide(request: PolicyRequest): Decision;
	/** Calls `changed` soon after it has become another one, whoever sees that first, until the returned function is called. */
	onChange(changed: () => void): () => void;
}
