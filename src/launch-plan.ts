/**
 * What it takes to run one vm, as data: vmm/ makes it from configuration and host facts, activation/ executes it (or
 * renders it as a systemd unit). Every path is absolute; every argv is a vector, never a shell line.
 */

export interface LaunchProcess {
	/** Short name for logs and errors: "qemu", "crosvm", "vhost-device-vsock". */
	readonly name: string;
	readonly argv: readonly [string, ...string[]];
}

/** A process that must be up before the vmm, and without which the vm is of no use: it ends with the vmm, and the vmm with it. */
export interface LaunchHelper extends LaunchProcess {
	/** The Unix socket that this helper makes; that it exists says "ready" (never probed by connecting). */
	readonly socket: string;
}

export interface LaunchPlan {
	readonly vm: string;
	/** Guest CID of the vsock, and the vm's id in the configuration. */
	readonly id: number;
	readonly hypervisor: "qemu" | "crosvm";
	/** The vm's runtime directory, 0700: made before the start, removed after the end. */
	readonly directory: string;
	/** Started in this order, each waited for before the next. */
	readonly helpers: readonly LaunchHelper[];
	/** Its standard output is the guest's serial console, its standard error its own words. */
	readonly vmm: LaunchProcess;
	/** Files in `directory` that would be in the way of a start (sockets of a vmm that was killed). */
	readonly stale: readonly string[];
	/** The hybrid vsock: connect here for host → guest; `<path>_<port>` is where guest → host connections arrive. */
	readonly vsock: string;
	/** The vmm's own control socket. */
	readonly control: { readonly kind: "qmp" | "crosvm"; readonly path: string };
}

/** Files of a vm's runtime directory, by name; `ring` files also come as `.1` (older) and `.2` (oldest). */
export const vmFiles = {
	vsock: "vsock",
	vhostVsock: "vhost-vsock.sock",
	qmp: "qmp.sock",
	crosvmControl: "control.sock",
	/** Ring: what the guest wrote to its serial port. */
	console: "console.log",
	/** Ring: what the vmm and its helpers wrote to their standard error. */
	log: "vmm.log",
} as const;

/** One file of a ring holds at most this; a ring is at most three files. */
export const ringFileBytes = 512 * 1024;

/** sun_path of a Unix socket holds 108 bytes with its final NUL (unix(7)). */
export const socketPathMaxBytes = 107;
