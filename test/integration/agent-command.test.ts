/** How the agent starts commands, on this machine's own kernel: as another user where we are root, else as ourselves. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Command, createStartCommand, type OutputSource } from "../../src/guest/agent/command.ts";
import { libc } from "../../src/guest/agent/libc.ts";
import type { GuestUser } from "../../src/guest/agent/users.ts";
import type { Exec } from "../../src/protocol/exec.ts";
import { fakeProcessGroups } from "../fakes/fake-guest-processes.ts";

const isRoot = process.getuid?.() === 0;
const uid = isRoot ? 65_534 : (process.getuid?.() ?? 0);
const gid = isRoot ? 65_534 : (process.getgid?.() ?? 0);
const groups = isRoot ? [7, 8] : [];
let directory: string;
let startCommand: ReturnType<typeof createStartCommand>;

beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-command-"));
	chmodSync(directory, 0o755);
	startCommand = createStartCommand({
		findUser: (name): GuestUser => ({ name: name ?? "user", uid, gid, groups, home: directory, shell: "/bin/sh" }),
		environment: () => ({ PATH: `${directory}/bin:/usr/bin:/bin` }),
	});
	mkdirSync(join(directory, "bin"));
});

afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

const base: Exec = { argv: [], env: {}, cwd: null, user: null, tty: null, detach: false };

const start = (argv: readonly string[], exec: Partial<Exec> = {}): Command =>
	startCommand({ ...base, argv, ...exec }, fakeProcessGroups.create(1));

const file = (name: string, text: string, mode = 0o755): string => {
	const path = join(directory, name);
	writeFileSync(path, text);
	chmodSync(path, mode);
	return path;
};

function read(source: OutputSource | null): Promise<string> {
	if (source === null) return Promise.resolve("");
	const block = Buffer.alloc(65_536);
	let text = "";
	return new Promise((resolve) => {
		const stream = source({
			buffer: () => block,
			callback: (bytes) => {
				text += block.toString("utf8", 0, bytes);
				return true;
			},
		});
		stream.once("close", () => resolve(text));
		stream.resume();
	});
}

/** Its whole output and end, with an empty input. */
async function run(argv: readonly string[], exec: Partial<Exec> = {}) {
	const command = start(argv, exec);
	const [stdout, stderr] = [read(command.stdout), read(command.stderr)];
	if (!command.isTerminal) command.stdin.destroy();
	return { end: await command.ended, stdout: await stdout, stderr: await stderr };
}

const sh = (script: string, exec: Partial<Exec> = {}) => run(["sh", "-c", script], exec);

function failureOf(argv: readonly string[], exec: Partial<Exec> = {}): string {
	try {
		start(argv, exec);
	} catch (cause) {
		const { failure, message } = cause as { failure: string; message: string };
		return `${failure}: ${message}`;
	}
	return "it started";
}

describe("the end of a command", () => {
	it("is exact for every exit status", async () => {
		for (let first = 0; first < 256; first += 64) {
			const codes = Array.from({ length: 64 }, (_, index) => first + index);
			const ends = await Promise.all(codes.map(async (code) => (await sh(`exit ${code}`)).end));
			expect(ends).toEqual(codes.map((code) => ({ code })));
		}
	});

	it("is exact for every signal that ends a process, real-time ones too", async () => {
		const { SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH } = constants.signals;
		const harmless = [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, 32, 33];
		for (let signal = 1; signal <= 64; signal++) {
			if (harmless.includes(signal)) continue;
			const command = start(["sleep", "100"]);
			process.kill(command.pid, signal);
			expect(await command.ended).toMatchObject({ signalNumber: signal, signal: expect.stringMatching(/^SIG/) });
		}
	});

	it("names signals as everybody does", async () => {
		const named = async (signal: number) => {
			const command = start(["sleep", "100"]);
			process.kill(command.pid, signal);
			return await command.ended;
		};
		expect(await named(6)).toEqual({ signal: "SIGABRT", signalNumber: 6 });
		expect(await named(36)).toEqual({ signal: "SIGRTMIN+2", signalNumber: 36 });
	});

	it("is never another's: one that somebody else has waited for ends with 255", async () => {
		const waitpid = libc("int waitpid(int pid, void *status, int options)");
		const [first, second] = [start(["sleep", "100"]), start(["sleep", "100"])];
		for (const { pid } of [first, second]) process.kill(pid, "SIGKILL");
		expect(waitpid(second.pid, new Int32Array(1), 0)).toBe(second.pid);
		expect(await first.ended).toMatchObject({ signal: "SIGKILL" });
		expect(await second.ended).toEqual({ code: 255 });
	});

	it("is known of 100 at once, and leaves no descriptor open", async () => {
		await sh("true");
		const before = readdirSync("/proc/self/fd").length;
		const tty = { rows: 24, columns: 80 };
		const ends = await Promise.all(
			Array.from({ length: 100 }, (_, index) => sh(`exit ${index}`, index % 2 === 0 ? { tty } : {})),
		);
		expect(ends.map(({ end }) => end)).toEqual(Array.from({ length: 100 }, (_, code) => ({ code })));
		expect(readdirSync("/proc/self/fd").length).toBe(before);
	});
});

describe("a command", () => {
	it("has the user's rights, and no way back", async () => {
		const { stdout } = await sh("grep -E '^(Uid|Gid|Groups|CapPrm|CapEff|SigBlk)' /proc/self/status");
		const facts = Object.fromEntries(
			stdout.split("\n").map((line) => line.split(/:\s*/, 2).map((word) => word.trim())),
		);
		expect(facts).toMatchObject({ Uid: Array(4).fill(uid).join("\t"), Gid: Array(4).fill(gid).join("\t") });
		if (isRoot) expect(facts.Groups).toBe("7 8");
		expect(facts).toMatchObject({ CapEff: "0000000000000000", CapPrm: "0000000000000000", SigBlk: "0000000000000000" });
		expect(process.getuid?.()).toBe(isRoot ? 0 : uid);
		if (isRoot) expect(execFileSync("cat", ["/proc/self/status"], { encoding: "utf8" })).not.toMatch(/CapEff:\t0+$/m);
	});

	it("has three streams and nothing else of ours", async () => {
		expect((await run(["ls", "/proc/self/fd"])).stdout).toBe("0\n1\n2\n3\n");
	});

	it("may open its streams by name", async () => {
		expect(await sh("echo out >/dev/stdout; echo err >/dev/stderr")).toMatchObject({
			stdout: "out\n",
			stderr: "err\n",
		});
	});

	it("dies of a closed pipe as any program does", async () => {
		expect((await run(["bash", "-c", "yes | head -1; echo $PIPESTATUS"])).stdout).toBe("y\n141\n");
	});

	it("leads a session and a process group of its own", async () => {
		const { stdout } = await sh("ps -o pid=,pgid=,sid= -p $$");
		expect(new Set(stdout.trim().split(/\s+/)).size).toBe(1);
	});

	it("is found by its own PATH, the first that can be executed", async () => {
		file("bin/tool", "#!/bin/sh\necho found\n");
		expect((await run(["tool"])).stdout).toBe("found\n");
		mkdirSync(join(directory, "other"));
		file("other/tool", "#!/bin/sh\n", 0o644);
		expect((await run(["tool"], { env: { PATH: `${directory}/other:${directory}/bin:/bin` } })).stdout).toBe("found\n");
		expect(failureOf(["tool"], { env: { PATH: `${directory}/other` } })).toBe(
			"notExecutable: tool: not executable in the guest",
		);
		expect(failureOf(["tool"], { env: { PATH: "/bin" } })).toBe("notFound: tool: not found in the guest");
	});

	it("is found from its own directory, not from the agent's", async () => {
		mkdirSync(join(directory, "project/tools"), { recursive: true });
		const cwd = join(directory, "project");
		file("project/run", "#!/bin/sh\necho run\n");
		file("project/plain", "echo plain\n");
		file("project/lost", "#!/no/such/interpreter\n");
		file("project/tools/tool", "#!/bin/sh\necho tool\n");
		expect((await run(["./run"], { cwd })).stdout).toBe("run\n");
		expect((await run(["./plain"], { cwd })).stdout).toBe("plain\n");
		expect((await run(["tool"], { cwd, env: { PATH: "tools" } })).stdout).toBe("tool\n");
		expect((await run(["run"], { cwd, env: { PATH: "/bin:" } })).stdout).toBe("run\n");
		expect(failureOf(["./tools"], { cwd })).toBe("notExecutable: ./tools: not executable in the guest");
		const missing = "what it is to be run by is not found in the guest";
		expect(failureOf(["./lost"], { cwd })).toBe(`notFound: ./lost: ${missing}`);
		expect(failureOf(["lost"], { cwd, env: { PATH: "." } })).toBe("notFound: lost: not found in the guest");
		expect(failureOf(["test/e2e"], { cwd })).toBe("notFound: test/e2e: not found in the guest");
	});

	it("that is a script without #! is run by sh", async () => {
		expect((await run([file("plain", 'echo "plain $1"\n'), "word"])).stdout).toBe("plain word\n");
	});
});

describe("what can't be started", () => {
	it.each([
		["no-such", "notFound: no-such: not found in the guest"],
		["/no/such", "notFound: /no/such: not found in the guest"],
		["/etc/passwd/x", "notFound: /etc/passwd/x: not found in the guest"],
		["/etc/passwd", "notExecutable: /etc/passwd: not executable in the guest"],
		["/tmp", "notExecutable: /tmp: not executable in the guest"],
		[`/${"x".repeat(300)}`, `notExecutable: /${"x".repeat(300)}: not executable in the guest`],
		["", "notFound: : not found in the guest"],
	])("says why: '%s'", (name, expected) => {
		expect(failureOf([name])).toBe(expected);
		expect(failureOf([name], { tty: { rows: 24, columns: 80 } })).toBe(expected);
	});

	it("says that an interpreter is missing", () => {
		const path = file("lost", "#!/no/such/interpreter\n");
		expect(failureOf([path])).toBe(`notFound: ${path}: what it is to be run by is not found in the guest`);
	});

	it("says that a directory is not there, or may not be entered", () => {
		expect(failureOf(["true"], { cwd: "/no/where" })).toBe("refused: the guest has no directory /no/where");
		mkdirSync(join(directory, "closed"), { mode: 0o000 });
		expect(failureOf(["true"], { cwd: join(directory, "closed") })).toBe(
			`refused: user may not enter ${directory}/closed in the guest`,
		);
	});

	it("says that an argument has one byte more than the kernel takes, and takes one that has not", async () => {
		const longest = "x".repeat(131_071);
		expect((await run(["sh", "-c", 'printf %s "$1" | wc -c', "sh", longest])).stdout.trim()).toBe("131071");
		expect(failureOf(["true", `${longest}x`])).toBe(
			"notExecutable: true: the arguments and environment are too long for the guest's kernel",
		);
		expect(failureOf(["true"], { env: { V: longest } })).toMatch(/^notExecutable/);
	});

	it("leaves nothing open", () => {
		const before = readdirSync("/proc/self/fd").length;
		for (let round = 0; round < 50; round++) {
			failureOf(["no-such"]);
			failureOf(["no-such"], { tty: { rows: 24, columns: 80 } });
		}
		expect(readdirSync("/proc/self/fd").length).toBe(before);
	});

	it("takes a megabyte of words", async () => {
		const words = Array.from({ length: 1000 }, (_, index) => String(index).padStart(1000, "x"));
		expect((await run(["sh", "-c", 'printf "%s" "$@" | wc -c', "sh", ...words])).stdout.trim()).toBe("1000000");
	});
});

describe("a terminal", () => {
	const tty = { rows: 33, columns: 99 };

	it("is the command's own, of the size that was asked for", async () => {
		expect((await sh("stty size; tty; ps -o tty= -p $$", { tty })).stdout).toMatch(
			/^33 99\r\n(\/dev\/pts\/\d+)\r\n *pts\/\d+\r\n$/,
		);
	});

	it("carries 4 MiB unchanged, and says when it ends", async () => {
		const { end, stdout } = await sh("stty raw -echo; seq 600000", { tty });
		expect(end).toEqual({ code: 0 });
		expect(stdout).toBe(Array.from({ length: 600_000 }, (_, index) => `${index + 1}\n`).join(""));
	});

	it("may be let go by a command that goes on, and takes nothing of its end or of its output", async () => {
		const { end, stdout } = await sh("echo first; exec </dev/null >/dev/null 2>&1; sleep 0.5; exit 3", { tty });
		expect({ end, stdout }).toEqual({ end: { code: 3 }, stdout: "first\r\n" });
		const { stdout: late } = await sh("exec 3>$(tty) </dev/null >/dev/null 2>&1; sleep 0.2; echo last >&3", { tty });
		expect(late).toBe("last\r\n");
	});

	it("takes keys: Ctrl-C ends what runs in the foreground", async () => {
		const command = start(["sh", "-c", "trap 'exit 9' INT; echo up; while :; do sleep 0.1; done"], { tty });
		let seen = "";
		const block = Buffer.alloc(4096);
		const stream = command.stdout({
			buffer: () => block,
			callback: (bytes) => {
				seen += block.toString("utf8", 0, bytes);
				if (seen === "up\r\n") stream.write("\x03");
				return true;
			},
		});
		stream.resume();
		expect(await command.ended).toEqual({ code: 9 });
	});

	it("follows a new size, and says so by WINCH", async () => {
		const command = start(["bash", "-c", "trap 'stty size; exit' WINCH; echo up; while :; do read -t 1; done"], {
			tty,
		});
		let seen = "";
		const block = Buffer.alloc(4096);
		const stream = command.stdout({
			buffer: () => block,
			callback: (bytes) => {
				seen += block.toString("utf8", 0, bytes);
				if (seen === "up\r\n") command.resize({ rows: 11, columns: 22 });
				return true;
			},
		});
		stream.resume();
		expect(await command.ended).toEqual({ code: 0 });
		expect(seen).toBe("up\r\n11 22\r\n");
	});
});

describe("TSTP", () => {
	const stateOf = (pid: number): string =>
		execFileSync("ps", ["-o", "state=", "-p", String(pid)], { encoding: "utf8" }).trim();

	it("stops a command that does not care, though nobody above it is a shell", async () => {
		const command = start(["sleep", "100"]);
		command.signal("SIGTSTP");
		for (let look = 0; look < 100 && stateOf(command.pid) !== "T"; look++)
			await new Promise((done) => setTimeout(done, 10));
		expect(stateOf(command.pid)).toBe("T");
		command.signal("SIGCONT");
		command.signal("SIGTERM");
		expect(await command.ended).toEqual({ signal: "SIGTERM", signalNumber: 15 });
	});

	it("is left to a command that cares", async () => {
		const command = start(["bash", "-c", "trap 'exit 7' TSTP; echo up; while :; do sleep 0.05; done"]);
		const up = new Promise<void>((resolve) => {
			const block = Buffer.alloc(64);
			command.stdout({ buffer: () => block, callback: () => resolve() === undefined }).resume();
		});
		await up;
		command.signal("SIGTSTP");
		expect(await command.ended).toEqual({ code: 7 });
	});
});
