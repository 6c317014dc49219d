/** Whether each vm that crosvm runs could be started now: its binary, KVM, TAP, compositor and disks are looked at as before a start. */
import { join } from "node:path";
import { QubesLiteError } from "../../errors.ts";
import { planHere } from "../../host/plan-here.ts";
import { runtimeHomeOf } from "../../host/xdg.ts";
import { type Check, type Finding, fail, pass } from "./check.ts";
import { type DoctorHost, vmsOf } from "./host.ts";

export const crosvmChecks = (host: DoctorHost): Check[] =>
	vmsOf(host)
		.filter(({ hypervisor }) => hypervisor === "crosvm")
		.map((vm) => ({ name: `crosvm:${vm.name}`, run: () => checkStart(host, vm) }));

function checkStart(
	{ config, env, cacheDirectory, searchPath }: DoctorHost,
	vm: ReturnType<typeof vmsOf>[number],
): Finding {
	if (config instanceof QubesLiteError) return fail(config.message, config.remedy ?? "qubes-lite status");
	const runtimeDirectory = join(runtimeHomeOf(env) ?? `/run/user/${process.getuid?.()}`, "qubes-lite");
	try {
		const { wayland } = planHere(config.config, vm, {
			runtimeDirectory,
			cacheDirectory,
			searchPath,
			session: () => env,
		});
		return pass(
			wayland === null ? "can be started, without windows" : `can be started; its windows go to ${wayland.path}`,
		);
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		return fail(message, remedy ?? `qubes-lite start --explain ${vm.name}`);
	}
}
