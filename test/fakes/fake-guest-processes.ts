/** Stands for the guest's cgroups: a session's processes are those of the kernel's session that its command leads (setsid(2)). */
import { readdirSync, readFileSync } from "node:fs";
import type { ProcessGroups, SessionProcesses } from "../../src/guest/agent/cgroup.ts";

const lookMs = 20;
/** From SIGHUP to SIGKILL for the command of a client that is gone. */
const goneMs = 500;

export const fakeProcessGroups: ProcessGroups = {
	left: () => [],
	create: () => new FakeProcesses(),
};

class FakeProcesses implements SessionProcesses {
	#leader = 0;

	inside<T>(fork: () => T): T {
		const child = fork();
		this.#leader = (child as { pid?: number }).pid ?? 0;
		return child;
	}

	isPopulated(): boolean {
		return this.#pids().length > 0;
	}

	count(): number {
		return this.#pids().length;
	}

	whenEmpty(onEmpty: () => void): void {
		if (this.isPopulated()) setTimeout(() => this.whenEmpty(onEmpty), lookMs);
		else onEmpty();
	}

	end(): void {
		this.signal("SIGHUP");
		setTimeout(() => this.kill(), goneMs).unref();
	}

	signal(signal: NodeJS.Signals): void {
		for (const pid of this.#pids()) {
			try {
				process.kill(pid, signal);
			} catch {}
		}
	}

	kill(): void {
		this.signal("SIGKILL");
	}

	remove(): void {}

	/** proc_pid_stat(5): behind the name in brackets come state, parent, process group and session. */
	#pids(): number[] {
		if (this.#leader === 0) return [];
		return readdirSync("/proc").flatMap((name) => {
			try {
				const stat = readFileSync(`/proc/${Number(name)}/stat`, "utf8");
				const [state, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
				return Number(session) === this.#leader && state !== "Z" ? [Number(name)] : [];
			} catch {
				return [];
			}
		});
	}
}
