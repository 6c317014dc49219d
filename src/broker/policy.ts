/** The one question that is asked before anything is done for anybody. Files of rules come in behind this port. */

export interface PolicyRequest {
	/** Who asks: the user on the host, or a guest by its vm's name. */
	readonly source: "@host" | string;
	/** A vm, "@dispvm" or "@dispvm:BASE" for a fresh instance, "@anyvm" for all. */
	readonly target: string;
	readonly service:
		| "exec"
		| "attach"
		| "broker"
		| "list"
		| "sessions"
		| "status"
		| "console"
		| "start"
		| "stop"
		| "set"
		| "inhibit"
		| "events";
}

export type Decision = { readonly allow: true } | { readonly allow: false; readonly why: string };

export interface Policy {
	decide(request: PolicyRequest): Decision;
}

/** Without a policy file: the user may do anything with their own vms; guests may ask nothing. */
export const defaultPolicy: Policy = {
	decide: ({ source, service }) =>
		source === "@host" ? { allow: true } : { allow: false, why: `no rule allows '${service}' from ${source}` },
};
