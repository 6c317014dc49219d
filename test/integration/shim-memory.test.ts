/** A vmm that the kernel ends for lack of memory, in a cgroup of which a mount namespace tells: whether there is a memory controller, the machine decides. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { shimPath } from "../../src/activation/shim-script.ts";

let directories: string;
beforeEach(() => {
	directories = mkdtempSync(join(tmpdir(), "ql-memory-"));
});
afterEach(() => rmSync(directories, { recursive: true }));

/** The shim's last words on a vmm that is `script`, which has the cgroup's file as $events. */
function endOf(shell: string, script: string): string {
	const directory = mkdtempSync(join(directories, "vm-"));
	mkdirSync(join(directory, "shim"));
	const plan = `direct '${directory}' 0 env events="$events" sh -c '${script}'`;
	const seed = `
		mount -t tmpfs none /sys/fs/cgroup
		own=$(sed -n s/^0:://p /proc/self/cgroup)
		mkdir -p "/sys/fs/cgroup$own"
		events=/sys/fs/cgroup$own/memory.events
		printf 'low 0\nhigh 9\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n' >"$events"
		cd '${directory}/shim'
		echo go | exec ${shell} '${shimPath}' ${plan}`;
	const words = ["--user", "--map-root-user", "--mount", "sh", "-c", seed];
	const { stderr } = spawnSync("unshare", words, { encoding: "utf8" });
	expect(stderr.replace("Killed\n", ""), "a shell tells of its last command's signal").toBe("");
	return readFileSync(join(directory, "shim/exit"), "utf8").trimEnd();
}

const killed = "kill -KILL $$";
const counted = "echo oom_kill 3 >$events";

it.each(["dash", "busybox sh", "bash --posix"])("is told from one that somebody has killed, under %s", (shell) => {
	expect(endOf(shell, `${counted}; ${killed}`)).toBe("137 - oom-kill");
	expect(endOf(shell, killed), "others have ended before it").toBe("137 -");
	expect(endOf(shell, `${counted}; exit 3`), "and one that went on").toBe("3 -");
	expect(endOf(shell, `rm $events; ${killed}`), "without a controller").toBe("137 -");
});
