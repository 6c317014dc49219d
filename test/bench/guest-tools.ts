/** Programs of this machine, carried into a running guest for the length of a measurement: what we are compared with. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findSharedLibraries } from "../../guest-image/shared-libraries.ts";
import type { TestUser } from "../e2e/harness.ts";

export interface CarriedFile {
	readonly from: string;
	/** Absolute path in the guest. */
	readonly to: string;
	readonly mode: number;
}

/** Puts the files, and the libraries that programs among them need, where the guest has none yet. */
export async function carryIn(user: TestUser, vm: string, files: readonly CarriedFile[]): Promise<void> {
	const tree = mkdtempSync(join(tmpdir(), "ql-carry-"));
	/** The guest's own root takes over its mode. */
	chmodSync(tree, 0o755);
	try {
		for (const { from, to } of files) copy(from, join(tree, to));
		for (const library of await librariesOf(files)) {
			if (isInGuest(user, vm, library)) continue;
			copy(realpathSync(library), join(tree, library));
		}
		const tar = spawnSync("tar", ["-c", "--owner=0", "--group=0", "-C", tree, "."], { maxBuffer: 64 * 1024 * 1024 });
		const untar = spawnSync("run-in-vm", ["-u", "root", vm, "tar", "-x", "-C", "/"], {
			env: user.env,
			input: tar.stdout,
			stdio: ["pipe", "ignore", "inherit"],
		});
		if (untar.status !== 0) throw new Error(`the guest took no files: ${untar.status}`);
		for (const { to, mode } of files) inGuest(user, vm, "chmod", mode.toString(8), to);
	} finally {
		rmSync(tree, { recursive: true });
	}
}

async function librariesOf(files: readonly CarriedFile[]): Promise<Set<string>> {
	const programs = files.filter(({ mode }) => (mode & 0o111) !== 0);
	const { signal } = new AbortController();
	const libraries = await Promise.all(programs.map(({ from }) => findSharedLibraries(from, signal)));
	return new Set(libraries.flat());
}

const isInGuest = (user: TestUser, vm: string, path: string): boolean =>
	spawnSync("run-in-vm", ["-u", "root", vm, "test", "-e", path], { env: user.env }).status === 0;

function copy(from: string, to: string): void {
	mkdirSync(dirname(to), { recursive: true });
	cpSync(from, to);
}

/** As root; returns what it says. Throws where it fails. */
export function inGuest(user: TestUser, vm: string, ...command: readonly string[]): string {
	const { status, stdout, stderr } = spawnSync("run-in-vm", ["-u", "root", vm, ...command], { env: user.env });
	if (status !== 0) throw new Error(`${command.join(" ")} in the guest: ${status} ${stderr.toString()}`);
	return stdout.toString();
}

/** Starts a server in the guest, which lives as long as the guest. */
export function serveInGuest(user: TestUser, vm: string, ...command: readonly string[]): void {
	const { status, stderr } = spawnSync("run-in-vm", ["-d", "-u", "root", vm, ...command], { env: user.env });
	if (status !== 0) throw new Error(`${command.join(" ")} in the guest: ${status} ${stderr.toString()}`);
}

export interface GuestCpu {
	/** Of the one processor, ms: all that it has done, and of that the agent's share. */
	readonly busyMs: number;
	readonly agentMs: number;
}

/** proc_stat(5), proc_pid_stat(5): ticks of 10 ms. */
export function guestCpu(user: TestUser, vm: string): GuestCpu {
	const text = inGuest(user, vm, "sh", "-c", "head -n 1 /proc/stat; cat /proc/$(pidof node)/stat");
	const [all = "", agent = ""] = text.split("\n");
	const [, userTicks = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = all.split(/ +/).map(Number);
	const fields = agent
		.slice(agent.lastIndexOf(")") + 2)
		.split(" ")
		.map(Number);
	const toMs = (ticks: number): number => ticks * 10;
	return {
		busyMs: toMs(userTicks + nice + system + irq + softirq),
		agentMs: toMs((fields[11] ?? 0) + (fields[12] ?? 0)),
	};
}
