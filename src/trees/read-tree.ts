/** Files and directories as an archive. Nothing is followed below what was opened, and a file that changes meanwhile is noticed. */

import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, type Stats } from "node:fs";
import { QubesLiteError } from "../errors.ts";
import { paddingOf } from "../tar/tar-format.ts";
import { encodeEntry, endOfArchive } from "../tar/tar-writer.ts";
import { depthMax, entriesMax, findNameFault, staysInside, type TreeEntry } from "../tar/tree-entry.ts";
import { below, fileError, namesIn, openDirectoryBelow, statBelow } from "./below.ts";

/** What is to be copied, opened by its owner, who closes it. */
export interface Source {
	readonly fd: number;
	/** Its name in the archive. */
	readonly root: string;
	/** What its owner calls it. */
	readonly shown: string;
}

export interface Sums {
	readonly files: number;
	readonly bytes: number;
}

/** What of a tree is not copied, and why: "dir/socket: a socket". */
export type LeaveOut = (what: string) => void;

const pieceBytes = 256 * 1024;

/** How much there is to be copied. Throws where something can't be: better before than in the middle. */
export function measure(sources: readonly Source[]): Sums {
	let [files, bytes, entries] = [0, 0, 0];
	for (const source of sources) {
		for (const { entry } of walk(source, () => {})) {
			entries += 1;
			if (entries > entriesMax) throw new QubesLiteError("Limit", `there are more than ${entriesMax} files`);
			if (entry.kind !== "file") continue;
			files += 1;
			bytes += entry.bytes;
		}
	}
	return { files, bytes };
}

/** The archive, piece by piece; `count` is told of content and files as they go. Throws a sentence about the first that can't be read. */
export function* readTrees(
	sources: readonly Source[],
	{ leaveOut, count }: { readonly leaveOut: LeaveOut; readonly count: (files: number, bytes: number) => void },
): Generator<Buffer> {
	for (const source of sources) {
		for (const node of walk(source, leaveOut)) {
			if (node.entry.kind === "file") yield* readFile(node, count);
			else yield encodeEntry(node.entry);
		}
	}
	yield endOfArchive;
}

interface Node {
	readonly entry: TreeEntry;
	readonly shown: string;
	/** Opens it where it was found; gives a root's descriptor. */
	readonly open: () => number;
	/** What has been opened is to be closed: a root is its owner's. */
	readonly isOwned: boolean;
}

function* walk({ fd, root, shown }: Source, leaveOut: LeaveOut): Generator<Node> {
	const found = fstatSync(fd);
	const common = { path: [root], mode: found.mode & 0o777, mtimeS: toSeconds(found) };
	if (found.isFile()) {
		yield { entry: { kind: "file", ...common, bytes: found.size }, shown, open: () => fd, isOwned: false };
	} else if (found.isDirectory()) {
		yield { entry: { kind: "directory", ...common }, shown, open: () => fd, isOwned: false };
		yield* walkBelow(fd, [root], shown, leaveOut);
	} else throw new QubesLiteError("BadRequest", `${shown} is neither a file nor a directory`);
}

function* walkBelow(directory: number, path: readonly string[], shown: string, leaveOut: LeaveOut): Generator<Node> {
	if (path.length >= depthMax) throw new QubesLiteError("Limit", `${shown} is nested more than ${depthMax} deep`);
	for (const bytes of listNames(directory, shown)) {
		const name = checkName(bytes, shown);
		const its = `${shown === "/" ? "" : shown}/${name}`;
		try {
			yield* walkOne(directory, name, [...path, name], its, leaveOut);
		} catch (cause) {
			throw fileError(cause, its);
		}
	}
}

function* walkOne(
	directory: number,
	name: string,
	path: readonly string[],
	shown: string,
	leaveOut: LeaveOut,
): Generator<Node> {
	const found = statBelow(directory, name);
	if (found === undefined) throw new QubesLiteError("Internal", `${shown} went away while it was copied`);
	const common = { path, mode: found.mode & 0o777, mtimeS: toSeconds(found) };
	const open = () => openSync(below(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	if (found.isFile()) yield { entry: { kind: "file", ...common, bytes: found.size }, shown, open, isOwned: true };
	else if (found.isSymbolicLink()) {
		const target = readlinkSync(below(directory, name), { encoding: "buffer" });
		const text = isUtf8(target) ? target.toString("utf8") : "";
		if (!staysInside(text, path.length - 2) || /\p{Cc}/u.test(text))
			leaveOut(`${shown}: a link that leads out of what is copied`);
		else yield { entry: { kind: "link", ...common, target: text }, shown, open, isOwned: true };
	} else if (found.isDirectory()) {
		const fd = openDirectoryBelow(directory, name);
		try {
			yield { entry: { kind: "directory", ...common }, shown, open, isOwned: true };
			yield* walkBelow(fd, path, shown, leaveOut);
		} finally {
			closeSync(fd);
		}
	} else leaveOut(`${shown}: ${kindOf(found)}`);
}

function* readFile(node: Node, count: (files: number, bytes: number) => void): Generator<Buffer> {
	const { entry, shown } = node;
	let fd: number | undefined;
	try {
		fd = node.open();
		const found = fstatSync(fd);
		if (!found.isFile()) throw new QubesLiteError("BadRequest", `${shown} was replaced while it was copied`);
		yield encodeEntry({ ...entry, kind: "file", bytes: found.size });
		for (let at = 0; at < found.size; ) {
			const piece = Buffer.allocUnsafe(Math.min(pieceBytes, found.size - at));
			const length = readSync(fd, piece, 0, piece.length, at);
			if (length === 0) throw new QubesLiteError("BadRequest", `${shown} became shorter while it was copied`);
			at += length;
			count(0, length);
			yield piece.subarray(0, length);
		}
		const padding = paddingOf(found.size);
		if (padding > 0) yield Buffer.alloc(padding);
		count(1, 0);
	} catch (cause) {
		throw fileError(cause, shown);
	} finally {
		if (node.isOwned && fd !== undefined) closeSync(fd);
	}
}

function listNames(directory: number, shown: string): Buffer[] {
	try {
		return namesIn(directory);
	} catch (cause) {
		throw fileError(cause, shown);
	}
}

function checkName(bytes: Buffer, shown: string): string {
	const name = bytes.toString("utf8");
	const fault = isUtf8(bytes) ? findNameFault(name) : "is not valid UTF-8";
	if (fault === undefined) return name;
	throw new QubesLiteError("BadRequest", `${shown} has something in it whose name can't be copied: "${name}" ${fault}`);
}

const toSeconds = ({ mtimeMs }: Stats): number => Math.floor(mtimeMs / 1000);

function kindOf(found: Stats): string {
	if (found.isSocket()) return "a socket";
	return found.isFIFO() ? "a FIFO" : "a device";
}
