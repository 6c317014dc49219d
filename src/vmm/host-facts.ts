/** What a launch plan depends on besides the configuration. Found out live by the broker, or read from a file. */
import type { HostUser } from "../launch-plan.ts";

export interface ImageFacts {
	/** Absolute paths. */
	readonly kernel: string;
	readonly initramfs: string;
	readonly root: string;
	readonly rootFormat: "erofs" | "ext4";
	/** How its programs' windows come to the host, if they do. */
	readonly windows?: "waypipe" | "virtwl";
}

/** Absolute paths of what was found. */
export interface Binaries {
	readonly qemu?: string;
	readonly crosvm?: string;
	readonly vhostDeviceVsock?: string;
	/** One that can do what vmm/virtiofsd.ts asks of it. */
	readonly virtiofsd?: string;
}

/**
 * The compositor's socket, absolute; `isByName`: WAYLAND_DISPLAY is its name in the user's runtime directory. Or why there is none, as a
 * sentence without its full stop.
 */
export type WaylandFact = { readonly socket: string; readonly isByName: boolean } | { readonly missing: string };

export interface HostFacts {
	/** kvm only where the processor has vmx or svm and /dev/kvm opens: an openable /dev/kvm alone proves nothing. */
	readonly accelerator: "kvm" | "tcg";
	/** `$XDG_RUNTIME_DIR/qubes-lite`, absolute. */
	readonly runtimeDirectory: string;
	readonly user: HostUser;
	readonly binaries: Binaries;
	/** Names of the network interfaces of the host that are TAPs. */
	readonly taps: readonly string[];
	readonly wayland: WaylandFact;
	/** IPv4, for guests on a TAP; null: none is known that they could reach. */
	readonly nameServer: string | null;
	/** The program of ours that keeps windows and sound of a vm, as the first words of its command line. */
	readonly displayProgram: readonly [node: string, script: string] | null;
	/** The vm's guest image; null where the vm has all three files of its own. */
	readonly image: ImageFacts | null;
}
