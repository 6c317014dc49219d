/** From the configuration to what starts a vm: its launch plan, and the systemd unit that says the same. Pure. */

import { instanceVariables, renderUnit } from "../activation/unit-file.ts";
import { toInstanceUnitName, toTemplateName, toUnitName } from "../activation/unit-names.ts";
import { poolIdOf, toAddresses, toPoolTap } from "../config/addresses.ts";
import { poolIdsOf } from "../config/disposable-pool.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { drivers } from "../vmm/drivers.ts";
import type { HostFacts } from "../vmm/host-facts.ts";

export interface UnitContext {
	/** Path of vm-shim.sh, as the units shall name it. */
	readonly shim: string;
	/** What makes the units anew: "qubes-lite install". */
	readonly remedy: string;
}

/** A file that belongs into a directory of user units. */
export interface UnitFile {
	readonly name: string;
	readonly text: string;
}

/** Throws BootFailed where the host lacks something. */
export const planLaunch = (config: Config, vm: VmConfig, facts: HostFacts): LaunchPlan =>
	drivers[vm.hypervisor].plan(config, vm, facts);

/** The unit of a configured vm. */
export function toVmUnit(
	plan: LaunchPlan,
	autoStart: boolean,
	runtimeDirectory: string,
	context: UnitContext,
): UnitFile {
	return { name: toUnitName(plan.vm), text: renderUnit(plan, { ...context, runtimeDirectory, autoStart }) };
}

/** Tags of instances that have no TAP of the pool, and of such that have one. */
const exampleTags = { withoutTap: ["fedc", "edba", "dc98"], withTap: ["fedb", "edb9", "db97"] };

/**
 * The template of the instances of `base`: systemd fills in an instance's name and id, and what follows from them. What an instance's
 * unit says is rendered for three of them with holes where these are, and is right where two come out the same.
 */
export function toInstanceTemplate(config: Config, base: VmConfig, facts: HostFacts, context: UnitContext): UnitFile {
	const hasTap = base.network && poolTaps(config, facts.taps).length > 0;
	const render = (tag: string): string => {
		const id = Number.parseInt(tag, 16);
		const instance = toInstanceOf(base, tag, id);
		const poolId = poolIdOf(id);
		const holes = poolId === null ? new Map() : toTapHoles(config, poolId);
		const options = {
			...{ ...context, runtimeDirectory: facts.runtimeDirectory, autoStart: false },
			instance: { tag, id, holes },
		};
		const taps = poolId === null ? facts.taps : [toPoolTap(poolId)];
		return renderUnit(planLaunch(config, instance, { ...facts, taps }), options);
	};
	const texts = exampleTags[hasTap ? "withTap" : "withoutTap"].map(render);
	const text = texts.find((one, index) => texts.indexOf(one) !== index);
	if (text === undefined) throw new TypeError(`the units of ${base.name}'s instances differ in more than their names`);
	return { name: toTemplateName(base.name), text };
}

/** Those of disposablePool that are among `taps`. */
const poolTaps = (config: Config, taps: readonly string[]): string[] =>
	poolIdsOf(config)
		.map(toPoolTap)
		.filter((tap) => taps.includes(tap));

/** What an instance has of its TAP, with what its unit has in the place of that. */
function toTapHoles({ vmNetwork }: Config, poolId: number): Map<string, string> {
	const { guest, host, mac } = toAddresses(vmNetwork, poolId);
	const fill = (whole: string, separator: string, variable: string): [string, string] => [
		whole,
		`${whole.slice(0, whole.lastIndexOf(separator) + 1)}\${${variable}}`,
	];
	return new Map([
		fill(toPoolTap(poolId), "d", instanceVariables.poolId),
		fill(guest, ".", instanceVariables.poolId),
		fill(host, ".", instanceVariables.gatewayId),
		fill(mac, ":", instanceVariables.macByte),
	]);
}

/** A fresh instance of a configured vm: of its own name and id, for one use. */
export function toInstanceOf(base: VmConfig, tag: string, id: number): VmConfig {
	return {
		...base,
		...{ id, name: `disp-${tag}`, disposable: true, autoStart: false, preload: 0, idleTimeoutMs: 0 },
		instanceOf: { name: base.name, id: base.id },
	};
}

/** The unit that runs what is planned. */
export const toRunningUnit = ({ vm, base }: LaunchPlan): string =>
	base === null ? toUnitName(vm) : toInstanceUnitName(base, vm.slice(-4));

/** Whether instances can be made of it (broker/disposables.ts has the reasons). */
export const canBeBase = ({ disks, rootDisk }: VmConfig): boolean => disks.length === 0 && (rootDisk?.readOnly ?? true);

/** All units of the vms of `config`. `factsOf` throws for a vm that can't be launched. */
export function toAllUnits(config: Config, factsOf: (vm: VmConfig) => HostFacts, context: UnitContext): UnitFile[] {
	return config.vms.flatMap((vm) => {
		const facts = factsOf(vm);
		const unit = toVmUnit(planLaunch(config, vm, facts), vm.autoStart, facts.runtimeDirectory, context);
		return canBeBase(vm) ? [unit, toInstanceTemplate(config, vm, facts, context)] : [unit];
	});
}
