/** The session contract on a real guest: options, signals, detached sessions, bad input. */
import { randomBytes } from "node:crypto";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rounds } from "../rounds.ts";
import { nothingLeft, type Running, sha256Of, signalProcess, TestUser } from "./harness.ts";

let user: TestUser;

beforeAll(async () => {
	user = new TestUser({ vms: [{ id: 5, name: "shopping", memory: 512 }] });
	expect(await user.run("shopping", "true")).toMatchObject({ status: 0, stderr: "" });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

const guest = (script: string, ...options: string[]) => user.run(...options, "shopping", "sh", "-c", script);

/** A run that has said that it is up. */
async function started(script: string, ...options: string[]): Promise<Running> {
	const running = user.start("run-in-vm", [...options, "shopping", "sh", "-c", `echo up; ${script}`]);
	await user.until("it is up", () => running.stdout().startsWith("up\n"));
	return running;
}

/** Says what keeps the vm, if something does. */
async function idle(): Promise<void> {
	const isIdle = async () => (await user.status("shopping")).state === "idle";
	await user.until("the vm is idle", isIdle).catch(async () => {
		throw new Error(
			`still kept: ${(await user.leases("shopping")).join("; ")}\n${(await user.sh("qubes-lite ps")).stdout}`,
		);
	});
}

describe("options", () => {
	it("passes only the environment that was asked for", async () => {
		expect(
			await user.sh("SECRET=x PASSED='a b' run-in-vm -e PASSED -e UNSET -e NEW=1=2 shopping env | sort"),
		).toMatchObject({
			status: 0,
			stdout: [
				"HOME=/home/user",
				"LANG=C.UTF-8",
				"LOGNAME=user",
				"NEW=1=2",
				"PASSED=a b",
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				"SHELL=/bin/sh",
				"USER=user",
				"",
			].join("\n"),
		});
	});

	it("runs as another user and in another directory", async () => {
		expect(await user.run("-u", "root", "-w", "/etc", "shopping", "sh", "-c", "id -un; pwd")).toMatchObject({
			status: 0,
			stdout: "root\n/etc\n",
		});
	});

	it("refuses a user, and a directory, that is not there with one sentence", async () => {
		expect(await user.run("-u", "nobody-here", "shopping", "true")).toMatchObject({
			status: 125,
			stderr: "run-in-vm: the guest has no user 'nobody-here'\n",
		});
		expect(await user.run("-w", "/no/where", "shopping", "true")).toMatchObject({
			status: 125,
			stderr: "run-in-vm: the guest has no directory /no/where\n",
		});
	});

	it("runs a script by the guest's shell only where that is asked for", async () => {
		expect(await user.run("--shell", 'echo "$1" | tr a-z A-Z', "shopping", "x y")).toMatchObject({
			status: 0,
			stdout: "X Y\n",
		});
		expect(await user.run("shopping", "echo a | tr a-z A-Z")).toMatchObject({ status: 127 });
	});

	it("runs by the name of a link", async () => {
		symlinkSync(
			fileURLToPath(new URL("../../bin/run-in-vm", import.meta.url)),
			join(user.directory, "printf@shopping"),
		);
		expect(await user.sh("./printf@shopping '[%s]' -q '' 'a b'".replace("./", `'${user.directory}'/`))).toMatchObject({
			status: 0,
			stdout: "[-q][][a b]",
		});
	});

	it("gives a terminal where that is forced", async () => {
		expect(await guest("stty size; test -t 0 && test -t 1 && test -t 2", "-t")).toMatchObject({
			status: 0,
			stdout: "24 80\r\n",
		});
		const running = user.start("run-in-vm", ["-t", "shopping", "sh", "-c", "stty -echo; echo up; cat"]);
		await user.until("it does not echo", () => running.stdout() === "up\r\n");
		running.stdin.end("a\nb");
		expect(await running.done).toMatchObject({ status: 0, stdout: "up\r\na\r\nb" });
	});

	it("says in one JSON line how it ended", async () => {
		const facts = async (line: string) => JSON.parse((await user.sh(`${line} 7>&1 >/dev/null 2>&1`)).stdout);
		expect(await facts("run-in-vm --status-fd 7 shopping sh -c 'exit 7'")).toMatchObject({
			status: 7,
			by: "command",
			code: 7,
		});
		expect(await facts("run-in-vm --status-fd 7 shopping sh -c 'kill -USR1 $$'")).toMatchObject({
			status: 138,
			by: "signal",
			signal: "SIGUSR1",
		});
		expect(await facts("run-in-vm --status-fd 7 shopping no-such")).toMatchObject({ status: 127, by: "start" });
	});
});

describe("exit statuses and signals", () => {
	it("are exact", async () => {
		const line =
			'for s in 0 1 2 77 124 125 126 127 128 137 254 255; do run-in-vm shopping sh -c "exit $s"; echo $?; done';
		expect((await user.sh(line)).stdout).toBe("0\n1\n2\n77\n124\n125\n126\n127\n128\n137\n254\n255\n");
		for (const signal of [1, 2, 6, 9, 11, 13, 15, 30, 31]) {
			expect(await guest(`kill -${signal} $$; sleep 5`), `signal ${signal}`).toMatchObject({
				status: 128 + signal,
				stderr: "",
			});
		}
	});

	it.each(["INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"])(
		"passes %s on to the command",
		async (name) => {
			const running = await started(`trap 'echo got; exit 9' ${name}; echo set; while :; do sleep 0.1; done`);
			await user.until("its trap is set", () => running.stdout() === "up\nset\n");
			running.kill(`SIG${name}` as NodeJS.Signals);
			expect(await running.done).toMatchObject({ status: 9, stdout: "up\nset\ngot\n" });
		},
	);

	it("ends a command that does not care by a signal, with nothing left", async () => {
		for (const [name, status] of [
			["INT", 130],
			["TERM", 143],
			["HUP", 129],
			["USR1", 138],
		] as const) {
			const running = user.start("run-in-vm", ["shopping", "sleep", "1234"]);
			await user.until("it runs", async () => (await user.status("shopping")).sessions === 1);
			await user.until("sleep runs", async () => (await guest("pidof sleep")).status === 0);
			running.kill(`SIG${name}` as NodeJS.Signals);
			expect(await running.done).toMatchObject({ status, stdout: "", stderr: "" });
			expect((await guest("ps | grep '[s]leep 1234'")).status).toBe(1);
		}
	});

	it("reach the whole process group", async () => {
		const running = await started("sleep 1000 | sleep 1000; echo not reached");
		await new Promise((resolve) => setTimeout(resolve, 200));
		running.kill("SIGINT");
		expect(await running.done).toMatchObject({ status: 130, stdout: "up\n" });
		expect((await guest("ps | grep '[s]leep 1000'")).status).toBe(1);
	});
});

describe("a detached session", () => {
	const detach = async (script: string, ...options: string[]): Promise<string> => {
		const outcome = await user.run("-d", ...options, "shopping", "sh", "-c", script);
		expect(outcome).toMatchObject({ status: 0, stderr: "" });
		expect(outcome.stdout).toMatch(/^shopping\.[0-9]+\.[0-9a-f]{4}\n$/);
		return outcome.stdout.trim();
	};

	it("goes on without a client, and gives output and status to one that comes back", async () => {
		const go = `/tmp/go-late-${process.pid}`;
		const id = await detach(`echo out; echo err >&2; until [ -e ${go} ]; do sleep 0.1; done; echo late; exit 5`);
		expect((await user.status("shopping")).state).toBe("ready");
		const attached = user.start("run-in-vm", ["--attach", id]);
		await user.until("it is attached", () => attached.stdout() === "out\n");
		expect(await user.run("shopping", "touch", go)).toMatchObject({ status: 0 });
		expect(await attached.done).toMatchObject({ status: 5, stdout: "out\nlate\n", stderr: "err\n" });
		expect(await user.run("--attach", id), "again, after its end").toMatchObject({ status: 5, stdout: "out\nlate\n" });
		await idle();
	});

	it("has an empty standard input, and its starter's is left alone", async () => {
		const { stdout } = await user.sh(
			"id=$(echo mine | { run-in-vm -d shopping cat; cat >&2; }); run-in-vm --attach $id; echo $?",
		);
		expect(stdout).toBe("0\n");
	});

	it("lives on when who came back is killed, and takes one at a time", async () => {
		const go = `/tmp/go-on-${process.pid}`;
		const id = await detach(`echo 1; until [ -e ${go} ]; do sleep 0.1; done; echo 2`);
		const first = user.start("run-in-vm", ["--attach", id]);
		await user.until("it is attached", () => first.stdout().includes("1\n"));
		expect(await user.run("--attach", id)).toMatchObject({
			status: 125,
			stderr: expect.stringMatching(/^run-in-vm: session [0-9]+ has a client already\n$/),
		});
		first.kill("SIGKILL");
		await first.done;
		await user.until("it has no client", async () => (await user.sh("qubes-lite ps")).stdout.includes("detached"));
		expect(await user.run("shopping", "touch", go)).toMatchObject({ status: 0 });
		expect(await user.run("--attach", id)).toMatchObject({ status: 0, stdout: "1\n2\n" });
	});

	it("keeps the last of what it says, and says what is gone", async () => {
		const id = await detach("seq 100000");
		await idle();
		const outcome = await user.run("--attach", id);
		const all = (await user.sh("seq 100000")).stdout;
		expect(outcome.stdout).toBe(all.slice(all.length - 256 * 1024));
		expect(outcome.stderr).toBe(
			`run-in-vm: the first ${all.length - 256 * 1024} bytes of its output are no longer kept\n`,
		);
	});

	it("can have a terminal", async () => {
		const id = await detach('stty size; read line; echo "<$line>"', "-t");
		expect(await user.sh(`(sleep 1; echo hello) | run-in-vm --attach ${id}`)).toMatchObject({
			status: 0,
			stdout: expect.stringContaining("<hello>\r\n"),
		});
	});

	it("gets the signals of who came back, but not the hang-up of their terminal", async () => {
		const id = await detach(
			"trap 'echo hup; exit 1' HUP; trap 'echo int; exit 3' INT; echo up; while :; do sleep 0.1; done",
		);
		const attach = async () => {
			const running = user.start("run-in-vm", ["--attach", id]);
			await user.until("it is attached", () => running.stdout().includes("up\n"));
			return running;
		};
		const first = await attach();
		first.kill("SIGHUP");
		expect(await first.done).toMatchObject({ status: 129, stdout: "up\n" });
		await user.until("it has no client", async () => (await user.sh("qubes-lite ps")).stdout.includes("detached"));
		const second = await attach();
		second.kill("SIGINT");
		expect(await second.done).toMatchObject({ status: 3, stdout: "up\nint\n" });
	});

	it("is not to be found by a wrong id", async () => {
		expect(await user.run("--attach", "shopping.9999")).toMatchObject({
			status: 125,
			stderr: "run-in-vm: there is no session 9999\n",
		});
		const id = await detach("true");
		const other = id.endsWith("0000") ? "1111" : "0000";
		const outcome = await user.run("--attach", id.replace(/....$/, other));
		expect(outcome.status).toBe(125);
		expect(outcome.stderr).toMatch(/earlier boot/);
		expect(await user.run("--attach", "shoping.1")).toMatchObject({
			status: 125,
			stderr: expect.stringContaining("shopping"),
		});
	});

	it("fails like any other where its command can't be started", async () => {
		expect(await user.run("-d", "shopping", "no-such")).toMatchObject({ status: 127, stdout: "" });
	});
});

describe("ps", () => {
	it("lists what runs, for people and for programs", async () => {
		const running = await started("sleep 1000");
		const words = ["-d", "-u", "root", "shopping", "sh", "-c", "echo up; exec sleep 1000"];
		const id = (await user.run(...words)).stdout.trim();
		const { stdout } = await user.sh("qubes-lite ps");
		expect(stdout).toMatch(/^ID +USER +AGE +CLIENT +PROCESSES +STATE +COMMAND\n/);
		expect(stdout).toMatch(
			new RegExp(
				`^shopping\\.\\d+\\.\\w+ +user +\\d+ s +pid ${running.pid} +[12] +running +sh -c '.*sleep 1000.*'$`,
				"m",
			),
		);
		expect(stdout).toMatch(
			new RegExp(`^${id} +root +\\d+ s +detached +1 +running +sh -c 'echo up; exec sleep 1000'$`, "m"),
		);
		const listed = JSON.parse((await user.sh("qubes-lite ps --json shopping")).stdout);
		expect(listed).toMatchObject({ schema: 1 });
		expect(listed.sessions).toContainEqual(
			expect.objectContaining({
				id,
				command: "sh",
				commandLine: "sh -c 'echo up; exec sleep 1000'",
				user: "root",
				client: null,
			}),
		);
		running.kill("SIGTERM");
		await running.done;
		const attached = user.start("run-in-vm", ["--attach", id]);
		/** What the broker knows comes first: a signal before the agent has it, too, is the client's own end. */
		await user.until("it is attached", () => attached.stdout() === "up\n");
		expect((await user.sh("qubes-lite ps")).stdout).toContain(`pid ${attached.pid}`);
		attached.kill("SIGTERM");
		expect((await attached.done).status).toBe(143);
	});
});

describe("a broker that is killed in the middle", () => {
	it("does not disturb 64 MiB on their way, and counts the session again when it is back", async () => {
		const file = join(user.directory, "random");
		writeFileSync(file, randomBytes(64 * 1024 * 1024));
		const echoed = join(user.directory, "echoed");
		const go = join(user.directory, "go");
		const input = `{ cat '${file}'; until [ -e '${go}' ]; do sleep 0.1; done; }`;
		const copying = user.sh(`${input} | run-in-vm shopping cat >'${echoed}'`);
		await user.until("it copies", async () => (await user.status("shopping")).sessions === 1);
		for (let round = 0; round < 3; round++) {
			user.signalBrokers("SIGKILL");
			await user.until("the new broker knows the session", async () => (await user.status("shopping")).sessions === 1);
		}
		writeFileSync(go, "");
		expect(await copying).toMatchObject({ status: 0, stderr: "" });
		expect(sha256Of(echoed)).toBe(sha256Of(file));
		await idle();
	});

	/** `work`, beside an output that nobody reads; it is over afterwards whatever comes of `work`. */
	async function besideStalledOutput(work: () => Promise<void>): Promise<void> {
		const stalled = user.start("/bin/sh", ["-c", "exec run-in-vm shopping yes | sleep 1000"]);
		try {
			await user.until("it runs", async () => (await user.status("shopping")).sessions === 1);
			await work();
		} finally {
			for (const { pid, words } of user.processes()) if (words.startsWith("sleep")) signalProcess(pid, "SIGKILL");
			await stalled.done;
		}
	}

	it("loses no request, many times in a row, beside an output that nobody reads", async () => {
		await besideStalledOutput(async () => {
			for (let round = 0; round < rounds(6, 80); round++) {
				const running = user.run("shopping", "echo", String(round));
				await new Promise((resolve) => setTimeout(resolve, round * 17));
				user.signalBrokers("SIGKILL");
				expect(await running).toMatchObject({ status: 0, stdout: `${round}\n`, stderr: "" });
			}
		});
		await idle();
	});

	it("still ends the command of a client that is killed after it", async () => {
		await besideStalledOutput(async () => {
			user.signalBrokers("SIGKILL");
			await user.until("a new broker is there", async () => (await user.status("shopping")).sessions === 1);
			for (const { pid, words } of user.processes()) if (/shopping yes$/.test(words)) signalProcess(pid, "SIGKILL");
			await idle();
		});
	});
});

describe("a disposable instance", () => {
	it("is fresh for each run, several at once, and gone afterwards", async () => {
		const runs = await Promise.all([
			user.run("--disposable=shopping", "sh", "-c", "hostname; test -e /tmp/mark; echo $?; echo x >/tmp/mark"),
			user.run("--dispvm=shopping", "sh", "-c", "hostname; test -e /tmp/mark; echo $?; echo x >/tmp/mark; exit 9"),
		]);
		expect(runs.map(({ status }) => status)).toEqual([0, 9]);
		const names = runs.map(({ stdout }) => /^(disp-[0-9a-f]{4})\n1\n$/.exec(stdout)?.[1]);
		expect(new Set(names).size).toBe(2);
		await user.until("they are gone", async () => (await user.sh("qubes-lite ls -q")).stdout === "shopping\n");
		expect((await user.sh(`ls '${user.runtime}'`)).stdout).not.toContain("disp-");
	});

	it("has no default base where there is none", async () => {
		expect(await user.run("--disposable", "true")).toMatchObject({
			status: 125,
			stderr: expect.stringMatching(/^run-in-vm: no vm is configured as disposable.*\n {2}→ .*--disposable=BASE/),
		});
	});
});

describe("input that is bad or large", () => {
	it("passes every argument and variable unchanged", async () => {
		const word = fc.string({ unit: "binary", maxLength: 40 }).filter((text) => !text.includes("\0"));
		const name = fc
			.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,10}$/)
			.filter((text) => !/^(PWD|_|SHLVL|OLDPWD)$/.test(text));
		await fc.assert(
			fc.asyncProperty(
				fc.array(word, { minLength: 1, maxLength: 8 }),
				fc.dictionary(name, word, { maxKeys: 4 }),
				async (words, env) => {
					const options = Object.entries(env).flatMap(([key, value]) => ["-e", `${key}=${value}`]);
					const outcome = await user.run(
						...options,
						"shopping",
						"cat",
						"/proc/self/cmdline",
						"/proc/self/environ",
						"--",
						...words,
					);
					const [, , , , ...rest] = outcome.stdout.split("\0");
					expect(rest.slice(0, words.length)).toEqual(words);
					for (const [key, value] of Object.entries(env)) expect(rest).toContain(`${key}=${value}`);
				},
			),
			{ numRuns: rounds(15, 200) },
		);
	});

	it("takes the longest argument that Linux takes", async () => {
		const longest = "x".repeat(131_071);
		expect((await user.run("shopping", "sh", "-c", 'printf %s "$1" | wc -c', "sh", longest)).stdout.trim()).toBe(
			"131071",
		);
	});

	it("takes an environment of 1 MiB", async () => {
		const many = Array.from({ length: 9 }, (_, index) => ["-e", `V${index}=${"y".repeat(120_000)}`]).flat();
		expect((await user.run(...many, "shopping", "sh", "-c", "env | wc -c")).stdout.trim()).toMatch(/^10[0-9]{5}$/);
	});

	it("refuses what is not UTF-8", async () => {
		expect(await user.sh("run-in-vm shopping echo \"$(printf '\\377')\"")).toMatchObject({
			status: 125,
			stderr: expect.stringMatching(/^run-in-vm: an argument is not valid UTF-8/),
		});
		expect(await user.sh("BAD=\"$(printf '\\377')\" run-in-vm -e BAD shopping true")).toMatchObject({
			status: 125,
			stderr: "run-in-vm: the value of BAD is not valid UTF-8, and can't be passed on unchanged\n",
		});
	});

	it("says 126 for a directory", async () => {
		expect(await user.run("shopping", "/tmp")).toMatchObject({
			status: 126,
			stderr: "run-in-vm: /tmp: not executable in the guest\n",
		});
	});

	it("does with closed streams what it does with empty ones", async () => {
		expect(await user.sh("run-in-vm shopping cat <&-")).toMatchObject({ status: 0, stdout: "" });
		expect(await user.sh("run-in-vm shopping sh -c 'echo x; exit 4' >&-")).toMatchObject({ status: 4, stdout: "" });
		expect(await user.sh("run-in-vm shopping sh -c 'echo x; exit 4' <&- >&- 2>&-")).toMatchObject({ status: 4 });
	});

	it("holds a full pipe's output until it is read", async () => {
		const outcome = await user.sh("run-in-vm shopping seq 300000 | { sleep 1; sha256sum; }");
		expect(outcome.stdout).toBe((await user.sh("seq 300000 | sha256sum")).stdout);
	});

	it("says why it can't write", async () => {
		expect(await user.sh("run-in-vm shopping seq 100000 >/dev/full")).toMatchObject({
			status: 125,
			stderr: expect.stringMatching(/^run-in-vm: the output cannot be written: /),
		});
	});
});

describe("a slow reader", () => {
	/** VmRSS of proc_pid_status(5), MiB. */
	const rssIn = (status: string): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
	const rssOf = (pid: number): number => rssIn(readFileSync(`/proc/${pid}/status`, "utf8"));
	const agentRss = async (): Promise<number> => {
		const { stdout } = await user.run("-u", "root", "shopping", "sh", "-c", "cat /proc/$(pidof node)/status");
		return rssIn(stdout);
	};

	it("gets 64 MiB of standard output and 64 MiB of standard error whole", async () => {
		const bytes = "dd if=/usr/bin/node bs=65536 count=1024 2>/dev/null";
		const errors = join(user.directory, "errors");
		const slow = "{ sleep 1; sha256sum; }";
		const outcome = await user.sh(
			`{ run-in-vm shopping sh -c '{ ${bytes}; } >&2 & ${bytes}; wait' 2>&1 >&3 | ${slow} >'${errors}'; } 3>&1 | ${slow}`,
		);
		const expected = (await user.sh(`head -c ${64 * 1024 * 1024} '${process.execPath}' | sha256sum`)).stdout;
		expect([outcome.stdout, readFileSync(errors, "utf8")]).toEqual([expected, expected]);
	});

	it("that is stopped holds the command back, and memory stays flat on both sides", async () => {
		const client = user.start("sh", ["-c", "exec run-in-vm shopping yes >/dev/null"]);
		await user.until("it runs", async () => (await user.status("shopping")).sessions === 1);
		client.kill("SIGSTOP");
		const broker = user.brokerPid();
		const measure = async () => ({ client: rssOf(client.pid), broker: rssOf(broker), agent: await agentRss() });
		/** What is on its way is a window. */
		await new Promise((resolve) => setTimeout(resolve, 1_000));
		const before = await measure();
		await new Promise((resolve) => setTimeout(resolve, rounds(4_000, 60_000)));
		const after = await measure();
		for (const side of ["client", "broker", "agent"] as const) expect(after[side] - before[side]).toBeLessThan(16);
		client.kill("SIGCONT");
		client.kill("SIGTERM");
		expect((await client.done).status).toBe(143);
		await idle();
	});

	it("that is stopped does not hold up the end of its vm", async () => {
		const client = user.start("sh", ["-c", "exec run-in-vm shopping yes >/dev/null"]);
		await user.until("it runs", async () => (await user.status("shopping")).sessions === 1);
		/** Bytes that it has read, of proc_pid_io(5). */
		const readBy = (pid: number) => Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
		const began = readBy(client.pid);
		await user.until("its output comes", () => readBy(client.pid) > began + 4 * 1024 * 1024);
		client.kill("SIGSTOP");
		const broker = user.brokerPid();
		await user.until("its command is held back", async () => {
			const before = readBy(broker);
			await new Promise((resolve) => setTimeout(resolve, 300));
			return readBy(broker) - before < 64 * 1024;
		});
		const stopped = await user.sh("qubes-lite stop shopping");
		expect(stopped).toMatchObject({ status: 0, stderr: "" });
		/** The grace for commands that do not end is 20 s. */
		expect(stopped.ms).toBeLessThan(15_000);
		client.kill("SIGCONT");
		expect((await client.done).status).toBe(125);
	});
});

describe("standard input", () => {
	it("that was written while the vm boots arrives whole", async () => {
		await user.sh("qubes-lite stop shopping");
		const text = "early\n".repeat(200_000);
		expect(await user.sh("run-in-vm shopping sha256sum", text)).toMatchObject({
			status: 0,
			stdout: (await user.sh("sha256sum", text)).stdout,
		});
	});

	it("is left alone with -N", async () => {
		expect(await user.sh("{ run-in-vm -N shopping cat; cat; }", "mine\n")).toMatchObject({
			status: 0,
			stdout: "mine\n",
		});
	});
});

describe("output after the command's end", () => {
	it("of a child comes as long as it does not pause", async () => {
		const whole = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";
		let said = "";
		/** Where the guest itself stands still for a moment, that is a pause. */
		for (let round = 0; round < 5 && said !== whole; round++) {
			const outcome = await guest("(i=0; while [ $i -lt 10 ]; do i=$((i+1)); echo $i; sleep 0.02; done) & exit 6");
			expect(outcome).toMatchObject({ status: 6, stdout: expect.stringMatching(/^1\n/) });
			said = outcome.stdout;
		}
		expect(said).toBe(whole);
	});
});

it("writes nothing of a command into its log", () => {
	expect(readFileSync(join(user.state, "broker.log"), "utf8")).not.toMatch(/SECRET|nobody-here|sleep 1234/);
});
