/**
 * A real `systemd --user` with a real bus for a test user, in a mount namespace of its own: /run is empty there but for what
 * says that the system was booted with systemd (sd_booted(3)), and for a journal; Debian's sound server does not start there. Its sockets are in the user's own runtime
 * directory, so that programs outside the namespace reach them. Needs root, as the tests' machines give it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Outcome, Running, TestUser } from "../e2e/harness.ts";
import { OwnCgroups } from "./own-cgroups.ts";

const script = `
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system /run/systemd/user /run/systemd/journald.conf.d
for unit in pulseaudio.service pulseaudio.socket; do ln -s /dev/null /run/systemd/user/$unit; done
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nForwardToSyslog=no\\n' >/run/systemd/journald.conf.d/test.conf
/lib/systemd/systemd-journald >/dev/null 2>&1 &
eval "$ENTER"
unset ENTER
exec "$@"
`;

export class UserManager {
	readonly #user: TestUser;
	readonly #uid: number;
	readonly #cgroups: OwnCgroups;
	readonly #manager: ChildProcess;
	#words = "";

	private constructor(user: TestUser, uid: number) {
		this.#user = user;
		this.#uid = uid;
		this.#cgroups = new OwnCgroups(user.directory, uid);
		const [program = "unshare", ...words] = [...user.within, "unshare"];
		this.#manager = spawn(
			program,
			[
				...words,
				...["--mount", "--propagation", "private", "sh", "-c", script, "sh"],
				...[...this.#become(), "/lib/systemd/systemd", "--user", "--log-target=journal"],
			],
			{ env: { ...user.env, ENTER: this.#cgroups.enter }, stdio: ["ignore", "ignore", "pipe"] },
		);
		this.#manager.stderr?.on("data", (chunk: Buffer) => {
			this.#words = `${this.#words}${chunk}`.slice(-2_000);
		});
	}

	/** Resolves when its default target is up. `uid` is the user's. */
	static async start(user: TestUser, uid = process.getuid?.() ?? 0): Promise<UserManager> {
		const manager = new UserManager(user, uid);
		await user.until("the user manager is up", async () => {
			if (manager.#manager.exitCode !== null)
				throw new Error(`systemd --user ended: ${manager.#manager.exitCode}\n${manager.#words}`);
			const { stdout } = await manager.run("systemctl", "--user", "is-system-running");
			return /^(running|degraded)/.test(stdout);
		});
		return manager;
	}

	get pid(): number {
		return this.#manager.pid ?? 0;
	}

	/** Runs a program as the user, where systemctl and journalctl work. */
	run(program: string, ...words: string[]): Promise<Outcome> {
		const running = this.begin(program, ...words);
		running.stdin.end();
		return running.done;
	}

	/** The same for one that goes on. */
	begin(program: string, ...words: string[]): Running {
		const enter = ["--target", String(this.pid), "--mount", ...this.#become()];
		return this.#user.startAsTester("nsenter", [...enter, program, ...words]);
	}

	/** Properties of a unit, as `systemctl show` has them. */
	async show(unit: string, ...properties: string[]): Promise<Record<string, string>> {
		const { stdout } = await this.run("systemctl", "--user", "show", unit, `--property=${properties.join(",")}`);
		return Object.fromEntries(
			stdout
				.split("\n")
				.filter((line) => line.includes("="))
				.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
		);
	}

	/** What the journal has under this identifier: of a manager that is nobody's session, `journalctl --user` finds nothing. */
	journal(identifier: string): string {
		const words = ["journalctl", "--quiet", "--output=cat", `SYSLOG_IDENTIFIER=${identifier}`];
		return spawnSync("nsenter", ["--target", String(this.pid), "--mount", ...words]).stdout.toString();
	}

	/** Ends it with all that it keeps, as the end of a login does. */
	async stop(): Promise<void> {
		const ended = new Promise((resolve) => this.#manager.once("exit", resolve));
		if (this.#manager.exitCode === null && this.#manager.signalCode === null) {
			const journald = findChildren(this.pid, "systemd-journal");
			await this.run("systemctl", "--user", "exit");
			const timer = setTimeout(() => this.#manager.kill("SIGKILL"), 20_000);
			await ended;
			clearTimeout(timer);
			for (const pid of journald) process.kill(pid, "SIGKILL");
		}
		this.#cgroups.remove();
	}

	#become(): string[] {
		if (this.#uid === process.getuid?.()) return [];
		return ["setpriv", `--reuid=${this.#uid}`, `--regid=${this.#uid}`, "--clear-groups"];
	}
}

function findChildren(pid: number, name: string): number[] {
	const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
	return children.filter((child) => commOf(child) === name).map(Number);
}

/** "" of one that has just ended. */
function commOf(pid: string): string {
	try {
		return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
	} catch {
		return "";
	}
}
