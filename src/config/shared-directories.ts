/** Directories of the host that a guest has as well, by virtiofs: each under a tag, by which the guest mounts it. */
import * as v from "valibot";
import { isJsonObject } from "./json.ts";
import { absolutePath } from "./paths.ts";

export interface SharedDirectory {
	/** The guest of our own image has it at /mnt/<tag>. */
	readonly tag: string;
	readonly path: string;
	readonly readOnly: boolean;
}

/** A tag has 36 bytes at most (virtio 1.2, 5.11.4); shorter ones leave room on the kernel's line, and need no quoting anywhere. */
const tagRule = "a–z, 0–9 and -, a letter first, at most 20 in all";

export const sharedDirectoryEntries = {
	tag: v.pipe(v.string(tagRule), v.regex(/^[a-z][a-z0-9-]{0,19}$/, tagRule)),
	path: absolutePath,
	readOnly: v.optional(v.boolean("true or false"), false),
};

const rule = "an object with tag and path";

/** Each takes a slot of the PCI bus, and a process. */
const most = 4;

export const sharedDirectories = v.optional(
	v.pipe(
		v.array(
			v.pipe(v.custom<object>(isJsonObject, rule), v.strictObject(sharedDirectoryEntries)),
			"a list of objects with tag and path",
		),
		v.maxLength(most, `at most ${most} directories`),
		v.check((list) => new Set(list.map(({ tag }) => tag)).size === list.length, "each tag once"),
		v.readonly(),
	),
	[],
);
