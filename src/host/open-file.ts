/** A file of the host's that is to be opened in a guest: opened once, and from then on it is this very file. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readlink, realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { VmConfig } from "../config/schema.ts";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { findLeft, followWay } from "../open/follow-way.ts";
import { type OpenCommand, toOpenArgv } from "../open/open-argv.ts";
import type { OpenTarget } from "../open/open-target.ts";
import { openFileMaxBytes } from "../protocol/programs.ts";
import { shellWord } from "../shell-word.ts";
import { toSafeText } from "../terminal/safe-text.ts";

export interface OpenedFile extends AsyncDisposable {
	/** Absolute, without links. */
	readonly path: string;
	readonly handle: FileHandle;
	/** When it was opened. */
	readonly bytes: number;
}

type SharingVm = Pick<VmConfig, "name" | "sharedDirectories">;

/**
 * Links are followed first, since people have them, and none is followed when it is opened: what is put there in between is refused, be it in the place of
 * a directory on the way, as the guest that shares one can do it. A link that has been there before is refused where a guest can have put it and it leads to
 * what that guest does not have. `vms`: all that are configured. Throws BadRequest or Limit.
 */
export async function openFile(path: string, vms: readonly SharingVm[]): Promise<OpenedFile> {
	const shown = toSafeText(path);
	const { handle, real } = await openBeyondGuests(path, vms, constants.O_RDONLY);
	try {
		const found = await handle.stat();
		if (!found.isFile())
			throw new QubesLiteError("BadRequest", `${shown} is not a regular file, and only those are opened`);
		if (found.size > openFileMaxBytes) {
			throw new QubesLiteError("Limit", `${shown} is larger than ${openFileMaxBytes / 2 ** 20} MiB`, {
				remedy: "share its directory with the vm: sharedDirectories in the configuration, or copy it: qubes-lite cp",
			});
		}
		return { path: real, handle, bytes: found.size, [Symbol.asyncDispose]: () => handle.close() };
	} catch (cause) {
		await handle.close();
		throw QubesLiteError.from(cause);
	}
}

/** Whatever `path` leads to, opened by the rules of openFile, and its path without links. `flags` of open(2). Throws BadRequest, with the system's error as its cause. */
export async function openBeyondGuests(
	path: string,
	vms: readonly SharingVm[],
	flags: number,
): Promise<{ readonly handle: FileHandle; readonly real: string }> {
	const shown = toSafeText(path);
	let handle: FileHandle | undefined;
	try {
		const way = await followWay(resolve(path), linkAt);
		const left = findLeft(way, await findWritableShares(vms));
		if (left !== undefined) throw toRefusal(shown, way.end, left);
		const real = way.end;
		// O_NONBLOCK: the open of a FIFO would wait for a writer.
		handle = await open(real, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
		await checkPlace(handle, real, shown);
		return { handle, real };
	} catch (cause) {
		await handle?.close();
		if (cause instanceof QubesLiteError) throw cause;
		const why = errnoOf(cause) === "ENOENT" ? "is not there" : `can't be opened (${errnoOf(cause)})`;
		throw new QubesLiteError("BadRequest", `${shown} ${why}`, { cause });
	}
}

const linkAt = async (place: string): Promise<string | undefined> =>
	(await lstat(place)).isSymbolicLink() ? await readlink(place) : undefined;

interface WritableShare {
	readonly vm: string;
	/** Without links. */
	readonly path: string;
}

async function findWritableShares(vms: readonly SharingVm[]): Promise<WritableShare[]> {
	const shares = vms.flatMap(({ name, sharedDirectories }) =>
		sharedDirectories.filter(({ readOnly }) => !readOnly).map(({ path }) => ({ vm: name, path })),
	);
	return await toRealDirectories(shares);
}

function toRefusal(shown: string, end: string, { vm, path }: WritableShare): QubesLiteError {
	const sentence = `${shown} leads to ${toSafeLine(end)} by way of ${toSafeLine(path)}, where ${vm} can put links, so it is not opened`;
	return new QubesLiteError("BadRequest", sentence, {
		remedy: `namei -l ${shellWord(shown)}   # see who has put the link there, or name the file itself`,
	});
}

/** O_NOFOLLOW is about the last name only. Where an open file really is, or was until it was replaced, the kernel says (proc_pid_fd(5)). */
async function checkPlace(handle: FileHandle, real: string, shown: string): Promise<void> {
	const place = await readlink(`/proc/self/fd/${handle.fd}`);
	if (place === real || place === `${real} (deleted)`) return;
	const sentence = `${shown} led to ${toSafeLine(real)}, and a moment later to ${toSafeLine(place)}, so it is not opened`;
	throw new QubesLiteError("BadRequest", sentence, {
		remedy: `namei -l ${shellWord(shown)}   # see who changes the way there`,
	});
}

/** Guests name files, too, and a line of its own would pass for a remedy. */
const toSafeLine = (path: string): string => toSafeText(path).replaceAll(/[\n\t]/g, "\uFFFD");

/** `file`: the target's, opened. */
export async function toOpenCommand(
	vm: Pick<VmConfig, "open" | "sharedDirectories">,
	target: OpenTarget,
	file: OpenedFile | undefined,
): Promise<OpenCommand> {
	if (target.kind === "uri") return toOpenArgv(vm, target);
	if (file === undefined)
		throw new QubesLiteError("Internal", "a file is to be opened in a guest that is not open here");
	const sharedDirectories = await toRealDirectories(vm.sharedDirectories);
	return toOpenArgv({ open: vm.open, sharedDirectories }, { kind: "file", path: file.path, bytes: file.bytes });
}

/** As an opened file's path has them. One that is not there shares nothing. */
async function toRealDirectories<T extends { readonly path: string }>(directories: readonly T[]): Promise<T[]> {
	const real = directories.map(async (directory) => {
		const path = await realpath(directory.path).catch(() => undefined);
		return path === undefined ? [] : [{ ...directory, path }];
	});
	return (await Promise.all(real)).flat();
}
