/** Whether guests run on the processor itself. Without it they work, at a boot of seconds: hence never a FAIL. */
import { describeLack, type Kvm, lookAtKvm } from "../../host/kvm.ts";
import { type Check, type Finding, pass, warn } from "./check.ts";

export const acceleratorCheck: Check = { name: "accelerator", run: () => toFinding(lookAtKvm()) };

const slow = "guests run on an emulated processor (TCG), and boot in seconds instead of one";

function toFinding(kvm: Kvm): Finding {
	if (kvm.works) return pass("KVM: /dev/kvm opens, and the processor has what it needs");
	const { sentence, remedy } = describeLack(kvm);
	return warn(`${slow}: ${sentence}`, remedy);
}
