/**
 * `image.json`, the manifest of a guest image: guest-image/ writes it last, the broker reads it before every start.
 * An image is a directory of four files: this one, a kernel, an initramfs and a read-only root image.
 */
import * as v from "valibot";

/**
 * waypipe: the guest runs `waypipe server`, whose connections come to the host's port 6000 (protocol/ports.ts). virtwl: the guest runs
 * wayland-proxy-virtwl on a GPU of crosvm's.
 */
const windowWays = ["waypipe", "virtwl"] as const;

const file = v.strictObject({
	/** File name inside the image's directory. */
	name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "a plain file name")),
	/** Bytes; compared before every start, so a truncated or half-written image is never booted. */
	size: v.pipe(v.number(), v.integer(), v.minValue(1)),
	/** Hex; compared by `qubes-lite image build`, which rebuilds on a difference. */
	sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "64 hex digits")),
});

const manifestSchema = v.strictObject({
	schema: v.literal(1),
	/** Hash of every input; names the image's directory in the cache. */
	key: v.pipe(v.string(), v.regex(/^[0-9a-f]{16,64}$/, "16 to 64 hex digits")),
	/** `uname -r` in the guest. */
	kernelRelease: v.string(),
	kernel: file,
	initramfs: file,
	root: file,
	rootFormat: v.picklist(["erofs", "ext4"]),
	/** How its programs' windows come to the host: absent where it has no way of its own. */
	windows: v.optional(v.picklist(windowWays)),
	/** Of an image that was made for a wish (config/image.ts): for people who look at it. */
	suite: v.optional(v.string()),
	packages: v.optional(v.array(v.string())),
});

export type ImageManifest = v.InferOutput<typeof manifestSchema>;

/** The manifest in `text`; throws an Error whose message says what is wrong with it. */
export function parseImageManifest(text: string): ImageManifest {
	return v.parse(manifestSchema, JSON.parse(text));
}

/** Where things are below `$XDG_CACHE_HOME/qubes-lite`. */
export const cachePaths = {
	/** One directory per image, named by its key; `current` is a symlink to the default one. */
	images: "images",
	currentImage: "images/current",
	/** Symlinks to the images of vms that ask for packages, by what they ask for (image-wish.ts). */
	wishes: "images/by-wish",
	manifest: "image.json",
	/** The helper unpacked from Debian when none is installed: a symlink to the binary that was chosen. */
	vhostDeviceVsock: "tools/vhost-device-vsock",
	/** The same for shared directories. */
	virtiofsd: "tools/virtiofsd",
} as const;
