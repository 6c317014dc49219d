/** The contract of hypervisors (test/contract/vmm.contract.ts) on QEMU, with real guests. */
import { join } from "node:path";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import { describeVmm, wordsOf } from "../contract/vmm.contract.ts";
import { TestUser } from "./harness.ts";

describeVmm({
	hypervisor: "qemu",
	async start(vms) {
		const user = new TestUser({ vms });
		const asRoot = async (vm: string, script: string): Promise<string> =>
			(await user.run("-u", "root", vm, "sh", "-c", script)).stdout;
		const controlOf = (vm: string) => toVmmControl({ kind: "qmp", path: join(user.runtime, vm, vmFiles.qmp) });
		/** Whoever does it has no time to say that it is done. */
		const sysrq = async (vm: string, key: string): Promise<void> => {
			await user.run("-u", "root", vm, "sh", "-c", `echo 1 >/proc/sys/kernel/sysrq; echo ${key} >/proc/sysrq-trigger`);
		};
		const pidOf = (vm: string): number =>
			user.processes().find(({ words }) => words.includes(`process=ql-${vm} `) && !words.startsWith("/bin/sh"))?.pid ??
			0;
		return {
			user,
			controlOf,
			argvOf: (vm) => wordsOf(pidOf(vm)).slice(1),
			standsStill: (vm) => controlOf(vm).isPaused(),
			cardsOf: async (vm) =>
				(await asRoot(vm, "ls /sys/class/net")).split("\n").filter((card) => card !== "" && card !== "lo").length,
			async disksOf(vm) {
				const script = 'for disk in /sys/block/vd*; do echo "$(cat $disk/serial) $(cat $disk/ro)"; done';
				return (await asRoot(vm, script))
					.trim()
					.split("\n")
					.map((line) => line.replace(/ 0$/, "").replace(/ 1$/, " ro"));
			},
			panic: (vm) => sysrq(vm, "c"),
			reboot: (vm) => sysrq(vm, "b"),
			leave: async () => {},
		};
	},
});
