/** The contract of hypervisors (test/contract/vmm.contract.ts) on crosvm's stand-in, whose guests' agents run on the host. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { vmFiles } from "../../src/launch-plan.ts";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import { describeVmm, wordsOf } from "../contract/vmm.contract.ts";
import { parseCrosvmRun } from "../fixtures/crosvm-grammar.ts";
import { FakeUser } from "./fake-user.ts";
import { canMakeTaps, TapHost } from "./tap-host.ts";

describe.runIf(canMakeTaps)("crosvm", () => {
	describeVmm({
		hypervisor: "crosvm",
		async start(vms) {
			/** What a processor has is looked at as well, and this one need not have it. */
			const host = await TapHost.start({}, { hasKvm: true });
			const user = new FakeUser({ vms, within: host.within, config: { hypervisor: "crosvm" } });
			const argvOf = (vm: string): string[] => {
				const words = wordsOf(user.vmmPid(vm));
				return words.slice(words.indexOf(user.fakes) + 1);
			};
			const runOf = (vm: string) => parseCrosvmRun(argvOf(vm));
			/** What runs the guest stands for its processors. */
			const guestPid = (vm: string): number => {
				const parent = user.vmmPid(vm);
				const isGuest = (words: string, pid: number): boolean =>
					words.includes("fake-crosvm-guest") && parentOf(pid) === parent;
				return user.processes().find(({ words, pid }) => isGuest(words, pid))?.pid ?? 0;
			};
			const controlOf = (vm: string) => {
				const path = join(user.runtime, vm, vmFiles.crosvmControl);
				return toVmmControl({ kind: "crosvm", path, program: join(user.fakes, "crosvm") });
			};
			/** Its guest ends by resetting its processor, whatever makes it end. */
			const reset = (vm: string): Promise<void> => {
				user.order(vm, { ends: { by: "reset" } });
				return controlOf(vm).pressPowerButton();
			};
			return {
				user,
				argvOf,
				controlOf,
				standsStill: async (vm) => /\) T /.test(readFileSync(`/proc/${guestPid(vm)}/stat`, "utf8")),
				cardsOf: async (vm) => runOf(vm).net.length,
				disksOf: async (vm) => runOf(vm).blocks.map(({ id, ro }) => `${id}${ro ? " ro" : ""}`),
				/** As a kernel ends that has panic=-1 and no driver of pvpanic. */
				async panic(vm) {
					await user.sh(`echo 'Kernel panic - not syncing: sysrq triggered crash' >'${user.runtime}/${vm}/console.in'`);
					await user.until("its console has it", () =>
						readFileSync(join(user.runtime, vm, vmFiles.console), "utf8").includes("sysrq triggered crash"),
					);
					await reset(vm);
				},
				reboot: reset,
				leave: () => host.stop(),
			};
		},
	});
});

const parentOf = (pid: number): number => {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
};
