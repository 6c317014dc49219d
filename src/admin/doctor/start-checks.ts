/**
 * Whether a vm could be started now, looked at as before a start: its binary, KVM, TAP and compositor where crosvm runs it, and the files that
 * it boots where they are its own.
 */
import { join } from "node:path";
import type { VmConfig } from "../../config/schema.ts";
import { QubesLiteError } from "../../errors.ts";
import { planHere } from "../../host/plan-here.ts";
import { runtimeHomeOf } from "../../host/xdg.ts";
import { type Check, type Finding, fail, pass } from "./check.ts";
import { type DoctorHost, vmsOf } from "./host.ts";

export const startChecks = (host: DoctorHost): Check[] =>
	vmsOf(host)
		.filter(isOfItsOwn)
		.map((vm) => ({ name: `start:${vm.name}`, run: () => checkStart(host, vm) }));

const isOfItsOwn = ({ hypervisor, kernel, initramfs, rootDisk }: VmConfig): boolean =>
	hypervisor === "crosvm" || [kernel, initramfs, rootDisk].some((file) => file !== undefined);

function checkStart({ config, env, cacheDirectory, searchPath }: DoctorHost, vm: VmConfig): Finding {
	if (config instanceof QubesLiteError) return fail(config.message, config.remedy ?? "qubes-lite status");
	const runtimeDirectory = join(runtimeHomeOf(env) ?? `/run/user/${process.getuid?.()}`, "qubes-lite");
	try {
		const { wayland } = planHere(config.config, vm, {
			runtimeDirectory,
			cacheDirectory,
			searchPath,
			session: () => env,
		});
		const windows = vm.hypervisor === "crosvm" ? ", without windows" : "";
		return pass(wayland === null ? `can be started${windows}` : `can be started; its windows go to ${wayland.path}`);
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		return fail(message, remedy ?? `qubes-lite start --explain ${vm.name}`);
	}
}
