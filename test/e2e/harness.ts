/** A user of their own for each test file: directories, configuration, and the real programs run as a person would. */
import { spawn, spawnSync } from "node:child_process";
import {
	chmodSync,
	existsSync,
	lchownSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errnoOf } from "../../src/errors.ts";
import type { VmStatus } from "../../src/protocol/broker-replies.ts";

const bin = fileURLToPath(new URL("../../bin", import.meta.url));

export interface Outcome {
	readonly status: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: string;
	readonly stderr: string;
	readonly ms: number;
}

export interface Running {
	readonly pid: number;
	readonly stdin: NodeJS.WritableStream;
	/** What it has written so far. */
	stdout(): string;
	stderr(): string;
	readonly done: Promise<Outcome>;
	kill(signal: NodeJS.Signals): void;
}

export interface TestUserOptions {
	readonly vms: readonly object[];
	/** "auto" if absent. */
	readonly supervisor?: string;
	/** Put before PATH: fakes of what the broker runs. */
	readonly path?: string;
	readonly cache?: string;
	readonly env?: Readonly<Record<string, string>>;
	/** Words before each program: what runs it. */
	readonly within?: readonly string[];
	/** Besides vms. */
	readonly config?: object;
	/** It gets a user manager. */
	readonly hasManager?: boolean;
	/** Who this user is; the tests' own user if absent. Needs root. */
	readonly uid?: number;
}

export class TestUser {
	readonly directory: string;
	readonly env: NodeJS.ProcessEnv;
	readonly runtime: string;
	readonly state: string;

	readonly within: readonly string[];
	readonly uid: number | undefined;
	/** Between two looks at what is waited for: real guests take seconds for what they do. */
	protected readonly longestPauseMs: number = 250;
	readonly #config: string;
	readonly #others: object;
	readonly #supervisor: string;

	constructor(options: TestUserOptions) {
		// systemd removes runtime directories of units from file systems in memory only, as $XDG_RUNTIME_DIR is one.
		this.directory = mkdtempSync(join(options.hasManager === true ? "/dev/shm" : tmpdir(), "ql-"));
		this.runtime = join(this.directory, "qubes-lite");
		this.state = join(this.directory, "state/qubes-lite");
		const config = join(this.directory, "config.json");
		this.within = options.within ?? [];
		this.uid = options.uid;
		this.#config = config;
		this.#others = options.config ?? {};
		this.#supervisor = options.supervisor ?? "auto";
		this.configure(options.vms);
		this.env = {
			PATH: [bin, options.path, process.env.PATH].filter((part) => part !== undefined).join(":"),
			HOME: this.directory,
			LANG: "C.UTF-8",
			QUBES_LITE_CONFIG: config,
			QUBES_LITE_BROKER_IDLE_MS: "500",
			XDG_RUNTIME_DIR: this.directory,
			XDG_STATE_HOME: join(this.directory, "state"),
			XDG_CACHE_HOME: options.cache ?? process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
			...options.env,
		};
		if (options.uid !== undefined) chownAll(this.directory, options.uid);
	}

	/** Writes the configuration; a broker that runs reads it soon, or when it is asked for something. */
	configure(vms: readonly object[], others = this.#others): void {
		writeFileSync(this.#config, JSON.stringify({ version: 1, supervisor: this.#supervisor, ...others, vms }));
	}

	/** Types a shell line. */
	sh(line: string, stdin: string | Buffer = ""): Promise<Outcome> {
		const running = this.start("/bin/sh", ["-c", line]);
		running.stdin.end(stdin);
		return running.done;
	}

	run(...words: string[]): Promise<Outcome> {
		const running = this.start("run-in-vm", words);
		running.stdin.end();
		return running.done;
	}

	start(program: string, words: readonly string[]): Running {
		if (this.uid === undefined) return this.startAsTester(program, words);
		const become = [`--reuid=${this.uid}`, `--regid=${this.uid}`, "--clear-groups"];
		return this.startAsTester("setpriv", [...become, program, ...words]);
	}

	/** With the tests' own rights, and this user's environment. */
	startAsTester(program: string, words: readonly string[]): Running {
		const beganAt = performance.now();
		const [first = program, ...rest] = [...this.within, program, ...words];
		const child = spawn(first, rest, { env: this.env, stdio: ["pipe", "pipe", "pipe"] });
		const stdout: Buffer[] = [];
		const stderr: Buffer[] = [];
		child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
		child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
		child.stdin.on("error", () => {});
		const done = new Promise<Outcome>((resolve, reject) => {
			child.once("error", reject);
			child.once("close", (status, signal) =>
				resolve({
					status,
					signal,
					stdout: Buffer.concat(stdout).toString(),
					stderr: Buffer.concat(stderr).toString(),
					ms: performance.now() - beganAt,
				}),
			);
		});
		return {
			pid: child.pid ?? 0,
			stdin: child.stdin,
			stdout: () => Buffer.concat(stdout).toString(),
			stderr: () => Buffer.concat(stderr).toString(),
			done,
			kill: (signal) => child.kill(signal),
		};
	}

	async status(vm: string): Promise<VmStatus> {
		const { stdout, stderr } = await this.sh(`qubes-lite status --json ${vm}`);
		if (stdout === "") throw new Error(`no status of ${vm}: ${stderr}`);
		return JSON.parse(stdout).vm;
	}

	/** What keeps it up, in words. */
	async leases(vm: string): Promise<string[]> {
		return (await this.status(vm)).leases.map(({ words }) => words);
	}

	/**
	 * Polls until `isReached`; a hang bound, not a measurement. The longer it takes the less often it looks: most looks start a client,
	 * and one after the other they would take half a processor from what is waited for.
	 */
	async until(what: string, isReached: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
		const beganAt = performance.now();
		while (!(await isReached())) {
			const waitedMs = performance.now() - beganAt;
			if (waitedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}\n${this.log()}`);
			const pauseMs = Math.min(Math.max(waitedMs / 5, 50), this.longestPauseMs);
			await new Promise((resolve) => setTimeout(resolve, pauseMs));
		}
	}

	/** Processes of this user's: brokers, shims, vmms, helpers, clients. Each carries the directory in words or environment. */
	processes(): { pid: number; words: string }[] {
		return readdirSync("/proc").flatMap((name) => {
			if (!/^[0-9]+$/.test(name) || Number(name) === process.pid) return [];
			try {
				const words = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
				const environment = readFileSync(`/proc/${name}/environ`, "utf8");
				const isOurs = words.includes(this.directory) || environment.includes(this.directory);
				return isOurs && words !== "" ? [{ pid: Number(name), words }] : [];
			} catch {
				return [];
			}
		});
	}

	brokerPids(): number[] {
		return this.processes()
			.filter(({ words }) => words.endsWith("broker.cjs") && !words.startsWith("flock"))
			.map(({ pid }) => pid);
	}

	brokerPid(): number {
		const [pid] = this.brokerPids();
		if (pid === undefined) throw new Error(`no broker runs\n${this.log()}`);
		return pid;
	}

	/** Returns those that were there. */
	signalBrokers(signal: NodeJS.Signals): number[] {
		const pids = this.brokerPids();
		for (const pid of pids) signalProcess(pid, signal);
		return pids;
	}

	/** However long its vms rest, a broker stays for who watches them: until the returned function is called. */
	async keepBroker(): Promise<() => Promise<void>> {
		const watcher = this.start("qubes-lite", ["events", "--json"]);
		await this.until("it watches", () => watcher.stdout().includes('"type":"broker"'));
		return async () => {
			watcher.kill("SIGINT");
			await watcher.done;
		};
	}

	/** Resolves when those are gone that are here now: whoever waits for one may have started the next already. */
	async endBrokers(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
		const pids = this.signalBrokers(signal);
		await this.until("that broker is gone", () => !this.brokerPids().some((pid) => pids.includes(pid)));
	}

	vmmPids(): number[] {
		return this.processes()
			.filter(({ words }) => /^\S*qemu-system-x86_64 |fake-guest|fake-crosvm\.mjs/.test(words))
			.map(({ pid }) => pid);
	}

	log(): string {
		const path = join(this.state, "broker.log");
		return existsSync(path) ? readFileSync(path, "utf8") : "(no broker log)";
	}

	/** Stops everything and looks at what is left: resolves with the census, which must be empty. */
	async leave(vms: readonly string[]): Promise<{ processes: string[]; files: string[] }> {
		await this.sh(`qubes-lite stop --force ${vms.join(" ")}`);
		await this.until("nothing runs", () => this.processes().length === 0, 15_000).catch(() => {});
		const census = {
			processes: this.processes().map(({ words }) => words),
			files: existsSync(this.runtime) ? readdirSync(this.runtime).filter((name) => name !== "broker.lock") : [],
		};
		for (const { pid } of this.processes()) signalProcess(pid, "SIGKILL");
		rmSync(this.directory, { recursive: true, force: true });
		return census;
	}
}

/** One that has ended meanwhile needs no signal; 0 and below would be the tests themselves, and others. */
export function signalProcess(pid: number | undefined, signal: NodeJS.Signals): void {
	if (pid === undefined || !(pid > 0)) throw new Error("there is no process to send a signal to");
	try {
		process.kill(pid, signal);
	} catch (cause) {
		if (errnoOf(cause) !== "ESRCH") throw cause;
	}
}

/** A directory with all that is in it; links themselves, not what they lead to. */
export function chownAll(path: string, uid: number): void {
	lchownSync(path, uid, uid);
	for (const entry of readdirSync(path, { withFileTypes: true, recursive: true })) {
		try {
			lchownSync(join(entry.parentPath, entry.name), uid, uid);
		} catch (cause) {
			/** A broker that runs may have removed it meanwhile. */
			if (errnoOf(cause) !== "ENOENT") throw cause;
		}
	}
}

export const nothingLeft = { processes: [], files: [] };

/** An XDG cache whose image directory is a stand-in: enough for a fake vmm, which never reads it. */
export function fakeCache(directory: string): string {
	const image = join(directory, "qubes-lite/images/current");
	mkdirSync(image, { recursive: true });
	const file = (name: string) => ({ name, size: 1, sha256: "0".repeat(64) });
	const manifest = {
		schema: 1,
		key: "0".repeat(64),
		kernelRelease: "fake",
		kernel: file("vmlinux"),
		initramfs: file("initrd.cpio"),
		root: file("root.erofs"),
		rootFormat: "erofs",
	};
	for (const name of ["vmlinux", "initrd.cpio", "root.erofs"]) writeFileSync(join(image, name), "x");
	writeFileSync(join(image, "image.json"), JSON.stringify(manifest));
	return directory;
}

export const sha256Of = (path: string): string => spawnSync("sha256sum", [path]).stdout.toString().slice(0, 64);

/** The tests' own image and tools, where any user can read them: links, or copies where it is another file system. Remove it afterwards. */
export function openCache(): string {
	const from = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "qubes-lite");
	const cache = mkdtempSync(join(tmpdir(), "ql-cache-"));
	const to = join(cache, "qubes-lite");
	mkdirSync(join(to, "images"), { recursive: true });
	for (const [source, target] of [
		[realpathSync(join(from, "images/current")), "images/current"],
		[join(from, "tools"), "tools"],
	] as const) {
		const copy = ["-R", "-P", "--preserve=mode,timestamps", source, join(to, target)];
		if (spawnSync("cp", ["--link", ...copy]).status === 0) continue;
		rmSync(join(to, target), { recursive: true, force: true });
		spawnSync("cp", copy);
	}
	for (const directory of [cache, to, join(to, "images"), join(to, "tools")]) chmodSync(directory, 0o755);
	return cache;
}
