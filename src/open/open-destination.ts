/** Where something is opened: a vm, or a disposable instance; in the words of `--in` and of the policy. */
import { findDefaultBase } from "../config/default-base.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { noSuchVm, parseVmName } from "../config/vm-name.ts";
import { QubesLiteError } from "../errors.ts";

export interface OpenDestination {
	/** The vm, or what the instance is made from. */
	readonly vm: VmConfig;
	readonly isDisposable: boolean;
}

/** "shopping", "@dispvm" or "@dispvm:shopping". Throws BadName, NoSuchVm, or BadRequest where there is no default. */
export function parseOpenDestination(word: string, { vms }: Pick<Config, "vms">): OpenDestination {
	const [kind, ...rest] = word.split(":");
	if (kind !== "@dispvm") return { vm: findVm(word, vms), isDisposable: false };
	if (rest.length > 0) return { vm: findVm(rest.join(":"), vms), isDisposable: true };
	const base = findDefaultBase(vms);
	if (base !== undefined) return { vm: base, isDisposable: true };
	throw new QubesLiteError("BadRequest", "no vm is configured as disposable, so @dispvm has no default", {
		remedy: "name one: @dispvm:VM",
	});
}

function findVm(word: string, vms: readonly VmConfig[]): VmConfig {
	const name = parseVmName(word);
	const vm = vms.find((one) => one.name === name);
	if (vm !== undefined) return vm;
	throw noSuchVm(
		name,
		vms.map((one) => one.name),
	);
}
