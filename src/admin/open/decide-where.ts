/** Which vm something is opened in where nobody has named one. */
import { findDefaultBase } from "../../config/default-base.ts";
import type { Config } from "../../config/schema.ts";
import { QubesLiteError } from "../../errors.ts";
import { type OpenDestination, parseOpenDestination } from "../../open/open-destination.ts";
import type { OpenTarget } from "../../open/open-target.ts";
import { toSafeText } from "../../terminal/safe-text.ts";

/** The line of the policy that is for a host. */
export interface PolicyLine {
	/** A vm, @dispvm, @dispvm:VM or ask. */
	readonly target: string;
	/** "file:line", for people. */
	readonly place: string;
}

export interface OpenPolicy {
	/** null: what has no host, as a mailto: and a file. */
	readonly lineFor: (host: string | null) => PolicyLine | null;
	/** There are open-url lines, whether one fits or not. */
	readonly hasLines: boolean;
}

/** Resolves with what somebody has chosen. */
export type Ask = (what: string, choices: readonly OpenDestination[]) => Promise<OpenDestination>;

export interface Deciders {
	/** Throws where the policy can't be used. */
	readonly policy: () => OpenPolicy;
	/** Undefined: there is nobody to ask. */
	readonly ask: Ask | undefined;
}

/**
 * The policy's line decides; `ask`, or no line, asks. Where nobody can be asked it is a disposable, as long as the policy has no such lines at all. Throws
 * Denied with the line that helps.
 */
export async function decideWhere(
	target: OpenTarget,
	config: Config,
	{ policy, ask }: Deciders,
): Promise<OpenDestination> {
	const { lineFor, hasLines } = policy();
	const line = lineFor(hostOf(target));
	if (line !== null && line.target !== "ask") return follow(line, config);
	const base = findDefaultBase(config.vms);
	const what = describe(target);
	if (ask !== undefined) {
		const vms = config.vms.map((vm): OpenDestination => ({ vm, isDisposable: false }));
		return await ask(what, base === undefined ? vms : [...vms, { vm: base, isDisposable: true }]);
	}
	if (!hasLines && base !== undefined) return { vm: base, isDisposable: true };
	throw refusal(target, line, what);
}

const hostOf = (target: OpenTarget): string | null => (target.kind === "uri" ? target.host : null);

function follow({ target, place }: PolicyLine, config: Config): OpenDestination {
	try {
		return parseOpenDestination(target, config);
	} catch (cause) {
		const { code, message, remedy } = QubesLiteError.from(cause);
		throw new QubesLiteError(code, `${place}: ${message}`, { remedy, cause });
	}
}

/** A link's host is enough to choose by, and all that is short. */
function describe(target: OpenTarget): string {
	if (target.kind === "file") return toSafeText(target.path).slice(0, 200);
	return target.host === null ? toSafeText(target.uri).slice(0, 60) : toSafeText(target.host).slice(0, 200);
}

function refusal(target: OpenTarget, line: PolicyLine | null, what: string): QubesLiteError {
	const why =
		line === null ? "no line of the policy says where" : `${line.place} says to ask, and there is no terminal`;
	const add = `echo 'open-url ${hostOf(target) ?? "*"} VM' >>~/.config/qubes-lite/policy.d/10-mine.policy`;
	return new QubesLiteError("Denied", `${what} is opened nowhere: ${why}`, {
		remedy: `${add}   # or: qubes-lite open --in VM …`,
	});
}
