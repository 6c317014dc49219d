/** What an instance reaches its guest, its vmm and its console by. */
import { watch } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { readRingTail } from "../activation/log-ring.ts";
import type { StartedPlan } from "../activation/supervisor.ts";
import { GuestLink, type GuestLinkOptions } from "../guest/guest-link.ts";
import { vmFiles } from "../launch-plan.ts";
import { toVmmControl } from "../vmm-control/to-vmm-control.ts";
import type { VmmControl } from "../vmm-control/vmm-control.ts";
import { type DisplayEvent, DisplayLink } from "./display-link.ts";

export interface InstanceAdapters {
	/** Listens once it is told to. */
	guestLink(options: GuestLinkOptions): Pick<GuestLink, keyof GuestLink>;
	vmmControl(plan: Pick<StartedPlan, "control">): VmmControl;
	/** Of the vm in `directory`; connects once it is told to. */
	displayLink(directory: string, tell: (event: DisplayEvent) => void): Pick<DisplayLink, keyof DisplayLink>;
	/** Resolves when the guest of a vmm that has just said that it goes on can be written to. */
	settled(): Promise<void>;
	/** The last bytes of the console, of which the guest has the say. Rejects where they can't be read. */
	readConsole(directory: string): Promise<Buffer>;
	/** Calls `grown` whenever there is more, until the returned function is called. Without inotify it never does. */
	watchConsole(directory: string, grown: () => void): () => void;
}

const consoleTailBytes = 16 * 1024;

/**
 * QEMU answers before vhost-device-vsock has its queues back: what is written to the guest at once may end its worker. Measured
 * with a connection that was open during the pause: lost in the 36th of 70 resumes without a wait, in none of 70 with 50 ms.
 */
const settledMs = 80;

/** `wayland`: WAYLAND_DISPLAY, as it is now. */
export const createInstanceAdapters = (wayland: () => string | null): InstanceAdapters => ({
	guestLink: (options) => new GuestLink(options),
	vmmControl: ({ control }) => toVmmControl(control),
	displayLink: (directory, tell) => new DisplayLink(directory, wayland, tell),
	settled: () => setTimeout(settledMs),
	readConsole: (directory) => readRingTail(directory, vmFiles.console, consoleTailBytes),
	watchConsole(directory, grown) {
		try {
			const watcher = watch(directory, (_kind, name) => {
				if (name === vmFiles.console) grown();
			});
			watcher.on("error", () => watcher.close());
			return () => watcher.close();
		} catch {
			return () => {};
		}
	},
});
