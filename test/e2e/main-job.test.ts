/** The main job on a real guest under QEMU. */
import { randomBytes } from "node:crypto";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, sha256Of, signalProcess, TestUser } from "./harness.ts";

const vms = ["shopping", "vault", "disp", "brief"];
let user: TestUser;

beforeAll(() => {
	user = new TestUser({
		vms: [
			{ id: 5, name: "shopping", memory: 512 },
			{ id: 13, name: "vault", memory: 512, network: false },
			{ id: 15, name: "disp", memory: 512, disposable: true },
			{ id: 17, name: "brief", memory: 512, idleTimeout: 6 },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(vms)).toEqual(nothingLeft);
});

describe("run-in-vm on a vm with a network", () => {
	it("boots a stopped vm and prints the guest's kernel", async () => {
		const outcome = await user.run("shopping", "uname", "-a");
		expect(outcome).toMatchObject({ status: 0, stderr: "" });
		expect(outcome.stdout).toMatch(/^Linux shopping 6\..*-cloud-amd64 /);
	});

	it("runs in the vm that is up, as an ordinary user in their home", async () => {
		expect(await user.run("shopping", "sh", "-c", "id -un; pwd; hostname")).toMatchObject({
			status: 0,
			stdout: "user\n/home/user\nshopping\n",
		});
	});

	it("passes standard input and its end", async () => {
		expect(await user.sh("echo hello | run-in-vm shopping tr a-z A-Z")).toMatchObject({ status: 0, stdout: "HELLO\n" });
		expect(await user.sh("seq 3 | run-in-vm shopping tac")).toMatchObject({ status: 0, stdout: "3\n2\n1\n" });
	});

	it("keeps standard error apart, and lets programs open it by name", async () => {
		const outcome = await user.run("shopping", "sh", "-c", "echo out; echo err >&2; echo named >/dev/stderr");
		expect(outcome).toMatchObject({ status: 0, stdout: "out\n", stderr: "err\nnamed\n" });
	});

	it("ends with the command's own status, or 128 + its signal, without a word", async () => {
		for (const status of [0, 1, 42, 124, 125, 126, 127, 128, 255]) {
			expect(await user.run("shopping", "sh", "-c", `exit ${status}`)).toMatchObject({ status, stderr: "" });
		}
		expect(await user.run("shopping", "sh", "-c", "kill -9 $$")).toMatchObject({ status: 137, stderr: "" });
		expect(await user.run("shopping", "sh", "-c", "kill -TERM $$")).toMatchObject({ status: 143, stderr: "" });
	});

	it("says 127 for a command that is not there and 126 for one that can't be executed", async () => {
		expect(await user.run("shopping", "no-such")).toMatchObject({
			status: 127,
			stderr: expect.stringMatching(
				/^run-in-vm: no-such: not found in the guest\n {2}→ the default image holds BusyBox only/,
			),
		});
		expect(await user.run("shopping", "/etc")).toMatchObject({
			status: 126,
			stderr: "run-in-vm: /etc: not executable in the guest\n",
		});
	});

	it("passes arguments unchanged", async () => {
		const words = [
			"",
			" ",
			"a b",
			"$(id)",
			"`id`",
			"'",
			'"',
			"\\",
			"*",
			"-n",
			"--",
			"ü€😀",
			"a\nb",
			"%s",
			";",
			"x".repeat(5000),
		];
		const outcome = await user.run("shopping", "printf", "[%s]", ...words);
		expect(outcome.stdout).toBe(words.map((word) => `[${word}]`).join(""));
	});

	it("swallows one -- after the vm's name, and only one", async () => {
		expect(await user.run("shopping", "--", "echo", "--", "x")).toMatchObject({ status: 0, stdout: "-- x\n" });
	});

	it("carries 32 MiB in each direction unchanged", async () => {
		const file = join(user.directory, "random");
		writeFileSync(file, randomBytes(32 * 1024 * 1024));
		const echoed = join(user.directory, "echoed");
		expect(await user.sh(`run-in-vm shopping cat <'${file}' >'${echoed}'`)).toMatchObject({ status: 0 });
		expect(sha256Of(echoed)).toBe(sha256Of(file));
	});

	it("holds the end of the output for a reader that sleeps, also when the vm is disposable", async () => {
		const outcome = await user.sh("run-in-vm disp sh -c 'seq 200000; echo x >/tmp/mark' | (sleep 2; sha256sum)");
		expect(outcome.stdout).toBe((await user.sh("seq 200000 | sha256sum")).stdout);
	});

	it("ends a session whose command has ended although a child holds its output, and keeps the vm for the child", async () => {
		const outcome = await user.run("shopping", "sh", "-c", "sleep 10 & echo early");
		expect(outcome).toMatchObject({ status: 0, stdout: "early\n" });
		await user.until("the child is what keeps it", async () =>
			/^what sh left .*, 1 process\)$/.test((await user.leases("shopping"))[0] ?? ""),
		);
		await user.until("the child has ended", async () => (await user.status("shopping")).state === "idle");
	});

	it("ends the command when the client is killed", async () => {
		const running = user.start("run-in-vm", ["shopping", "sh", "-c", "echo up; sleep 1000"]);
		await user.until("the session is there", async () => (await user.status("shopping")).sessions === 1);
		running.kill("SIGKILL");
		await running.done;
		await user.until("the vm is idle again", async () => (await user.status("shopping")).state === "idle");
		expect((await user.run("shopping", "sh", "-c", "ps | grep '[s]leep 1000'")).status).toBe(1);
	});

	it("also ends a command that is blocked in a write", async () => {
		const running = user.start("/bin/sh", ["-c", "exec run-in-vm shopping cat /dev/zero | sleep 1000"]);
		await user.until("the session is there", async () => (await user.status("shopping")).sessions === 1);
		for (const { pid, words } of user.processes()) if (words.includes("cat /dev/zero")) signalProcess(pid, "SIGKILL");
		await user.until("the vm is idle again", async () => (await user.status("shopping")).state === "idle");
		for (const { pid, words } of user.processes()) if (words.startsWith("sleep")) signalProcess(pid, "SIGKILL");
		await running.done;
	});

	it("ends as a local command would when nobody reads its output", async () => {
		expect(await user.sh("{ run-in-vm shopping yes; echo $? >&2; } | head -1")).toMatchObject({
			stdout: "y\n",
			stderr: "141\n",
		});
	});

	it("works through a symlink and from any directory", async () => {
		const link = join(user.directory, "a link");
		symlinkSync(fileURLToPath(new URL("../../bin/run-in-vm", import.meta.url)), link);
		expect(await user.sh(`cd / && '${link}' shopping echo hi`)).toMatchObject({ status: 0, stdout: "hi\n" });
	});
});

describe("vms of each kind", () => {
	it("starts and stops on request, twice without harm, and gives an offline vm no network card", async () => {
		expect(await user.sh("qubes-lite start vault && qubes-lite start vault")).toMatchObject({
			...{ status: 0, stdout: "", stderr: "" },
		});
		expect(await user.run("vault", "ls", "/sys/class/net")).toMatchObject({ status: 0, stdout: "lo\n" });
		expect(await user.sh("qubes-lite stop vault && qubes-lite stop vault")).toMatchObject({ status: 0, stderr: "" });
		expect((await user.status("vault")).reason).toBe("stopped by request");
	});

	it("gives a networked vm its address and gateway", async () => {
		const outcome = await user.run("shopping", "sh", "-c", "ip -o -4 addr show vm0; ip route");
		expect(outcome.stdout).toContain("inet 172.16.200.5/31");
		expect(outcome.stdout).toContain("default via 172.16.200.4");
	});

	it("forgets what a disposable wrote", async () => {
		await user.until("it has stopped", async () => (await user.status("disp")).state === "stopped");
		expect((await user.run("disp", "test", "-e", "/tmp/mark")).status).toBe(1);
	});

	it("shuts a vm down after its idleTimeout, and says so", async () => {
		expect((await user.run("brief", "true")).status).toBe(0);
		await user.until("it says when it will stop", async () => (await user.status("brief")).stopsAt !== null);
		await user.until("it has stopped", async () => (await user.status("brief")).state === "stopped");
		expect((await user.status("brief")).reason).toBe("idle for 6 s");
	});

	it("lists vms for people and for programs", async () => {
		const { stdout } = await user.sh("qubes-lite ls");
		expect(stdout).toMatch(/^NAME +ID +STATE +SINCE +NETWORK +NOTE\n/);
		expect(stdout).not.toContain("\x1b");
		const listed = JSON.parse((await user.sh("qubes-lite ls --json")).stdout);
		expect(listed.schema).toBe(1);
		expect(listed.vms.map((vm: { name: string }) => vm.name)).toEqual(vms);
	});
});

describe("the agent's image", () => {
	it("keeps the console of a vm that has stopped, and none of a disposable's", async () => {
		await user.sh("qubes-lite stop brief disp");
		expect(readFileSync(join(user.state, "logs/brief.console.log"), "utf8")).toContain("qubes-lite: phase agent");
		expect((await user.sh(`ls '${user.state}/logs'`)).stdout).not.toContain("disp");
	});
});

describe("a client that is killed", () => {
	it("takes no other session of the vm with it", async () => {
		const other = user.start("run-in-vm", ["shopping", "sh", "-c", "read -r line; echo still here"]);
		const killed = user.start("run-in-vm", ["shopping", "sleep", "1000"]);
		await user.until("both run", async () => (await user.status("shopping")).sessions === 2);
		killed.kill("SIGKILL");
		await user.until("one is left", async () => (await user.status("shopping")).sessions === 1);
		other.stdin.end("\n");
		expect(await other.done).toMatchObject({ status: 0, stdout: "still here\n", stderr: "" });
		expect(user.log().match(/"event":"guest.hello","vm":"shopping"/g)).toHaveLength(1);
	});

	it("leaves what its caller had open to nobody", async () => {
		await user.sh("qubes-lite stop shopping vault disp brief");
		await user.until("no broker runs", () => user.brokerPids().length === 0);
		const outcome = await user.sh("x=$(bash -c 'run-in-vm vault echo one 40>&1'); echo \"$x\"");
		expect(outcome).toMatchObject({ status: 0, stdout: "one\n" });
		expect((await user.status("vault")).state).not.toBe("stopped");
	});
});
