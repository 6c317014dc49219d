/** Whether guests run on the processor itself. Without it they work, at a boot of seconds: hence never a FAIL. */
import { type Kvm, lookAtKvm } from "../../host/kvm.ts";
import { type Check, type Finding, pass, warn } from "./check.ts";

export const acceleratorCheck: Check = { name: "accelerator", run: () => toFinding(lookAtKvm()) };

const slow = "guests run on an emulated processor (TCG), and boot in seconds instead of one";

function toFinding(kvm: Kvm): Finding {
	if (kvm.works) return pass("KVM: /dev/kvm opens, and the processor has what it needs");
	if (kvm.flag === undefined) {
		return warn(
			`${slow}: the processor offers no virtualisation (vmx or svm)`,
			"lscpu | grep -i virtual   # turn VT-x or AMD-V on in the firmware; in a virtual machine, nesting on its host",
		);
	}
	const module = kvm.flag === "vmx" ? "kvm_intel" : "kvm_amd";
	switch (kvm.errno) {
		case "ENOENT":
			return warn(`${slow}: there is no /dev/kvm`, `sudo modprobe ${module}`);
		case "EACCES":
		case "EPERM":
			return warn(
				`${slow}: /dev/kvm is not yours to open`,
				'sudo chgrp kvm /dev/kvm && sudo chmod g+rw /dev/kvm && sudo usermod -aG kvm "$(id -un)"   # and log in again',
			);
		default:
			return warn(
				`${slow}: /dev/kvm does not open (${kvm.errno})`,
				`sudo modprobe -r ${module} && sudo modprobe ${module}`,
			);
	}
}
