/** The policy as its files have it now, with the vms of the configuration. */
import { findDefaultBase } from "../../config/default-base.ts";
import { type Environment, type FoundConfig, findConfig } from "../../config/find-config.ts";
import { QubesLiteError } from "../../errors.ts";
import { findPolicy, policyDirectories } from "../../policy/find-policy.ts";
import type { Names } from "../../policy/find-rule.ts";
import type { KnownVms } from "../../policy/find-warnings.ts";
import type { ParsedPolicy } from "../../policy/parse-policy.ts";

export interface PolicyHere {
	readonly policy: ParsedPolicy;
	/** The error where the configuration can't be read. */
	readonly known: KnownVms | QubesLiteError;
}

/** Never rejects. */
export async function lookAtPolicy(env: Environment): Promise<PolicyHere> {
	const config = await findConfig(env).catch((cause: unknown) => QubesLiteError.from(cause));
	return { policy: readPolicyHere(env), known: toKnownVms(config) };
}

export const readPolicyHere = (env: Environment): ParsedPolicy =>
	findPolicy(policyDirectories(env), process.getuid?.() ?? 0);

export function toKnownVms(config: FoundConfig | QubesLiteError): KnownVms | QubesLiteError {
	if (config instanceof QubesLiteError) return config;
	const { vms } = config.config;
	return { names: vms.map(({ name }) => name), defaultBase: findDefaultBase(vms)?.name ?? null };
}

/** No instance is known without a broker. */
export const toNames = (known: KnownVms | QubesLiteError): Names => ({
	defaultBase: () => (known instanceof QubesLiteError ? null : known.defaultBase),
	baseOf: () => null,
});
