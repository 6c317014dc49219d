/** From the configuration to what starts a vm: its launch plan, and the systemd unit that says the same. Pure. */

import { renderUnit } from "../activation/unit-file.ts";
import { toInstanceUnitName, toTemplateName, toUnitName } from "../activation/unit-names.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { HostFacts } from "../vmm/host-facts.ts";
import { planQemu } from "../vmm/qemu.ts";

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
export const planLaunch = (config: Config, vm: VmConfig, facts: HostFacts): LaunchPlan => planQemu(config, vm, facts);

/** The unit of a configured vm. */
export function toVmUnit(
	plan: LaunchPlan,
	autoStart: boolean,
	runtimeDirectory: string,
	context: UnitContext,
): UnitFile {
	return { name: toUnitName(plan.vm), text: renderUnit(plan, { ...context, runtimeDirectory, autoStart }) };
}

/**
 * The template of the instances of `base`: systemd fills in an instance's name and id. What an instance's unit says is rendered
 * for two of them with holes where these are, and is right where both come out the same.
 */
export function toInstanceTemplate(config: Config, base: VmConfig, facts: HostFacts, context: UnitContext): UnitFile {
	const render = (tag: string): string => {
		const id = Number.parseInt(tag, 16);
		const instance = toInstanceOf(base, tag, id);
		const options = { ...context, runtimeDirectory: facts.runtimeDirectory, autoStart: false, instance: { tag, id } };
		return renderUnit(planLaunch(config, instance, facts), options);
	};
	const texts = ["fedc", "edcb", "dcba"].map(render);
	const text = texts.find((one, index) => texts.indexOf(one) !== index);
	if (text === undefined) throw new TypeError(`the units of ${base.name}'s instances differ in more than their names`);
	return { name: toTemplateName(base.name), text };
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
const canBeBase = (vm: VmConfig): boolean => vm.disks.length === 0;

/** All units of the vms of `config`. `factsOf` throws for a vm that can't be launched. */
export function toAllUnits(config: Config, factsOf: (vm: VmConfig) => HostFacts, context: UnitContext): UnitFile[] {
	return config.vms.flatMap((vm) => {
		const facts = factsOf(vm);
		const unit = toVmUnit(planLaunch(config, vm, facts), vm.autoStart, facts.runtimeDirectory, context);
		return canBeBase(vm) ? [unit, toInstanceTemplate(config, vm, facts, context)] : [unit];
	});
}
