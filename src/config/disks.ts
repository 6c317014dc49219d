/** The disks of a vm, in the order in which its guest has them: vdb, vdc, …, and a root disk of its own: vda. */
import * as v from "valibot";
import { isJsonObject } from "./json.ts";
import { absolutePath } from "./paths.ts";

export interface Disk {
	/** An image (raw, or qcow2 by its suffix) or a block device. */
	readonly path: string;
	readonly readOnly: boolean;
	/** The guest finds it by this, too: /dev/disk/by-id/virtio-<id>. */
	readonly id: string;
}

/** VIRTIO_BLK_ID_BYTES, the serial number's length in Linux's virtio_blk.h and in both vmms. */
const idMaxLength = 20;
const idRule = `a letter or digit, then letters, digits, ".", "_" and "-": at most ${idMaxLength} in all`;
const id = v.pipe(v.string(idRule), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$/, idRule));

/** Of a vm's root disk. */
export const rootDiskId = "root";

const diskRule = "an absolute path, or an object with path";

export const diskEntries = {
	path: absolutePath,
	readOnly: v.optional(v.boolean("true or false"), false),
	id: v.optional(
		v.pipe(
			id,
			v.check((value: string) => value !== rootDiskId, "another id: this is the root disk's"),
		),
	),
};

type ParsedDisk = string | v.InferOutput<typeof diskObject>;

const diskObject = v.pipe(v.custom<object>(isJsonObject, diskRule), v.strictObject(diskEntries));
const diskSchema = v.lazy((value: unknown) => (typeof value === "string" ? absolutePath : diskObject));

/**
 * QEMU's q35 has 30 free slots on its PCI bus; the root disk, vsock, random numbers and network take four, each disk and each shared
 * directory another.
 */
const maxDisks = 24;
export const maxDisksAndShares = 26;

export const disks = v.optional(
	v.pipe(
		v.array(diskSchema, "a list of absolute paths"),
		v.maxLength(maxDisks, `at most ${maxDisks} disks`),
		v.check(
			(list) => new Set(list.map((disk, index) => toDisk(disk, index).id)).size === list.length,
			"each id once: a disk without one has disk0, disk1, … by its place",
		),
		v.check(
			(list) => new Set(list.map((disk, index) => toDisk(disk, index).path)).size === list.length,
			"each disk once",
		),
		v.transform((list): readonly Disk[] => list.map(toDisk)),
	),
	[],
);

/** Without an id of its own it has one by its place: disk0, disk1, … */
function toDisk(parsed: ParsedDisk, index: number): Disk {
	if (typeof parsed === "string") return { path: parsed, readOnly: false, id: `disk${index}` };
	return { path: parsed.path, readOnly: parsed.readOnly, id: parsed.id ?? `disk${index}` };
}

const { id: _, ...rootEntries } = diskEntries;
export const rootDiskEntries = { ...rootEntries, readOnly: v.optional(v.boolean("true or false"), true) };

const rootObject = v.pipe(v.custom<object>(isJsonObject, diskRule), v.strictObject(rootDiskEntries));

/** Read-only unless it says otherwise: what its guest writes it keeps in memory. */
export const rootDisk = v.optional(
	v.pipe(
		v.lazy((value: unknown) => (typeof value === "string" ? absolutePath : rootObject)),
		v.transform((parsed): Disk => {
			const { path, readOnly } = typeof parsed === "string" ? { path: parsed, readOnly: true } : parsed;
			return { path, readOnly, id: rootDiskId };
		}),
	),
);
