/**
 * One cgroup v2 per session, below the agent's own: it counts every process that the command leaves behind, double
 * forks included, and ends them all at once (cgroups(7), "cgroup.kill" and "cgroup.events" in the kernel's cgroup-v2).
 */
import { type FSWatcher, mkdirSync, readdirSync, readFileSync, rmdirSync, watch, writeFileSync } from "node:fs";
import { errnoOf } from "../../errors.ts";

const mount = "/sys/fs/cgroup";
const prefix = "session-";

/** HUP, then TERM, then KILL for a command whose client is gone: all within 5 s. */
const goneSteps = [
	{ signal: "SIGHUP", waitMs: 1_500 },
	{ signal: "SIGTERM", waitMs: 1_500 },
] as const;

/** Populated is what is not known to be empty: it is looked at again this often. */
const lookEveryMs = 1_000;

/** The agent's own cgroup: "0::/" in the busybox guest, a unit's in a systemd guest. */
function ownCgroup(): string {
	const line = readFileSync("/proc/self/cgroup", "utf8")
		.split("\n")
		.find((entry) => entry.startsWith("0::"));
	const path = line?.slice("0::".length) ?? "/";
	return path === "/" ? mount : `${mount}${path}`;
}

/** The processes of one session, however they were forked. */
export interface SessionProcesses {
	/**
	 * Calls `fork`, so that what it forks is born among them: there is no moment at which a child of the command could be
	 * outside.
	 */
	inside<T>(fork: () => T): T;
	isPopulated(): boolean;
	/** How many there are now. */
	count(): number;
	/** Calls `onEmpty` once, when the last process is gone; at once if there is none. */
	whenEmpty(onEmpty: () => void): void;
	/** Ends them all, who may say goodbye first: nobody reads what they say any more. */
	end(): void;
	/** To each process that is there now. */
	signal(signal: NodeJS.Signals): void;
	/** SIGKILL to all, forks in progress included. */
	kill(): void;
	/** After the last process is gone. */
	remove(): void;
}

export interface ProcessGroups {
	/** Sessions that an earlier agent of this boot left behind. */
	left(): number[];
	create(session: number): SessionProcesses;
}

export class SessionCgroups implements ProcessGroups {
	readonly #base: string;

	constructor(base = ownCgroup()) {
		this.#base = base;
	}

	left(): number[] {
		return readdirSync(this.#base)
			.filter((name) => /^session-[1-9][0-9]{0,15}$/.test(name))
			.map((name) => Number(name.slice(prefix.length)));
	}

	create(session: number): SessionCgroup {
		const path = `${this.#base}/${prefix}${session}`;
		mkdirSync(path, { recursive: true });
		return new SessionCgroup(path, `${this.#base}/cgroup.procs`);
	}
}

class SessionCgroup implements SessionProcesses {
	readonly #path: string;
	readonly #home: string;

	constructor(path: string, home: string) {
		this.#path = path;
		this.#home = home;
	}

	/** The agent itself is in the cgroup meanwhile. */
	inside<T>(fork: () => T): T {
		writeFileSync(`${this.#path}/cgroup.procs`, "0");
		try {
			return fork();
		} finally {
			writeFileSync(this.#home, "0");
		}
	}

	/** A cgroup that has been removed holds nobody; of one that can't be read now nobody knows. */
	isPopulated(): boolean {
		try {
			return readFileSync(`${this.#path}/cgroup.events`, "utf8").includes("populated 1");
		} catch (cause) {
			return !isRemoved(cause);
		}
	}

	/** The kernel tells of a change; the timer is for what it could not tell, for want of descriptors or watches. */
	whenEmpty(onEmpty: () => void): void {
		let watcher: FSWatcher | undefined;
		let timer: NodeJS.Timeout | undefined;
		const look = (): void => {
			if (timer === undefined || this.isPopulated()) return;
			clearInterval(timer);
			timer = undefined;
			watcher?.close();
			onEmpty();
		};
		timer = setInterval(look, lookEveryMs);
		try {
			watcher = watch(`${this.#path}/cgroup.events`, look);
			watcher.on("error", () => {});
		} catch {}
		look();
	}

	/** A process that was stopped hears of it, too. */
	end(): void {
		const steps = [...goneSteps];
		const next = (): void => {
			if (!this.isPopulated()) return;
			const step = steps.shift();
			if (step === undefined) {
				this.kill();
				return;
			}
			this.signal(step.signal);
			this.signal("SIGCONT");
			setTimeout(next, step.waitMs);
		};
		next();
	}

	signal(signal: NodeJS.Signals): void {
		for (const pid of this.#pids()) signalProcess(pid, signal);
	}

	count(): number {
		return this.#pids().length;
	}

	/** None where they can't be told: KILL, which needs no list, comes at the end. */
	#pids(): number[] {
		try {
			const words = readFileSync(`${this.#path}/cgroup.procs`, "utf8").split("\n");
			return words.map(Number).filter((pid) => pid > 0);
		} catch {
			return [];
		}
	}

	kill(): void {
		try {
			writeFileSync(`${this.#path}/cgroup.kill`, "1");
		} catch {}
	}

	/** A directory that the kernel still holds is left: it costs nothing and keeps nothing. */
	remove(): void {
		try {
			rmdirSync(this.#path);
		} catch {}
	}
}

/** ENODEV: it was opened before it was removed. */
const isRemoved = (cause: unknown): boolean => ["ENOENT", "ENODEV"].includes(errnoOf(cause) ?? "");

/** A process that ends at the same moment is no error. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch {}
}
