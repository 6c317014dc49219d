/** qubes-lite for people and for programs: ls, status, start and stop, in every state a vm can be in. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
const names = ["shopping", "vault", "disp"];
const vms = [
	{ id: 5, name: "shopping", memory: 2048 },
	{ id: 13, name: "vault", network: false, idleTimeout: 600 },
	{ id: 15, name: "disp", disposable: true },
];
let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms });
});

afterAll(async () => {
	expect(await user.leave(names)).toEqual(nothingLeft);
});

async function expectStopped(vm: string): Promise<void> {
	expect(await user.sh(`qubes-lite stop ${vm}`)).toMatchObject({ status: 0, stdout: "", stderr: "" });
	expect(await user.stateOf(vm)).toBe("stopped");
}

describe("ls and status", () => {
	it("show each vm in columns, without escapes in a pipe", async () => {
		const { stdout } = await user.sh("qubes-lite ls");
		const [head, ...rows] = stdout.trimEnd().split("\n");
		expect(head).toMatch(/^NAME +ID +STATE +SINCE +NETWORK +NOTE$/);
		expect(rows.map((row) => row.split(/ {2,}/).filter((_, column) => column !== 3))).toEqual([
			["shopping", "5", "stopped", "yes"],
			["vault", "13", "stopped", "offline"],
			["disp", "15", "stopped", "yes"],
		]);
		expect(stdout).not.toContain("\x1b");
	});

	it("give names only with -q, and all that is known as JSON", async () => {
		expect((await user.sh("qubes-lite ls -q")).stdout).toBe("shopping\nvault\ndisp\n");
		const listed = JSON.parse((await user.sh("qubes-lite ls --json")).stdout);
		expect(listed).toMatchObject({ schema: 1, vms: names.map((name) => ({ name, state: "stopped", pid: null })) });
		expect(JSON.parse((await user.sh("qubes-lite status --json vault")).stdout)).toEqual({
			schema: 1,
			vm: { ...listed.vms[1], since: expect.any(String) },
		});
	});

	it("say what keeps a vm up, and when it will stop", async () => {
		const running = user.start("run-in-vm", ["vault", "sh", "-c", "read line"]);
		await user.until("the session is there", async () => (await user.status("vault")).sessions === 1);
		expect((await user.sh("qubes-lite ls")).stdout).toMatch(
			/^vault +13 +ready .*kept by sh \(session vault\.1\.[0-9a-f]{4}\)$/m,
		);
		running.stdin.end();
		await running.done;
		await user.until("it is idle", async () => (await user.stateOf("vault")) === "idle");
		expect((await user.sh("qubes-lite ls")).stdout).toMatch(/^vault +13 +idle .*stops in (10 min|[56]\d\d s)$/m);
		const { stdout } = await user.sh("qubes-lite status vault");
		expect(stdout).toMatch(/^vault\n {2}state +idle, since \d+ s\n/);
		expect(stdout).toMatch(/^ {2}boot +\d+\.\d s( \(kernel .* s\))?$/m);
		expect(stdout).toContain(`qemu, pid ${user.vmmPid("vault")}, kept by the broker's shim\n`);
	});

	it("tell of the broker itself where no vm is named", async () => {
		const { stdout } = await user.sh("qubes-lite status --json");
		expect(JSON.parse(stdout)).toEqual({
			schema: 1,
			broker: {
				...{ version, pid: expect.any(Number), config: user.env.QUBES_LITE_CONFIG, supervisor: "direct" },
				...{ vms: 3, running: 1 },
			},
		});
		expect(user.brokerPids()).toContain(JSON.parse(stdout).broker.pid);
		const words = (await user.sh("qubes-lite status")).stdout;
		expect(words).toMatch(/^broker\n {2}version +\S+\n {2}pid +\d+\n {2}config +\/\S+\n {2}supervisor +direct\n/);
		expect(words).toMatch(/^ {2}vms +3, of which 1 is up\n$/m);
	});

	it("know the nearest option", async () => {
		expect(await user.sh("qubes-lite ls --jsn")).toMatchObject({
			status: 2,
			stdout: "",
			stderr: "qubes-lite: there is no option --jsn; did you mean --json?\n  → qubes-lite ls --help\n",
		});
		expect((await user.sh("qubes-lite stop --froce vault")).stderr).toContain("did you mean --force?");
	});
});

describe("start", () => {
	it("boots several vms, and those that run are left alone", async () => {
		expect(await user.sh(`qubes-lite start ${names.join(" ")}`)).toMatchObject({ status: 0, stdout: "", stderr: "" });
		expect(await user.sh("qubes-lite start shopping")).toMatchObject({ status: 0, stdout: "", stderr: "" });
		for (const name of names) expect(await user.stateOf(name)).toBe("idle");
		expect(user.starts("shopping")).toBe(1);
		await user.sh(`qubes-lite stop ${names.join(" ")}`);
	});

	it("fails where one vm does not boot, and says which", async () => {
		user.order("shopping", { exitAtBoot: { words: "no such disk\n", status: 3 } });
		const outcome = await user.sh("qubes-lite start shopping vault");
		expect(outcome).toMatchObject({ status: 1, stdout: "" });
		expect(outcome.stderr).toMatch(/^qubes-lite: shopping did not become ready: its vmm ended with status 3: no such/);
		expect(await user.stateOf("vault")).toBe("idle");
	});
});

describe("stop is legal", () => {
	it("in a vm that has failed, and one that is stopped", async () => {
		expect(await user.stateOf("shopping")).toBe("failed");
		await expectStopped("shopping");
		await expectStopped("shopping");
	});

	it("while a vm boots, and tells those who wait", async () => {
		user.order("shopping", { hello: "never" });
		const waiting = user.start("run-in-vm", ["shopping", "true"]);
		await user.until("it boots", async () => (await user.stateOf("shopping")) === "booting");
		await expectStopped("shopping");
		const { status, stderr } = await waiting.done;
		expect(status).toBe(125);
		expect(stderr).toMatch(/stopped by request before the command could run\n {2}→ qubes-lite start shopping/);
	});

	it("when a vm did not become ready, and its vmm was kept for a look", async () => {
		user.order("shopping", { hello: "never" });
		user.configure(vms.map((vm) => (vm.name === "shopping" ? { ...vm, bootTimeout: 2 } : vm)));
		expect((await user.run("shopping", "true")).status).toBe(124);
		expect(await user.status("shopping")).toMatchObject({ state: "failed", flags: ["vmmAlive"] });
		await expectStopped("shopping");
		user.configure(vms);
	});

	it("under a running command, which hears of it", async () => {
		user.order("shopping", {});
		const running = user.start("run-in-vm", [
			"shopping",
			"sh",
			"-c",
			"trap 'echo asked; exit 9' TERM; echo up; while :; do sleep 0.05; done",
		]);
		await user.until("it is there", () => running.stdout() === "up\n");
		await expectStopped("shopping");
		expect(await running.done).toMatchObject({ status: 9, stdout: "up\nasked\n" });
	});

	it("while a vm shuts down, also for two at once, and with --force", async () => {
		user.order("shopping", { ignoresPowerOff: true, ignoresSigterm: true });
		expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
		const first = user.start("qubes-lite", ["stop", "shopping"]);
		await user.until("it shuts down", async () => (await user.stateOf("shopping")) === "shutdown");
		const second = user.start("qubes-lite", ["stop", "shopping"]);
		expect(await user.sh("qubes-lite stop --force shopping")).toMatchObject({ status: 0, stderr: "" });
		expect(await Promise.all([first.done, second.done])).toMatchObject([{ status: 0 }, { status: 0 }]);
		expect(await user.stateOf("shopping")).toBe("stopped");
		user.order("shopping", {});
	});

	it("and its reason is kept", async () => {
		expect(await user.status("shopping")).toMatchObject({ state: "stopped", reason: "stopped by request" });
	});
});

describe("why", () => {
	const why = async (vm: string) => (await user.sh(`qubes-lite why ${vm}`)).stdout;

	it("says what keeps a vm, when it goes, and how it ended, also to a broker that comes later", async () => {
		const running = user.start("run-in-vm", ["vault", "sh", "-c", "echo up; read -r line"]);
		await user.until("it runs", () => running.stdout() === "up\n");
		/** Its guest tells a little later how many it has. */
		await user.until("its process is counted", async () => (await why("vault")).includes("1 process"));
		expect(await why("vault")).toMatch(/^kept by sh \(session vault\.\d\.[0-9a-f]{4}, 1 process\), since \d\d:\d\d\n$/);
		running.stdin.end("\n");
		await running.done;
		await user.until("it is idle", async () => (await user.stateOf("vault")) === "idle");
		expect(await why("vault")).toMatch(/^idle since \d\d:\d\d; stops in 10 min\n$/);
		await expectStopped("vault");
		const words = await why("vault");
		expect(words).toMatch(/^stopped at \d\d:\d\d: stopped by request\n$/);
		await user.endBrokers();
		expect(await why("vault")).toBe(words);
		expect(JSON.parse((await user.sh("qubes-lite why --json vault")).stdout)).toMatchObject({ schema: 1 });
	});
});

describe("kill and restart", () => {
	it("are legal in every state", async () => {
		expect(await user.sh("qubes-lite restart vault")).toMatchObject({ status: 0, stdout: "", stderr: "" });
		const starts = user.starts("vault");
		const running = user.start("run-in-vm", ["vault", "sleep", "100"]);
		await user.until("it runs", async () => (await user.status("vault")).sessions === 1);
		expect(await user.sh("qubes-lite restart vault")).toMatchObject({ status: 0, stdout: "", stderr: "" });
		/** Its guest was asked, and has ended it. */
		expect((await running.done).status).toBe(143);
		expect(user.starts("vault")).toBe(starts + 1);
		expect(await user.stateOf("vault")).toBe("idle");
		user.order("vault", { powerOffDelayMs: 60_000 });
		expect(await user.sh("qubes-lite kill vault")).toMatchObject({ status: 0, stdout: "", stderr: "" });
		expect(await user.stateOf("vault")).toBe("stopped");
		expect(await user.sh("qubes-lite kill vault vault")).toMatchObject({ status: 0, stdout: "", stderr: "" });
		user.order("vault", {});
	});

	it("end a boot that hangs, and a restart begins another", async () => {
		user.order("vault", { hello: "never" }, {});
		const starts = user.starts("vault");
		const waiting = user.start("run-in-vm", ["vault", "true"]);
		await user.until("its vmm runs", () => user.starts("vault") === starts + 1);
		expect(await user.sh("qubes-lite restart --force vault")).toMatchObject({ status: 0 });
		expect(await waiting.done).toMatchObject({ status: 125 });
		expect(await user.stateOf("vault")).toBe("idle");
		await expectStopped("vault");
	});
});

describe("clip paste", () => {
	beforeAll(async () => {
		expect(await user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
	});
	afterAll(() => expectStopped("shopping"));

	it.each([
		["nothing", Buffer.alloc(0), /^qubes-lite: standard input is empty, .*\n {2}→ echo TEXT /],
		["what is no text", Buffer.from([0x61, 0xff, 0xfe, 0x00]), /neither a PNG picture nor text in UTF-8\n {2}→ .* cp /],
		[
			"a picture of another kind",
			Buffer.from("\xff\xd8\xff\xe0 JFIF", "latin1"),
			/neither a PNG picture nor text in UTF-8\n/,
		],
	])("refuses %s on standard input", async (_, bytes, words) => {
		expect(await user.sh("qubes-lite clip paste --stdin shopping", bytes)).toMatchObject({
			...{ status: 1, stdout: "", stderr: expect.stringMatching(words) },
		});
	});

	it("of a shell without a Wayland session says that, and not that something is to be copied", async () => {
		const programs = join(user.directory, "no-wayland");
		mkdirSync(programs);
		const said =
			"error: XDG_RUNTIME_DIR is invalid or not set in the environment.\nFailed to connect to a Wayland server";
		writeFileSync(join(programs, "wl-paste"), `#!/bin/sh\necho '${said}' >&2\nexit 1\n`, { mode: 0o755 });
		const { status, stderr } = await user.sh(`PATH=${programs}:$PATH qubes-lite clip paste shopping`);
		expect([status, stderr]).toEqual([
			1,
			expect.stringMatching(/^qubes-lite: this shell has no Wayland session, .*\n {2}→ .*--stdin for clip paste/),
		]);
	});
});
