/** What a launch plan depends on besides the configuration. Found out live by the broker, or read from a file. */

export interface ImageFacts {
	/** Absolute paths. */
	readonly kernel: string;
	readonly initramfs: string;
	readonly root: string;
	readonly rootFormat: "erofs" | "ext4";
}

export interface HostFacts {
	/** kvm only where the processor has vmx or svm and /dev/kvm opens: an openable /dev/kvm alone proves nothing. */
	readonly accelerator: "kvm" | "tcg";
	/** `$XDG_RUNTIME_DIR/qubes-lite`, absolute. */
	readonly runtimeDirectory: string;
	/** Absolute paths of what was found. */
	readonly binaries: { readonly qemu?: string; readonly vhostDeviceVsock?: string };
	/** Names of the network interfaces of the host that are TAPs. */
	readonly taps: readonly string[];
	/** The vm's guest image. */
	readonly image: ImageFacts;
}
