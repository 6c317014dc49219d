/** A runtime directory of its own, launch plans of fake programs in it, and a census of what is left. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createDirectSupervisor, type DirectSupervisorOptions } from "../../src/activation/direct-supervisor.ts";
import type { VmmExit } from "../../src/activation/supervisor.ts";
import { type ErrorFacts, errnoOf } from "../../src/errors.ts";
import type { LaunchPlan } from "../../src/launch-plan.ts";

const fake = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Marks every process of one test, so that a census counts nobody else's. */
const markVariable = "QUBES_LITE_TEST";

export function createBootToken(): string {
	return randomBytes(16).toString("hex");
}

/** Asks every 10 ms until there is an answer, of a file that is not there yet, too; fails after `boundMs`. */
export async function until<T>(what: string, look: () => T | undefined | false, boundMs = 20_000): Promise<T> {
	for (const end = Date.now() + boundMs; Date.now() < end; ) {
		const value = orNotYet(look);
		if (value !== undefined && value !== false) return value;
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
	throw new Error(`Waited ${boundMs} ms in vain: ${what}`);
}

function orNotYet<T>(look: () => T): T | undefined {
	try {
		return look();
	} catch (cause) {
		if (errnoOf(cause) !== "ENOENT") throw cause;
		return undefined;
	}
}

/** The arguments of fake-vmm.ts, and of one fake-vmm-helper.ts for each of `helpers`; one that begins with ? is not vital. */
export function toFakePlan(directory: string, vmm: readonly string[], helpers: readonly string[] = []): LaunchPlan {
	const socket = (index: number) => join(directory, `helper${index}.sock`);
	return {
		vm: directory.slice(directory.lastIndexOf("/") + 1),
		id: 3,
		hypervisor: "qemu",
		directory,
		helpers: helpers.map((mode, index) => ({
			name: `helper${index}`,
			argv: [process.execPath, fake("fake-vmm-helper.ts"), socket(index), mode.replace("?", "")],
			socket: socket(index),
			isVital: !mode.startsWith("?"),
		})),
		vmm: { name: "fake-vmm", argv: [process.execPath, fake("fake-vmm.ts"), ...vmm] },
		stale: helpers.map((_, index) => socket(index)),
		vsock: join(directory, "vsock"),
		control: { kind: "qmp", path: join(directory, "qmp.sock") },
		base: null,
		requires: [],
		limits: { memoryMaxMiB: null, cpuWeight: null },
		dependsOn: [],
		stopWithinMs: 55_000,
		opensInternetSockets: false,
		...{ emptyDirectory: null, wayland: null, makesNamespaces: false },
	};
}

export type FakeVmHost = ReturnType<typeof createFakeVmHost>;

export function createFakeVmHost(options: Partial<DirectSupervisorOptions> = {}) {
	const runtimeDirectory = mkdtempSync("/tmp/qubes-lite-test-");
	const mark = randomBytes(8).toString("hex");
	const environment = { PATH: process.env.PATH ?? "", [markVariable]: mark, ...options.environment };
	const supervisorOptions: DirectSupervisorOptions = {
		runtimeDirectory,
		uptimeMs: () => 12_345,
		...options,
		environment,
	};
	const brokers: FakeBroker[] = [];

	function takeCensus() {
		const processes = readdirSync("/proc").filter((pid) => readOrEmpty(`/proc/${pid}/environ`).includes(mark));
		const files = readdirSync(runtimeDirectory, { recursive: true });
		const fds = readdirSync("/proc/self/fd");
		const watches = fds.map((fd) => readOrEmpty(`/proc/self/fdinfo/${fd}`).match(/inotify wd/g)?.length ?? 0);
		const ours = fds.filter((fd) => linkOrEmpty(`/proc/self/fd/${fd}`).startsWith(runtimeDirectory));
		return { processes, files, fds: ours, watches: watches.reduce((sum, count) => sum + count, 0) };
	}

	const file = (name: string) => readFileSync(join(runtimeDirectory, "shopping", name), "utf8");
	/** Of "vmm", or of a helper by its index. */
	const pid = (name: string) => Number.parseInt(file(`shim/${name}.pid`), 10);

	const before = takeCensus();
	return {
		runtimeDirectory,
		environment,
		supervisor: createDirectSupervisor(supervisorOptions),
		createSupervisor: (more: Partial<DirectSupervisorOptions>) =>
			createDirectSupervisor({ ...supervisorOptions, ...more }),
		directory: (vm = "shopping") => join(runtimeDirectory, vm),
		plan: (vmm: readonly string[], helpers?: readonly string[]) =>
			toFakePlan(join(runtimeDirectory, "shopping"), vmm, helpers),
		file,
		pid,
		shimPid: (): number => JSON.parse(file("shim/boot.json")).shim.pid,
		/** Lets a vmm that was told to wait go on, once it does. */
		async release() {
			await until("the vmm waits", () => catchesSigusr2(pid("vmm")));
			process.kill(pid("vmm"), "SIGUSR2");
		},
		/** A broker in a process of its own, to be limited or killed; `prefix` is the command that runs it. */
		startBroker(prefix: readonly string[] = [], directory = runtimeDirectory) {
			const broker = startFakeBroker(prefix, { runtimeDirectory: directory, environment });
			brokers.push(broker);
			return broker;
		},
		/** Fails unless everything is as it was at the beginning; gives the kernel a moment. */
		async assertCensus() {
			for (const broker of brokers) await broker.kill();
			const expected = JSON.stringify(before);
			const look = () => JSON.stringify(takeCensus()) === expected;
			await until("the census", look, 5000).catch(() => {
				const now = takeCensus();
				for (const pid of now.processes) process.kill(Number(pid), "SIGKILL");
				throw new Error(`Left behind: ${JSON.stringify(now)}, before: ${expected}`);
			});
		},
		takeCensus,
		remove: () => rmSync(runtimeDirectory, { recursive: true, force: true }),
	};
}

/** What fake-vmm-broker.ts understands, one JSON line each; `vm` is `shopping`. */
export type BrokerRequest =
	| { op: "start"; vmm: readonly string[]; helpers?: readonly string[]; crashAt?: "spawned" | "recorded" }
	| { op: "adopt" | "exit" | "cleanUp" | "list" }
	/** Leaves room for so many pages, or files, on the runtime directory's file system. */
	| { op: "fill"; with: "pages" | "files"; leave: number }
	| { op: "free" };

export interface BrokerReply {
	readonly error?: ErrorFacts;
	readonly running?: readonly string[];
	readonly ended?: readonly { readonly vm: string; readonly exit: VmmExit }[];
	readonly exit?: VmmExit;
	readonly files?: readonly string[];
	readonly uid?: number;
}

export interface FakeBroker {
	readonly pid: number;
	ask(request: BrokerRequest): Promise<BrokerReply>;
	/** SIGKILL; resolves when it is gone. */
	kill(): Promise<void>;
	/** Resolves when it is gone, however. */
	readonly gone: Promise<void>;
}

function startFakeBroker(prefix: readonly string[], configuration: object): FakeBroker {
	const argv = [...prefix, process.execPath, fake("fake-vmm-broker.ts"), JSON.stringify(configuration)];
	const child: ChildProcessWithoutNullStreams = spawn(argv[0] ?? "", argv.slice(1));
	child.stderr.pipe(process.stderr);
	const replies = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
	return {
		pid: child.pid ?? 0,
		async ask(request) {
			child.stdin.write(`${JSON.stringify(request)}\n`);
			const { value, done } = await replies.next();
			if (done) throw new Error("The broker is gone.");
			return JSON.parse(value);
		},
		async kill() {
			child.kill("SIGKILL");
			await gone;
		},
		gone,
	};
}

function catchesSigusr2(pid: number): boolean {
	const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1];
	return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(constants.signals.SIGUSR2 - 1)) & 1n) === 1n;
}

function readOrEmpty(path: string): string {
	try {
		return readFileSync(path, "latin1");
	} catch {
		return "";
	}
}

function linkOrEmpty(path: string): string {
	try {
		return readlinkSync(path);
	} catch {
		return "";
	}
}
