/** What runs in the guest to open something there. No shell has a part in it: each word is one argument. */
import { posix } from "node:path";
import { isFileName } from "../protocol/programs.ts";
import { isBelow } from "./follow-way.ts";
import type { OpenTarget } from "./open-target.ts";

/** Of a vm's configuration. */
export interface OpeningVm {
	readonly open: readonly string[];
	readonly sharedDirectories: readonly { readonly tag: string; readonly path: string }[];
}

export interface OpenCommand {
	readonly argv: readonly string[];
	/** The file's content goes to its standard input; else that is empty. */
	readonly takesContent: boolean;
}

/** A file of the host is known by its path without links, from the root on, and its size. */
export type KnownTarget =
	| Extract<OpenTarget, { kind: "uri" }>
	| { readonly kind: "file"; readonly path: string; readonly bytes: number };

/**
 * A link is the handler's last word. So is a file that lies in a directory which the vm shares, as its guest has it; any other file goes over as its content, which the
 * guest's program puts into a file of a like name.
 */
export function toOpenArgv({ open, sharedDirectories }: OpeningVm, target: KnownTarget): OpenCommand {
	if (target.kind === "uri") return { argv: [...open, target.uri], takesContent: false };
	for (const { tag, path: directory } of sharedDirectories) {
		if (!isBelow(directory, target.path)) continue;
		return { argv: [...open, posix.join("/mnt", tag, posix.relative(directory, target.path))], takesContent: false };
	}
	const name = toFileName(posix.basename(target.path));
	return { argv: ["qubes-lite-guest", "open", name, String(target.bytes), "--", ...open], takesContent: true };
}

/** A name that the guest takes: what it does not take is replaced, and the suffix stays, by which handlers go. */
export function toFileName(name: string): string {
	if (isFileName(name)) return name;
	const plain = name.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}/]/gu, "_").replace(/^[.-]/, "_");
	if (isFileName(plain)) return plain;
	const suffix = /\.[A-Za-z0-9]{1,16}$/.exec(plain)?.[0] ?? "";
	return `file${suffix}`;
}
