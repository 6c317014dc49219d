/** Vms as units of a real user manager: the real client, broker and shim, and a fake vmm. */
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { signalProcess } from "../e2e/harness.ts";
import { FakeUser, managerUids } from "./fake-user.ts";
import { UserManager } from "./user-manager.ts";

const vms = [
	{ id: 5, name: "shopping", memoryMax: 2048, cpuWeight: 50, idleTimeout: 2 },
	{ id: 7, name: "banking" },
	{ id: 15, name: "disp", disposable: true },
];

describe.each(managerUids)("a vm as a unit, uid %s", (uid) => {
	let user: FakeUser;
	let manager: UserManager;
	const unit = (name: string, ...properties: string[]) => manager.show(`qubes-lite-${name}.service`, ...properties);

	beforeAll(async () => {
		user = new FakeUser({ hasManager: true, vms, ...(uid === undefined ? {} : { uid }) });
		manager = await UserManager.start(user, uid);
	});

	afterEach(async () => {
		await user.sh("qubes-lite stop --force shopping banking");
	});

	afterAll(async () => {
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		const left = readdirSync(user.runtime);
		await manager.stop();
		expect((await user.leave([])).processes).toEqual([]);
		expect(left.filter((name) => name !== "broker.lock")).toEqual([]);
	});

	it("runs a command, and its unit is what its configuration says", async () => {
		const running = user.start("run-in-vm", ["shopping", "sh", "-c", "echo hi; read -r line"]);
		await user.until("it runs", () => running.stdout() === "hi\n");
		expect(
			await unit(
				"shopping",
				"ActiveState",
				"Slice",
				"MemoryMax",
				"CPUWeight",
				"RuntimeDirectoryMode",
				"NoNewPrivileges",
			),
		).toEqual({
			ActiveState: "active",
			Slice: "qubes-lite.slice",
			MemoryMax: String(2048 * 1024 * 1024),
			CPUWeight: "50",
			RuntimeDirectoryMode: "0700",
			NoNewPrivileges: "yes",
		});
		expect((await user.status("shopping")).supervisor).toBe("systemd");
		running.stdin.end("\n");
		expect(await running.done).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
	});

	it("is idle, stops, and leaves nothing", async () => {
		await user.run("shopping", "true");
		await user.until("it has stopped", async () => (await user.stateOf("shopping")) === "stopped");
		expect(await user.status("shopping")).toMatchObject({ reason: "idle for 2 s" });
		expect(await unit("shopping", "ActiveState", "Result")).toEqual({ ActiveState: "inactive", Result: "success" });
		expect(existsSync(join(user.runtime, "shopping"))).toBe(false);
	});

	it("that systemctl starts is seen, serves, and is stopped with that reason", async () => {
		const release = await user.keepBroker();
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		await user.sh("qubes-lite stop banking");
		expect(await manager.run("systemctl", "--user", "start", "qubes-lite-banking")).toMatchObject({
			status: 0,
			stderr: "",
		});
		await user.until("it is idle", async () => (await user.stateOf("banking")) === "idle", 20_000);
		const starts = user.starts("banking");
		expect(await user.run("banking", "echo", "hi")).toMatchObject({ status: 0, stdout: "hi\n" });
		expect(user.starts("banking")).toBe(starts);
		expect(await manager.run("systemctl", "--user", "stop", "qubes-lite-banking")).toMatchObject({
			status: 0,
			stderr: "",
		});
		await user.until("it is told", async () => (await user.stateOf("banking")) === "stopped");
		expect(await user.status("banking")).toMatchObject({
			state: "stopped",
			reason: "stopped by systemd (systemctl stop, or the end of the login)",
		});
		await release();
	});

	it("is a disposable instance of a template", async () => {
		const running = user.start("run-in-vm", ["--disposable", "sh", "-c", "echo up; read -r line"]);
		await user.until("it is up", () => running.stdout() === "up\n");
		const { stdout } = await manager.run(
			"systemctl",
			"--user",
			"list-units",
			"--plain",
			"--no-legend",
			"qubes-lite-disp@*",
		);
		expect(stdout).toMatch(
			/^qubes-lite-disp@[0-9a-f]{4}\.service loaded active running VM disp-[0-9a-f]{4}, a disposable instance$/m,
		);
		running.stdin.end("\n");
		expect(await running.done).toMatchObject({ status: 0 });
		await user.until("nothing is left", () => readdirSync(user.runtime).every((name) => !name.startsWith("disp-")));
	});

	it("whose vmm is killed says so, and the next command boots it", async () => {
		const running = user.start("run-in-vm", ["banking", "sleep", "100"]);
		await user.until("it runs", async () => (await user.status("banking")).sessions === 1);
		process.kill(user.vmmPid("banking"), "SIGKILL");
		const { status, stderr } = await running.done;
		expect({ status, stderr }).toMatchObject({
			status: 125,
			stderr: expect.stringContaining("its vmm was ended by SIGKILL"),
		});
		expect(await unit("banking", "Result", "ExecMainStatus")).toEqual({ Result: "signal", ExecMainStatus: "9" });
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
	});

	it("whose vmm ends at once is told by its last words", async () => {
		await user.sh("qubes-lite stop banking");
		user.order("banking", { exitAtBoot: { words: "qemu: no such disk", status: 1 } });
		const { status, stderr } = await user.run("banking", "true");
		expect({ status, stderr }).toMatchObject({
			status: 125,
			stderr: expect.stringContaining("banking did not become ready: its vmm ended with status 1: qemu: no such disk"),
		});
		expect(existsSync(join(user.runtime, ".ended"))).toBe(false);
		user.order("banking", {});
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
	});

	it("goes on when its broker is killed, and is adopted by the next", async () => {
		const running = user.start("run-in-vm", ["banking", "sh", "-c", "echo up; read -r line; echo $line"]);
		await user.until("it is up", () => running.stdout() === "up\n");
		const starts = user.starts("banking");
		user.signalBrokers("SIGKILL");
		expect(await user.status("banking")).toMatchObject({ supervisor: "systemd" });
		running.stdin.end("still here\n");
		expect(await running.done).toMatchObject({ status: 0, stdout: "up\nstill here\n" });
		expect(user.starts("banking")).toBe(starts);
	});

	it("sees the compositor that the login has named to the manager", async () => {
		await manager.run("systemctl", "--user", "set-environment", "WAYLAND_DISPLAY=wayland-7");
		await user.run("banking", "true");
		const environment = readFileSync(`/proc/${user.vmmPid("banking")}/environ`, "utf8").split("\0");
		expect(environment).toContain("WAYLAND_DISPLAY=wayland-7");
		await manager.run("systemctl", "--user", "unset-environment", "WAYLAND_DISPLAY");
	});

	it("that is masked is refused with the remedy", async () => {
		const path = join(user.directory, "systemd/user/qubes-lite-banking.service");
		await user.sh("qubes-lite stop banking");
		await manager.run("systemctl", "--user", "mask", "qubes-lite-banking.service");
		expect(await user.run("banking", "true")).toMatchObject({
			status: 125,
			stderr: expect.stringContaining("systemctl --user unmask qubes-lite-banking.service"),
		});
		await manager.run("systemctl", "--user", "unmask", "qubes-lite-banking.service");
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		expect(existsSync(path)).toBe(true);
	});

	it("that systemctl could not start says why", async () => {
		await user.run("banking", "true");
		await user.sh("qubes-lite stop banking");
		const release = await user.keepBroker();
		const path = join(user.directory, "systemd/user/qubes-lite-banking.service");
		const text = readFileSync(path, "utf8");
		writeFileSync(path, text.replace("no-tap=ql-banking", "tap=ql-banking"));
		await manager.run("systemctl", "--user", "daemon-reload");
		expect(await manager.run("systemctl", "--user", "start", "qubes-lite-banking")).toMatchObject({ status: 1 });
		await user.until("it is told", async () => (await user.stateOf("banking")) === "failed");
		expect((await user.status("banking")).reason).toContain(
			"could not be started: qubes-lite: this unit was made for the TAP",
		);
		await release();
		writeFileSync(path, text);
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
	});

	it("that somebody has edited is started as it is; one that is not right for this host refuses", async () => {
		await user.run("banking", "true");
		await user.sh("qubes-lite stop banking");
		const path = join(user.directory, "systemd/user/qubes-lite-banking.service");
		const edited = readFileSync(path, "utf8").replace("no-tap=ql-banking", "tap=ql-banking");
		writeFileSync(path, edited);
		expect(await user.run("banking", "true")).toMatchObject({
			status: 125,
			stderr: expect.stringContaining("this unit was made for the TAP ql-banking, which is not there any more"),
		});
		expect(readFileSync(path, "utf8")).toBe(edited);
		writeFileSync(path, edited.replace("tap=ql-banking", "no-tap=ql-banking").replace("CPUWeight", "# CPUWeight"));
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
	});

	it("that has left the configuration can't be started any more, and comes back with it", async () => {
		const config = user.env.QUBES_LITE_CONFIG ?? "";
		const before = readFileSync(config, "utf8");
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		writeFileSync(config, JSON.stringify({ version: 1, vms: vms.filter(({ name }) => name !== "banking") }));
		expect((await user.status("banking")).flags).toEqual(["notConfigured"]);
		expect(await user.sh("qubes-lite stop banking")).toMatchObject({ status: 0 });
		const start = () => manager.run("systemctl", "--user", "start", "qubes-lite-banking");
		await user.until("it is unknown", async () =>
			(await start()).stderr.includes("qubes-lite-banking.service not found"),
		);
		writeFileSync(config, before);
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
	});

	it("is one of two instances that are started at once, from a template that is not there yet", async () => {
		for (let round = 0; round < 3; round++) {
			rmSync(join(user.directory, "systemd/user/qubes-lite-disp@.service"), { force: true });
			const runs = await Promise.all([1, 2, 3].map(() => user.run("--disposable", "echo", "hi")));
			for (const run of runs) expect(run).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
		}
	});

	it("is left alone by a broker of another runtime directory, which keeps its own", async () => {
		await user.run("banking", "true");
		const pid = user.vmmPid("banking");
		const elsewhere = mkdtempSync(join(user.directory, "other-"));
		if (uid !== undefined) chownSync(elsewhere, uid, uid);
		const other = `XDG_RUNTIME_DIR=${elsewhere} DBUS_SESSION_BUS_ADDRESS=unix:path=${user.directory}/bus`;
		expect((await user.sh(`${other} qubes-lite status --json`)).stdout).toContain('"supervisor": "direct"');
		expect(await user.sh(`${other} run-in-vm shopping echo hi`)).toMatchObject({ status: 0, stdout: "hi\n" });
		expect((await user.sh(`${other} qubes-lite ls`)).stdout).toMatch(/^banking +7 +stopped/m);
		expect(await user.sh(`${other} qubes-lite stop shopping`)).toMatchObject({ status: 0 });
		expect(user.vmmPid("banking")).toBe(pid);
		expect(await user.status("banking")).toMatchObject({ state: "idle", pid });
	});

	it("is refused where the broker's own shim keeps that vm, and nothing of it is touched", async () => {
		const config = user.env.QUBES_LITE_CONFIG ?? "";
		const systemd = readFileSync(config, "utf8");
		await user.run("banking", "true");
		await user.sh("qubes-lite stop banking");
		writeFileSync(config, systemd.replace('"auto"', '"direct"'));
		const running = user.start("run-in-vm", ["banking", "sh", "-c", "echo up; read -r line; echo $line"]);
		await user.until("it is up", () => running.stdout() === "up\n");
		expect(await user.status("banking")).toMatchObject({ supervisor: "direct" });
		expect(await manager.run("systemctl", "--user", "start", "qubes-lite-banking")).toMatchObject({ status: 1 });
		expect(await user.status("banking")).toMatchObject({ state: "ready", supervisor: "direct" });
		expect(await user.run("banking", "echo", "another")).toMatchObject({ status: 0, stdout: "another\n" });
		user.signalBrokers("SIGKILL");
		expect(await user.status("banking")).toMatchObject({ state: "ready", supervisor: "direct" });
		running.stdin.end("still here\n");
		expect(await running.done).toMatchObject({ status: 0, stdout: "up\nstill here\n" });
		await user.sh("qubes-lite stop banking");
		writeFileSync(config, systemd);
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		expect(await user.status("banking")).toMatchObject({ supervisor: "systemd" });
	});

	it("can't be started by a unit that nobody would serve: those of this login go with the broker that made them", async () => {
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		await user.sh("qubes-lite stop banking");
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		expect(await manager.run("systemctl", "--user", "start", "qubes-lite-banking")).toMatchObject({
			status: 5,
			stderr: expect.stringContaining("qubes-lite-banking.service not found"),
		});
	});

	it("says what happens to it in the journal, under its name", async () => {
		const running = user.start("run-in-vm", ["shopping", "sleep", "100"]);
		await user.until("it runs", async () => (await user.status("shopping")).sessions === 1);
		for (const { pid, words } of user.processes()) if (words.includes("fake-vhost")) signalProcess(pid, "SIGKILL");
		expect(await running.done).toMatchObject({
			status: 125,
			stderr: expect.stringContaining("its vhost-device-vsock ended or did not start"),
		});
		await user.until("it is told", () =>
			manager
				.journal("qubes-lite-shopping")
				.includes("qubes-lite: helper 0 ended with status 137, so the vmm must end"),
		);
	});
});
