/**
 * The supervisor for hosts without a systemd user manager. Each vmm runs under a shim of its own (shim-script.ts), in
 * sessions of their own, so that it neither needs the broker nor notices its end.
 */
import { mkdir, readdir, realpath, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { NEVER } from "rxjs";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { type LaunchPlan, vmFiles } from "../launch-plan.ts";
import { waitForChange } from "./change-watch.ts";
import { isShimAlive, superviseVmm } from "./direct-vmm.ts";
import { bootVariable, readHostBootId } from "./process-identity.ts";
import { spawnShim, type WaitingShim } from "./shim-process.ts";
import {
	type BootRecord,
	bootTokenPattern,
	readBootRecord,
	readExitRecord,
	readVmmIdentity,
	writeBootRecord,
} from "./shim-records.ts";
import { shimDirectories, toPlanWords } from "./shim-script.ts";
import { toBootFailed } from "./start-failure.ts";
import type { Adoption, RunningVmm, Supervisor } from "./supervisor.ts";
import { isUnitThere } from "./unit-traces.ts";
import { isVmDirectory, makeVmDirectory } from "./vm-directory.ts";

export interface DirectSupervisorOptions {
	/** `$XDG_RUNTIME_DIR/qubes-lite`: the parent of every plan's directory. */
	readonly runtimeDirectory: string;
	/** All that shim, helpers and vmm get; PATH must lead to the shim's programs (`shimPrograms.all`). */
	readonly environment: Readonly<Record<string, string>>;
	/** CLOCK_BOOTTIME. */
	readonly uptimeMs: () => number;
	/** Any POSIX sh; /bin/sh if absent. */
	readonly shell?: readonly [string, ...string[]];
	/** Crash point for tests: the shim is there and recorded nowhere; it is recorded and waits. */
	readonly onStep?: (step: "spawned" | "recorded") => void;
}

/** Other directories beside the vms' are none of ours. */
const vmDirectoryName = /^[a-z][a-z0-9-]{0,11}$/;

/** Between the making of a vm's directory and what is put into it first pass some ms. */
const forgottenAfterMs = 60_000;

export function createDirectSupervisor(options: DirectSupervisorOptions): Supervisor {
	const { runtimeDirectory } = options;
	const hostBootId = readHostBootId();
	const starting = new Set<string>();

	/** Bounded by its helpers' bounds: not to be cancelled. */
	async function start(plan: LaunchPlan, boot: string): Promise<RunningVmm> {
		if (!bootTokenPattern.test(boot)) throw new QubesLiteError("Internal", "A start needs a token of its own.");
		if (starting.has(plan.vm)) throw toBusy(plan.vm);
		starting.add(plan.vm);
		try {
			const isNew = await makeVmDirectory(plan.directory);
			if (!isNew) await endEarlierStart(plan);
			try {
				return await waitForVmm(await startShim(plan, boot));
			} catch (error) {
				await removeTraces(plan).catch(() => undefined);
				if (isNew) await rmdir(plan.directory).catch(() => undefined);
				throw error;
			}
		} catch (error) {
			throw toBootFailed(plan.vm, plan.directory, error);
		} finally {
			starting.delete(plan.vm);
		}
	}

	/** A vmm that lost its shim may still hold the vm's disks: waits for its end. Throws Busy if the shim is there, or systemd's is. */
	async function endEarlierStart(plan: LaunchPlan): Promise<void> {
		if (isUnitThere(plan.directory)) throw toBusy(plan.vm);
		const record = readBootRecord(plan.directory);
		if (record === undefined) return;
		if (isShimAlive(record, hostBootId)) throw toBusy(plan.vm);
		await superviseVmm(record, hostBootId).exited;
	}

	/** Order matters: what runs is recorded before it may start anything. No shim is left if it throws. */
	async function startShim(plan: LaunchPlan, boot: string): Promise<BootRecord> {
		const { directory } = plan;
		const words = ["direct", directory, ...toPlanWords(plan)];
		let shim: WaitingShim | undefined;
		try {
			await removeTraces(plan);
			const cwd = join(directory, shimDirectories.direct);
			await mkdir(cwd, { mode: 0o700 });
			if (plan.emptyDirectory !== null) await mkdir(plan.emptyDirectory, { mode: 0o700 });
			/** A unit's shim makes its own before it looks for ours: one of the two sees the other. */
			if (isUnitThere(directory)) throw toBusy(plan.vm);
			const startedAtUptimeMs = options.uptimeMs();
			const environment = { ...options.environment, [bootVariable]: boot };
			shim = await spawnShim(options.shell ?? ["/bin/sh"], words, { cwd, environment });
			options.onStep?.("spawned");
			const record: BootRecord = { schema: 1, hostBootId, shim: shim.identity, boot, startedAtUptimeMs, plan };
			await writeBootRecord(record);
			options.onStep?.("recorded");
			shim.proceed();
			return record;
		} catch (error) {
			await shim?.dismiss();
			throw error;
		}
	}

	/** Resolves when there is a vmm, or the shim says why not. A shim that can't even say so had no room to work. */
	async function waitForVmm(record: BootRecord): Promise<RunningVmm> {
		const { directory } = record.plan;
		const outcome = await waitForChange(join(directory, shimDirectories.direct), () => {
			const alive = isShimAlive(record, hostBootId);
			return (
				readVmmIdentity(directory, "direct") ?? readExitRecord(directory, "direct") ?? (alive ? undefined : "silence")
			);
		});
		const running = superviseVmm(record, hostBootId);
		if (outcome !== "silence") return running;
		const { log } = await running.exited;
		const words = log === "" ? "" : `: ${log.trimEnd()}`;
		throw new QubesLiteError(
			"BootFailed",
			`The shell that keeps ${record.plan.vm} could not work in ${directory}${words}`,
			{
				remedy: `df -h ${directory}; df -i ${directory}; ulimit -a`,
			},
		);
	}

	async function adopt(): Promise<Adoption> {
		const names = (await readdirIfThere(runtimeDirectory)).filter((name) => vmDirectoryName.test(name));
		const running: RunningVmm[] = [];
		const ended: Adoption["ended"][number][] = [];
		await Promise.all(names.map(adoptDirectory));
		return { running, ended };

		async function adoptDirectory(vm: string): Promise<void> {
			const directory = join(runtimeDirectory, vm);
			if (!(await isVmDirectory(directory))) return;
			// A directory without a shim's is somebody else's business, such as systemd's.
			if (!(await isVmDirectory(join(directory, shimDirectories.direct)))) return removeIfForgotten(directory);
			const record = readBootRecord(directory);
			if (record?.plan.vm !== vm || !(await isSameFile(record.plan.directory, directory))) {
				// A broker died before it had recorded the start, or somebody has tampered: no shim runs that we could know.
				await rm(directory, { recursive: true, force: true });
				return;
			}
			const lives = isShimAlive(record, hostBootId) && readExitRecord(directory, "direct") === undefined;
			const vmm = superviseVmm(record, hostBootId);
			if (lives) {
				running.push(vmm);
				return;
			}
			const { boot, logs } = vmm;
			ended.push({ vm, boot, logs, exit: await vmm.exited, cleanUp: () => vmm.cleanUp() });
		}
	}

	/** What it starts is started by nobody else. */
	const keepOnly = async (): Promise<void> => {};
	const sessionVariables = async (): Promise<ReadonlyMap<string, string>> => new Map();
	return { appeared: NEVER, endedUnseen: NEVER, isHidden: () => false, start, adopt, sessionVariables, keepOnly };
}

/** Removes an empty one that nobody is just about to fill: a broker died before its shim was there. */
async function removeIfForgotten(directory: string): Promise<void> {
	try {
		if (Date.now() - (await stat(directory)).mtimeMs > forgottenAfterMs) await rmdir(directory);
	} catch {
		// Not empty, or gone.
	}
}

/** Removes what an earlier start left, or this one; not what others keep in the directory, such as the broker's sockets. */
async function removeTraces(plan: LaunchPlan): Promise<void> {
	const rings = [vmFiles.console, vmFiles.log].flatMap((name) => [name, `${name}.1`, `${name}.2`]);
	const files = [...[vmFiles.consoleInput, ...rings].map((name) => join(plan.directory, name)), ...plan.stale];
	await Promise.all(files.map((file) => rm(file, { force: true })));
	for (const name of [shimDirectories.direct, vmFiles.empty]) {
		await rm(join(plan.directory, name), { recursive: true, force: true });
	}
}

function toBusy(vm: string): QubesLiteError {
	return new QubesLiteError("Busy", `${vm} is running already, or about to.`, { remedy: `qubes-lite status ${vm}` });
}

async function readdirIfThere(directory: string): Promise<string[]> {
	try {
		return await readdir(directory);
	} catch (error) {
		if (errnoOf(error) === "ENOENT") return [];
		throw error;
	}
}

async function isSameFile(one: string, other: string): Promise<boolean> {
	const [first, second] = await Promise.all([one, other].map((path) => realpath(path).catch(() => undefined)));
	return first !== undefined && first === second;
}
