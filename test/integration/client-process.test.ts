/** run-in-vm as a process among others: what its streams, signals and descriptors are to those who gave them to it. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { detachedMax } from "../../src/protocol/limits.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;
let places = 0;

beforeAll(() => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping" }] });
});

afterEach(() => user.order("shopping", {}));

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

/** A fresh path in the user's directory. */
const place = (name: string): string => join(user.directory, `${++places}-${name}`);

/** The client itself, whose words the shells around it carry, too. */
const clientPid = (words: string): number | undefined =>
	user.processes().find((one) => /^\S*\/node \S+run-in-vm\.cjs /.test(one.words) && one.words.includes(words))?.pid;

async function untilClient(words: string): Promise<number> {
	await user.until(`${words} runs`, () => clientPid(words) !== undefined);
	return clientPid(words) as number;
}

const sessions = async (): Promise<{ id: string; state: string; client: number | null }[]> =>
	JSON.parse((await user.sh("qubes-lite ps --json")).stdout).sessions;

/** proc_pid_stat(5). */
const stateOf = (pid: number): string => /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";

describe("an output that can't be written", () => {
	it("is not a success, also where it is the command's last word", async () => {
		for (const stream of ["", "2"]) {
			const outcome = await user.sh(`run-in-vm shopping sh -c 'echo hi >&2; echo hi' ${stream}>/dev/full`);
			expect(outcome).toMatchObject({ status: 125, stderr: expect.not.stringContaining("at ") });
		}
	});

	it("is told where a file takes only a part of a write", async () => {
		const out = place("limited");
		const outcome = await user.sh(`ulimit -f 100; run-in-vm shopping head -c 150000 /dev/zero >'${out}'`);
		expect(outcome).toMatchObject({
			status: 125,
			stderr: expect.stringMatching(/^run-in-vm: the output cannot be written: EFBIG/),
		});
		expect(statSync(out).size).toBe(51_200);
	});

	it("tells the id of a detached session on standard error then", async () => {
		const outcome = await user.sh("run-in-vm -d shopping sleep 1000 >/dev/full");
		expect(outcome).toMatchObject({
			status: 125,
			stderr: expect.stringMatching(
				/^run-in-vm: the command runs on as (shopping\.\S+), but .*\n {2}→ run-in-vm --attach \1\n$/,
			),
		});
		const [session] = await sessions();
		const attached = user.start("run-in-vm", ["--attach", session?.id ?? ""]);
		await user.until("it is attached", async () => (await sessions())[0]?.client === attached.pid);
		attached.kill("SIGTERM");
		expect((await attached.done).status).toBe(143);
	});

	it("keeps the status of a command that has ended when its reader leaves", async () => {
		const go = join(user.directory, "may-leave");
		const command = "head -c 300000 /dev/zero; : has-ended; exit 7";
		const outcome = user.sh(
			`{ run-in-vm shopping sh -c '${command}'; echo $? >&2; } | { until [ -e ${go} ]; do sleep 0.05; done; }`,
		);
		const pid = await untilClient("has-ended");
		await user.until("it has ended", async () =>
			(await sessions()).some((one) => one.client === pid && one.state !== "running"),
		);
		writeFileSync(go, "");
		expect((await outcome).stderr).toBe("7\n");
	});
});

describe("a command that has ended while its output waits for a slow reader", () => {
	const bytes = 300_000;
	const run = (mark: string) => {
		const files = { status: place("status"), go: place("go") };
		const reader = `{ until test -e '${files.go}'; do sleep 0.05; done; wc -c; }`;
		const command = `head -c ${bytes} /dev/zero ${mark}`;
		const line = `run-in-vm --status-fd 3 shopping sh -c 'head -c ${bytes} /dev/zero; exit 3' ${mark} 3>'${files.status}' | ${reader}`;
		return { files, command, done: user.sh(line) };
	};
	const untilEnded = async (mark: string): Promise<number> => {
		const pid = await untilClient(mark);
		await user.until("the command has ended", async () =>
			(await sessions()).some((one) => one.client === pid && one.state !== "running"),
		);
		return pid;
	};
	const release = (path: string): void => writeFileSync(path, "");

	it("loses nothing of it by a signal that is nobody's way to say enough", async () => {
		const { files, done } = run("usr1");
		process.kill(await untilEnded("usr1"), "SIGUSR1");
		release(files.go);
		expect((await done).stdout.trim()).toBe(String(bytes));
		expect(JSON.parse(readFileSync(files.status, "utf8"))).toMatchObject({ status: 3, by: "command" });
	});

	it("is given up by one that is, with one line for who asked how it ended", async () => {
		const { files, done } = run("term");
		const pid = await untilEnded("term");
		process.kill(pid, "SIGTERM");
		await user.until("the client has left", () => !existsSync(`/proc/${pid}`));
		release(files.go);
		expect(Number((await done).stdout)).toBeLessThan(bytes);
		expect(JSON.parse(readFileSync(files.status, "utf8"))).toEqual({
			...{ schema: 1, status: 143, by: "interrupted", signal: "SIGTERM" },
		});
	});
});

describe("--status-fd", () => {
	it("takes no number that the user has not opened, although Node has", async () => {
		const outcome = await user.sh(
			"for fd in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do run-in-vm --status-fd $fd shopping true 2>&1; echo $?; done",
		);
		const lines = outcome.stdout.split("\n");
		expect(lines.filter((line) => /no such file descriptor is open|reading only/.test(line))).toHaveLength(23);
		expect(lines.filter((line) => line === "125")).toHaveLength(23);
	});

	it("takes no file that is open for reading only", async () => {
		expect(await user.sh("run-in-vm --status-fd 3 shopping true 3</dev/null")).toMatchObject({
			status: 125,
			stderr: expect.stringContaining("--status-fd 3: it is open for reading only"),
		});
	});

	it("takes a pipe that standard output has, too", async () => {
		const outcome = await user.sh("run-in-vm --status-fd 3 shopping true 3>&1");
		expect(JSON.parse(outcome.stdout)).toMatchObject({ status: 0, by: "command" });
	});
});

describe("a signal", () => {
	it("that was ignored at our start stays so: nohup, and a shell's background jobs", async () => {
		for (const signal of ["HUP", "INT"] as const) {
			const running = user.start("sh", [
				"-c",
				`trap '' ${signal}; exec run-in-vm shopping sh -c 'read line; echo ${signal}'`,
			]);
			await user.until("it runs", async () => (await sessions()).some((one) => one.client === running.pid));
			running.kill(`SIG${signal}`);
			await new Promise((resolve) => setTimeout(resolve, 300));
			running.stdin.end("on\n");
			expect(await running.done).toMatchObject({ status: 0, stdout: `${signal}\n` });
		}
	});

	it("that is sent three times leaves a command that does not care", async () => {
		const running = user.start("run-in-vm", [
			"shopping",
			"sh",
			"-c",
			"trap '' TERM; echo up; sleep 1000 & wait; wait; wait; wait; sleep 1000",
		]);
		await user.until("it runs", () => running.stdout() === "up\n");
		/** To a busy machine two that come one after the other may be one. */
		let times = 0;
		for (let isThere = true; isThere; ) {
			running.kill("SIGTERM");
			times += 1;
			const later = new Promise((resolve) => setTimeout(resolve, 100)).then(() => true);
			isThere = await Promise.race([running.done.then(() => false), later]);
		}
		expect(times).toBeGreaterThanOrEqual(3);
		expect(await running.done).toMatchObject({ status: 143, stderr: "" });
		await user.until("it has ended", async () => (await sessions()).every(({ state }) => state !== "running"));
	});

	it("of Ctrl-Z does not stop a client for ever that no shell could let go on", async () => {
		const running = user.start("setsid", ["run-in-vm", "shopping", "sh", "-c", "echo up; read word; echo $word"]);
		await user.until("it runs", () => running.stdout() === "up\n");
		const pid = await untilClient("read word");
		process.kill(pid, "SIGTSTP");
		await new Promise((resolve) => setTimeout(resolve, 300));
		expect(stateOf(pid)).not.toBe("T");
		running.stdin.end("on\n");
		expect(await running.done).toMatchObject({ status: 0, stdout: "up\non\n" });
	});
});

it("fails with a status of ours where it has no descriptors left", async () => {
	await user.sh("qubes-lite stop shopping");
	await user.until("the broker has left", () => user.brokerPids().length === 0);
	for (const limit of [22, 23, 24, 25, 26]) {
		const outcome = await user.sh(`ulimit -n ${limit}; run-in-vm shopping true`);
		if (outcome.status !== 0)
			expect(outcome).toMatchObject({ status: 125, stderr: expect.stringMatching(/^run-in-vm: .*\n/) });
	}
	/** One that the last client has started has as few. */
	await user.endBrokers("SIGTERM");
});

it("with -N leaves standard input as it was, also for those who share it", async () => {
	const running = user.start("sh", [
		"-c",
		"run-in-vm -N shopping sh -c 'echo up; sleep 1' & sleep 0.8; cat /proc/self/fdinfo/0 >&2; wait",
	]);
	const { stderr } = await running.done;
	/** O_NONBLOCK is 04000 (<bits/fcntl-linux.h>). */
	expect(Number.parseInt(/flags:\t([0-7]+)/.exec(stderr)?.[1] ?? "4000", 8) & 0o4000).toBe(0);
	running.stdin.end();
});

it("coming back to a session without input types nothing into it", async () => {
	const id = (await user.run("-d", "-t", "shopping", "cat")).stdout.trim();
	const session = async () => (await sessions()).find((one) => one.id === id);
	for (const line of [`run-in-vm -N --attach ${id}`, `run-in-vm --attach ${id} </dev/null`]) {
		const watching = user.start("sh", ["-c", `exec ${line}`]);
		await user.until("it is attached", async () => (await session())?.client === watching.pid);
		await new Promise((resolve) => setTimeout(resolve, 200));
		expect(await session()).toMatchObject({ state: "running" });
		watching.kill("SIGHUP");
		expect((await watching.done).status).toBe(129);
	}
	expect((await user.sh(`printf '\\003' | run-in-vm --attach ${id}`)).status).toBe(130);
});

it("is refused by a guest that has as many detached sessions as it keeps, and served once one has ended", {
	timeout: 180_000,
}, async () => {
	await user.sh("qubes-lite stop --force shopping");
	const many = `for n in $(seq ${detachedMax}); do run-in-vm -d shopping sleep 1000 || echo refused; done`;
	const ids = (await user.sh(many)).stdout.trim().split("\n");
	expect(new Set(ids).size).toBe(detachedMax);
	expect(ids).not.toContain("refused");
	expect(await user.run("-d", "shopping", "sleep", "1000")).toMatchObject({
		status: 125,
		stdout: "",
		stderr: `run-in-vm: the guest runs ${detachedMax} detached sessions already\n`,
	});
	const attached = user.start("run-in-vm", ["--attach", ids[0] ?? ""]);
	await user.until("it is attached", async () => (await sessions()).some((one) => one.client === attached.pid));
	attached.kill("SIGTERM");
	expect((await attached.done).status).toBe(143);
	expect(await user.run("-d", "shopping", "true")).toMatchObject({ status: 0 });
});
