/** Whether a vm's programs have windows and sound on the host, and by which way. */
import * as v from "valibot";
import type { CapabilityProblem } from "./hypervisor.ts";

/**
 * "waypipe": by `waypipe server` in the guest, over vsock; "virtwl": by wayland-proxy-virtwl in the guest, over a GPU of crosvm's; "auto": what
 * the vm's image is made for; "none": its programs have none.
 */
const displayKinds = ["auto", "virtwl", "waypipe", "none"] as const;
export type DisplayKind = (typeof displayKinds)[number];

/** What its programs may do with the host's sound. Hearing the microphone is never a default. */
const soundKinds = ["none", "playback", "playback+capture"] as const;
export type SoundKind = (typeof soundKinds)[number];

export const display = v.optional(v.picklist(displayKinds, '"auto", "virtwl", "waypipe" or "none"'), "auto");
export const sound = v.optional(v.picklist(soundKinds, '"none", "playback" or "playback+capture"'), "playback");

interface Wishes {
	readonly hypervisor: string;
	readonly gpu: string;
	readonly display: DisplayKind;
}

/** Where a vm's `display` and `gpu` contradict each other, or its hypervisor. */
export function findDisplayProblems(vms: readonly Wishes[]): CapabilityProblem[] {
	return vms.flatMap(({ hypervisor, gpu, display }, index) => {
		const problem = (expected: string): CapabilityProblem[] => [
			{ path: ["vms", index, "display"], value: display, expected },
		];
		if (display === "virtwl" && hypervisor !== "crosvm") {
			return problem('"auto", "waypipe" or "none": virtwl needs a GPU, "hypervisor": "crosvm" has it');
		}
		if (display === "virtwl" && gpu === "none") return problem('another way, or another "gpu" than "none"');
		return [];
	});
}
