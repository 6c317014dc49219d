/** What a broker and a shim leave in files for a broker that comes later. What is not exactly as expected reads as absent. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { errnoOf } from "../errors.ts";
import { type LaunchPlan, requiredPaths } from "../launch-plan.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { shimDirectories, shimFiles } from "./shim-script.ts";

type Shim = keyof typeof shimDirectories;

/** One start of a vm: enough to find its shim again, and to never take another process for it. */
export interface BootRecord {
	readonly schema: 1;
	/** The host's boot, without which pid and start time mean nothing. */
	readonly hostBootId: string;
	readonly shim: ProcessIdentity;
	/** Token of this start. */
	readonly boot: string;
	readonly startedAtUptimeMs: number;
	readonly plan: LaunchPlan;
}

/** The shim's last words. */
export interface ExitRecord {
	/** As sh has it, 128 + N for signal N; null if the vmm was never started. */
	readonly status: number | null;
	/** Index of the lost helper in the plan. */
	readonly lostHelper: number | null;
	/** File name of its program; null without a lost helper, and from a shim of an earlier version. */
	readonly lostProgram: string | null;
	/** The kernel ended the vmm for lack of memory. */
	readonly isOutOfMemory: boolean;
}

/** A kernel takes no longer argv than a quarter of the stack, 2 MiB; ours have a few KiB. */
const recordMaxBytes = 4 * 1024 * 1024;

const naturalNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const pid = v.pipe(naturalNumber, v.minValue(2));
const path = v.pipe(v.string(), v.startsWith("/"));
const launchProcess = { name: v.string(), argv: v.tupleWithRest([v.string()], v.string()) };

/** Long enough that no other process carries it by chance: killBootProcesses relies on that. */
export const bootTokenPattern = /^[0-9A-Za-z]{8,64}$/;

const requirement = v.variant("kind", [
	v.strictObject({ kind: v.picklist(["kvm", "tcg"]) }),
	v.strictObject({ kind: v.picklist(["tap", "no-tap"]), name: v.string() }),
	v.strictObject({ kind: v.picklist(requiredPaths), path }),
]);
const limits = v.strictObject({ memoryMaxMiB: v.nullable(naturalNumber), cpuWeight: v.nullable(naturalNumber) });

const bootRecordSchema = v.strictObject({
	schema: v.literal(1),
	hostBootId: v.string(),
	shim: v.strictObject({ pid, startTime: naturalNumber }),
	boot: v.pipe(v.string(), v.regex(bootTokenPattern)),
	startedAtUptimeMs: v.pipe(v.number(), v.minValue(0)),
	plan: v.strictObject({
		vm: v.string(),
		base: v.optional(v.nullable(v.string()), null),
		id: naturalNumber,
		hypervisor: v.picklist(["qemu", "crosvm"]),
		directory: path,
		helpers: v.array(v.strictObject({ ...launchProcess, socket: path, isVital: v.optional(v.boolean(), true) })),
		vmm: v.strictObject(launchProcess),
		stale: v.array(path),
		vsock: path,
		control: v.variant("kind", [
			v.strictObject({ kind: v.literal("qmp"), path }),
			v.strictObject({ kind: v.literal("crosvm"), path, program: path }),
		]),
		emptyDirectory: v.optional(v.nullable(path), null),
		wayland: v.optional(v.nullable(v.strictObject({ path, isByName: v.boolean() })), null),
		makesNamespaces: v.optional(v.boolean(), false),
		// Absent in the records of older brokers, and of no use once it runs.
		requires: v.optional(v.array(requirement), []),
		limits: v.optional(limits, { memoryMaxMiB: null, cpuWeight: null }),
		dependsOn: v.optional(v.array(v.string()), []),
		stopWithinMs: v.optional(naturalNumber, 0),
		opensInternetSockets: v.optional(v.boolean(), true),
	}),
});

export function parseBootRecord(text: string): BootRecord | undefined {
	try {
		return v.parse(bootRecordSchema, JSON.parse(text));
	} catch {
		return undefined;
	}
}

/** "143 0 PROGRAM": status 143 because helper 0 was lost, which was PROGRAM; "-" stands for null; "137 - oom-kill": for lack of memory. */
export function parseExitRecord(text: string): ExitRecord | undefined {
	const match = /^(\d{1,3}|-) (?:-( oom-kill)?|(\d{1,3})(?: (\S.{0,254}?))?) *\n$/.exec(text);
	if (match === null) return undefined;
	const [, status, outOfMemory, lostHelper, lostProgram] = match;
	return {
		status: status === "-" ? null : Number(status),
		lostHelper: lostHelper === undefined ? null : Number(lostHelper),
		lostProgram: lostProgram ?? null,
		isOutOfMemory: outOfMemory !== undefined,
	};
}

/** "PID STARTTIME" */
export function parseProcessIdentity(text: string): ProcessIdentity | undefined {
	const match = /^(\d{1,10}) (\d{1,15}) *\n$/.exec(text);
	const identity = { pid: Number(match?.[1]), startTime: Number(match?.[2]) };
	return v.is(pid, identity.pid) ? identity : undefined;
}

/** All of these read in the vm directory `directory`. They throw when they can't find out: no file descriptor to spare, no access. */
export const readBootRecord = (directory: string) =>
	readRecord(join(directory, shimDirectories.direct, shimFiles.boot), parseBootRecord);
export const readExitRecord = (directory: string, by: Shim) =>
	readRecord(join(directory, shimDirectories[by], shimFiles.exit), parseExitRecord);
export const readVmmIdentity = (directory: string, by: Shim) =>
	readRecord(join(directory, shimDirectories[by], shimFiles.vmm), parseProcessIdentity);

/** Writes the record so that a reader sees all of it or nothing. */
export async function writeBootRecord(record: BootRecord): Promise<void> {
	const path = join(record.plan.directory, shimDirectories.direct, shimFiles.boot);
	const file = await open(`${path}.tmp`, "wx", 0o600);
	try {
		await file.writeFile(JSON.stringify(record));
	} finally {
		await file.close();
	}
	await rename(`${path}.tmp`, path);
}

export function readRecord<T>(path: string, parse: (text: string) => T | undefined): T | undefined {
	const text = readPlainFile(path);
	return text === undefined ? undefined : parse(text);
}

function readPlainFile(path: string): string | undefined {
	let file: number | undefined;
	try {
		file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
		const stat = fstatSync(file);
		return stat.isFile() && stat.size <= recordMaxBytes ? readFileSync(file, "utf8") : undefined;
	} catch (error) {
		// ELOOP is a symlink, ENXIO a socket.
		if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) return undefined;
		throw error;
	} finally {
		if (file !== undefined) closeSync(file);
	}
}
