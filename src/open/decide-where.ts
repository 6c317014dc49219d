/** Which vm something is opened in where nobody has named one. */
import { findDefaultBase } from "../config/default-base.ts";
import type { Config } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { type OpenDestination, parseOpenDestination } from "./open-destination.ts";
import type { OpenPolicy, PolicyLine } from "./open-policy.ts";
import type { OpenTarget } from "./open-target.ts";

/** Resolves with what somebody has chosen. */
export type Ask = (what: string, choices: readonly OpenDestination[]) => Promise<OpenDestination>;

export interface Deciders {
	readonly policy: Pick<OpenPolicy, "lineFor" | "hasLines" | "toAdding">;
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
	const line = policy.lineFor(hostOf(target));
	if (line !== null && line.target !== "ask") return follow(line, config);
	const base = findDefaultBase(config.vms);
	const what = describe(target);
	if (ask !== undefined) {
		const vms = config.vms.map((vm): OpenDestination => ({ vm, isDisposable: false }));
		return await ask(what, base === undefined ? vms : [...vms, { vm: base, isDisposable: true }]);
	}
	if (!policy.hasLines && base !== undefined) return { vm: base, isDisposable: true };
	throw refusal(line, what, policy.toAdding(`open-url ${hostOf(target) ?? "*"} VM`));
}

/** Where a line says so, and where there are lines and none fits. Without any line it is a disposable for who has no terminal. */
export function mustAsk(policy: Deciders["policy"], target: OpenTarget): boolean {
	const line = policy.lineFor(hostOf(target));
	return line === null ? policy.hasLines : line.target === "ask";
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

function refusal(line: PolicyLine | null, what: string, adding: string): QubesLiteError {
	const why =
		line === null ? "no line of the policy says where" : `${line.place} says to ask, and there is no terminal`;
	return new QubesLiteError("Denied", `${what} is opened nowhere: ${why}`, {
		remedy: `${adding}   # or: qubes-lite open --in VM …`,
	});
}
