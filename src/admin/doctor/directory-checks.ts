/** The directories that we write to: ours, writable, with room. Looked at, never written to. */
import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { ringFileBytes } from "../../launch-plan.ts";
import { shellWord } from "../../shell-word.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import type { DoctorHost } from "./host.ts";

interface Room {
	readonly bytes: number;
	readonly inodes: number;
}

/** The least with which a vm starts: sockets, the shim's notes, first lines of logs; then all that one vm's logs may grow to. */
const runtimeLeast: Room = { bytes: 256 * 1024, inodes: 40 };
const runtimeGood: Room = { bytes: 2 * 3 * ringFileBytes, inodes: 200 };
/** The broker's log and its predecessor, and a vm's kept ones. */
const stateGood: Room = { bytes: 8 * 1024 * 1024, inodes: 40 };
/** guest-image/disk-room.ts: the peak of an image's build. */
const cacheGood: Room = { bytes: 500e6, inodes: 2000 };

export const directoryChecks = (host: DoctorHost): Check[] => [
	{ name: "runtime-directory", run: () => checkRuntime(host) },
	{ name: "runtime-room", run: () => checkRuntimeRoom(host) },
	{
		name: "state-directory",
		run: () => checkPlace(host.stateDirectory, stateGood, "logs are not kept"),
	},
	{
		name: "cache-directory",
		run: () => checkPlace(host.cacheDirectory, cacheGood, "no guest image can be built"),
	},
];

async function checkRuntime({ runtimeDirectory }: DoctorHost): Promise<Finding> {
	if (runtimeDirectory instanceof QubesLiteError) {
		return fail(runtimeDirectory.message, runtimeDirectory.remedy ?? "echo $XDG_RUNTIME_DIR");
	}
	const there = await nearest(runtimeDirectory);
	const problem = await findWriteProblem(there);
	if (problem !== undefined) return fail(`${there} can't be written to (${problem})`, toOwn(there, problem));
	return pass(`${runtimeDirectory} is ${there === runtimeDirectory ? "yours alone" : "made at the first start"}`);
}

async function checkRuntimeRoom({ runtimeDirectory }: DoctorHost): Promise<Finding> {
	if (runtimeDirectory instanceof QubesLiteError) {
		return warn("not looked at: there is no runtime directory", runtimeDirectory.remedy ?? "echo $XDG_RUNTIME_DIR");
	}
	const there = await nearest(runtimeDirectory);
	const room = await roomIn(there);
	const least = findLack(there, room, runtimeLeast);
	if (least !== undefined) return fail(`${least.sentence}: no vm can start`, least.remedy);
	const good = findLack(there, room, runtimeGood);
	if (good !== undefined) return warn(`${good.sentence}: less than one vm's logs may need`, good.remedy);
	return pass(`${formatBytes(room.bytes)} are free for sockets and logs`);
}

async function checkPlace(directory: string, good: Room, consequence: string): Promise<Finding> {
	const there = await nearest(directory);
	const problem = await findWriteProblem(there);
	if (problem !== undefined) {
		return warn(`${there} can't be written to (${problem}): ${consequence}`, toOwn(there, problem));
	}
	const room = await roomIn(there);
	const lack = findLack(there, room, good);
	if (lack !== undefined) return warn(`${lack.sentence}: ${consequence} where that is not enough`, lack.remedy);
	return pass(`${directory}: ${formatBytes(room.bytes)} are free`);
}

/** `path`, or of what is above it the first that is there. */
async function nearest(path: string): Promise<string> {
	try {
		await stat(path);
		return path;
	} catch (cause) {
		if (path === "/" || errnoOf(cause) !== "ENOENT") return path;
		return await nearest(dirname(path));
	}
}

async function findWriteProblem(directory: string): Promise<string | undefined> {
	try {
		if (!(await stat(directory)).isDirectory()) return "it is not a directory";
		await access(directory, constants.W_OK | constants.X_OK);
		return undefined;
	} catch (cause) {
		return errnoOf(cause) ?? String(cause);
	}
}

function toOwn(path: string, problem: string): string {
	const word = shellWord(path);
	if (problem === "EROFS") return `sudo mount -o remount,rw "$(findmnt -n -o TARGET -T ${word})"`;
	if (problem === "EACCES") return `sudo chown "$(id -u)" ${word} && chmod u+rwx ${word}`;
	return `namei -l ${word}`;
}

/** Infinity for what the file system does not count: zeros in statfs(2). */
async function roomIn(directory: string): Promise<Room> {
	const { blocks, bavail, bsize, files, ffree } = await statfs(directory);
	return { bytes: blocks === 0 ? Infinity : bavail * bsize, inodes: files === 0 ? Infinity : ffree };
}

function findLack(directory: string, room: Room, needed: Room): { sentence: string; remedy: string } | undefined {
	const word = shellWord(directory);
	if (room.bytes < needed.bytes) {
		return {
			sentence: `only ${formatBytes(room.bytes)} are free in ${directory}`,
			remedy: `df -h ${word}; du -xah ${word} | sort -h | tail   # what fills it; remove what you don't need`,
		};
	}
	if (room.inodes < needed.inodes) {
		return {
			sentence: `only ${room.inodes} inodes are free in ${directory}`,
			remedy: `df -i ${word}; du -x --inodes ${word} | sort -n | tail   # who has so many files; remove what you don't need`,
		};
	}
	return undefined;
}

function formatBytes(bytes: number): string {
	if (bytes === Infinity) return "as many bytes as you like";
	const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
	const step = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
	return `${Math.floor(bytes / 1024 ** step)} ${units[step]}`;
}
