/**
 * What it takes to run one vm, as data: vmm/ makes it from configuration and host facts, activation/ executes it (or
 * renders it as a systemd unit). Every path is absolute; every argv is a vector, never a shell line.
 */

export interface LaunchProcess {
	/** Short name for logs and errors: "qemu", "crosvm", "vhost-device-vsock". */
	readonly name: string;
	readonly argv: readonly [string, ...string[]];
}

/** A process beside the vmm, which ends with it. A vital one must be up before the vmm, and takes the vmm with it where it ends. */
export interface LaunchHelper extends LaunchProcess {
	/** The Unix socket that this helper makes; that it exists says "ready" (never probed by connecting). */
	readonly socket: string;
	/** False: nothing waits for it, and the vm goes on without it. */
	readonly isVital: boolean;
}

/** Who runs the vm's processes, by number. */
export interface HostUser {
	readonly uid: number;
	readonly gid: number;
}

/** virtiofsd's word by which one user, or group, of the host is 0 in its namespace. */
export const idMapWord = (kind: "uid" | "gid", id: number | string): string => `--${kind}-map=:0:${id}:1:`;

/** Kinds of what a plan requires by its path. */
export const requiredPaths = [
	"program",
	"file",
	"disk",
	"directory",
	"read-only-directory",
	"raw-image",
	"qcow2-image",
	"wayland",
] as const;

/** Something that the plan was made for: where the host is not so any more, another plan is right. */
export type HostRequirement =
	| { readonly kind: "kvm" | "tcg" }
	/** A TAP device of this name is there, or is not. */
	| { readonly kind: "tap" | "no-tap"; readonly name: string }
	/**
	 * A file is of the guest's image; a disk is the user's; a directory is shared with the guest, which may write in it or not. `raw-image` and `qcow2-image`: what a disk
	 * holds is of that format, since the vmm believes its content and not its name. `wayland`: the compositor's socket.
	 */
	| {
			readonly kind: (typeof requiredPaths)[number];
			readonly path: string;
	  };

/** What the vm's processes may use together; null is no limit of ours. */
export interface LaunchLimits {
	readonly memoryMaxMiB: number | null;
	/** 1 to 10000, where 100 is everybody's (cgroup v2, cpu.weight). */
	readonly cpuWeight: number | null;
}

export interface LaunchPlan {
	readonly vm: string;
	/** For a disposable instance the configured vm that it is made from. */
	readonly base: string | null;
	/** Guest CID of the vsock, and the vm's id in the configuration. */
	readonly id: number;
	readonly hypervisor: "qemu" | "crosvm";
	/** The vm's runtime directory, 0700: made before the start, removed after the end. */
	readonly directory: string;
	/** Started in this order, each waited for before the next. */
	readonly helpers: readonly LaunchHelper[];
	/** Its standard input and output are the guest's serial console, its standard error its own words. */
	readonly vmm: LaunchProcess;
	/** Files in `directory` that would be in the way of a start (sockets of a vmm that was killed). */
	readonly stale: readonly string[];
	/** The hybrid vsock: connect here for host → guest; `<path>_<port>` is where guest → host connections arrive. */
	readonly vsock: string;
	/** The vmm's own control socket. `program`: what speaks with it. */
	readonly control:
		| { readonly kind: "qmp"; readonly path: string }
		| { readonly kind: "crosvm"; readonly path: string; readonly program: string };
	/** Made in `directory` before the start, 0700, with nothing in it; null: none is needed. */
	readonly emptyDirectory: string | null;
	/** The compositor's socket, where the guest's windows go. `isByName`: WAYLAND_DISPLAY is a name in the runtime directory. */
	readonly wayland: { readonly path: string; readonly isByName: boolean } | null;
	/** Its processes put themselves into user and mount namespaces of their own: confinement that must not be forbidden from outside. */
	readonly makesNamespaces: boolean;
	readonly requires: readonly HostRequirement[];
	/** Honoured where systemd keeps the vm. */
	readonly limits: LaunchLimits;
	/** Names of the vms that must be up before this one starts. */
	readonly dependsOn: readonly string[];
	/** All steps of a shutdown together, after which whoever keeps the vm ends it. */
	readonly stopWithinMs: number;
	/** Kinds of sockets beyond Unix ones that its processes open: user-mode network needs them. */
	readonly opensInternetSockets: boolean;
}

/** Files of a vm's runtime directory, by name; `ring` files also come as `.1` (older) and `.2` (oldest). */
export const vmFiles = {
	vsock: "vsock",
	vhostVsock: "vhost-vsock.sock",
	qmp: "qmp.sock",
	crosvmControl: "control.sock",
	/** Of the helper that keeps windows and sound. */
	display: "display.sock",
	/** Of crosvm's sandbox: what a device's process has as its root. */
	empty: "empty",
	/** Ring: what the guest wrote to its serial port. */
	console: "console.log",
	/** FIFO, there while the shim is: what is written to it is typed on the guest's serial port. It has a reader for as long. */
	consoleInput: "console.in",
	/** Ring: what the vmm and its helpers wrote to their standard error. */
	log: "vmm.log",
} as const;

/** One file of a ring holds at most this; a ring is at most three files. */
export const ringFileBytes = 512 * 1024;

/** sun_path of a Unix socket holds 108 bytes with its final NUL (unix(7)). */
export const socketPathMaxBytes = 107;
