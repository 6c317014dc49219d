/** The real thing: a user manager, an installation, and guests under QEMU. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UserManager } from "../integration/user-manager.ts";
import { rounds } from "../rounds.ts";
import { TestUser } from "./harness.ts";

const vms = [
	{ id: 5, name: "shopping", memory: 256, idleTimeout: 3 },
	{ id: 7, name: "banking", memory: 256, autoStart: true, open: ["wc", "-c"] },
	{ id: 9, name: "resting", memory: 256, idleTimeout: 1, idleAction: "pause" },
	{ id: 15, name: "disp", memory: 256, disposable: true },
];

describe("an installation in a user manager, with real guests", () => {
	let user: TestUser;
	let manager: UserManager;
	const systemctl = (...words: string[]) => manager.run("systemctl", "--user", ...words);

	beforeAll(async () => {
		user = new TestUser({ vms, hasManager: true });
		manager = await UserManager.start(user);
		expect(await manager.run("qubes-lite", "install")).toMatchObject({ status: 0 });
	});

	afterAll(async () => {
		await user.sh("qubes-lite stop --force shopping banking resting");
		expect(await manager.run("qubes-lite", "uninstall")).toMatchObject({ status: 0 });
		await manager.stop();
		expect((await user.leave([])).processes).toEqual([]);
	});

	it("boots a vm from a cold socket", async () => {
		for (let round = 0; round < rounds(1, 5); round++) {
			await user.sh("qubes-lite stop shopping");
			await systemctl("stop", "qubes-lite-broker.service");
			expect((await manager.show("qubes-lite-broker.service", "ActiveState")).ActiveState).toBe("inactive");
			expect(await user.run("shopping", "hostname")).toMatchObject({ status: 0, stdout: "shopping\n", stderr: "" });
			expect((await manager.show("qubes-lite-shopping.service", "ActiveState")).ActiveState).toBe("active");
		}
	});

	it("lets an idle vm power off, with the reason, and without a trace", async () => {
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		await user.until("it has stopped", async () => (await user.status("shopping")).state === "stopped");
		expect((await user.status("shopping")).reason).toBe("idle for 3 s");
		expect(await manager.show("qubes-lite-shopping.service", "ActiveState", "Result")).toEqual({
			ActiveState: "inactive",
			Result: "success",
		});
		expect(existsSync(join(user.runtime, "shopping"))).toBe(false);
	});

	it("pauses an idle vm, and resumes it for a run and for systemctl, which stops it in order", async () => {
		const isPaused = async () => (await user.status("resting")).flags.includes("paused");
		expect(await user.run("resting", "sh", "-c", "echo kept >/tmp/file")).toMatchObject({ status: 0 });
		await user.until("it is paused", isPaused);
		expect(await user.run("resting", "cat", "/tmp/file")).toMatchObject({ status: 0, stdout: "kept\n" });
		await user.until("it is paused again", isPaused);
		expect(await systemctl("stop", "qubes-lite-resting")).toMatchObject({ status: 0 });
		expect(await manager.show("qubes-lite-resting.service", "ActiveState", "Result")).toEqual({
			ActiveState: "inactive",
			Result: "success",
		});
		await user.until("it is told", async () => (await user.status("resting")).state === "stopped");
		expect(await user.status("resting")).toMatchObject({
			state: "stopped",
			reason: expect.stringMatching(/^stopped by systemd /),
		});
		expect((await user.sh("qubes-lite logs --console resting")).stdout).toContain("reboot: Power down");
	});

	it("serves a vm that systemctl starts", async () => {
		expect(await systemctl("start", "qubes-lite-banking")).toMatchObject({ status: 0 });
		expect(await user.run("banking", "hostname")).toMatchObject({ status: 0, stdout: "banking\n" });
		const { stdout } = await systemctl("status", "qubes-lite-banking");
		expect(stdout).toMatch(/Active: active \(running\)/);
		expect(stdout).toContain("qemu-system-x86_64");
		/** The helper makes no filter of its own. */
		const helper = user
			.processes()
			.find(({ words }) => words.startsWith("/") && words.includes("vhost-device-vsock --"));
		expect(readFileSync(`/proc/${helper?.pid}/status`, "utf8")).toMatch(/^NoNewPrivs:\t1\nSeccomp:\t2$/m);
	});

	it("serves programs on the bus: a command, its end, and a file that is opened whole", async () => {
		const [broker, root, vm] = ["org.qubeslite.Broker1", "/org/qubeslite", "org.qubeslite.VM1"];
		const call = (path: string, name: string, ...words: string[]) =>
			manager.run("busctl", "--user", "--timeout=120", "--json=short", "--", "call", broker, path, name, ...words);
		const onVm = (...words: string[]) => call(`${root}/vm/banking`, vm, ...words);
		expect(await user.sh("qubes-lite ls -q")).toMatchObject({ status: 0 });
		const monitor = manager.begin("gdbus", "monitor", "--session", "-d", broker);
		await user.until("it listens", () => monitor.stdout().includes("is owned by"));
		const session = async (outcome: ReturnType<typeof call>): Promise<string> =>
			JSON.parse((await outcome).stdout).data[0];
		const wait = async (id: string) => {
			const [code, signal, { stdout }] = JSON.parse((await call(root, broker, "Wait", "sa{sv}", id, "0")).stdout).data;
			return { code, signal, stdout: Buffer.from(stdout.data).toString() };
		};
		const captured = ["1", "capture", "b", "true"];
		const id = await session(onVm("Run", "asa{sv}", "3", "sh", "-c", "hostname; exit 3", ...captured));
		expect(await wait(id)).toEqual({ code: 3, signal: "", stdout: "banking\n" });
		const sleeping = await session(onVm("Run", "asa{sv}", "2", "sleep", "1000", "0"));
		expect((await call(root, broker, "Signal", "ssa{sv}", sleeping, "SIGTERM", "0")).status).toBe(0);
		expect(await wait(sleeping)).toMatchObject({ code: -1, signal: "SIGTERM" });
		const file = join(user.directory, "a file");
		writeFileSync(file, "x".repeat(3_000_000));
		const opened = await wait(await session(onVm("Open", "sa{sv}", file, "0")));
		expect(opened).toMatchObject({
			code: 0,
			stdout: expect.stringMatching(/^3000000 \/tmp\/qubes-lite-open-\w+\/a file\n$/),
		});
		await user.until("the ends are told", () => monitor.stdout().split("SessionEnded").length === 4);
		expect(monitor.stdout()).toContain(`SessionEnded ('${id}', 3, '')`);
		expect(monitor.stdout()).toContain(`SessionEnded ('${sleeping}', -1, 'SIGTERM')`);
		monitor.kill("SIGKILL");
	});

	it("asks a guest to end when systemctl stops its vm", async () => {
		expect(await systemctl("stop", "qubes-lite-banking")).toMatchObject({ status: 0 });
		await user.until("it is told", async () => (await user.status("banking")).state === "stopped");
		expect((await user.status("banking")).reason).toBe("stopped by systemd (systemctl stop, or the end of the login)");
		/** The guest powered off: QEMU was not killed. */
		expect(await manager.show("qubes-lite-banking.service", "Result", "ExecMainStatus")).toEqual({
			Result: "success",
			ExecMainStatus: "0",
		});
		expect(manager.journal("qubes-lite-banking")).not.toContain("SIGTERM");
	});

	it("goes on with a session whose broker is killed", async () => {
		const running = user.start("run-in-vm", ["--disposable", "sh", "-c", "echo up; read -r line; echo $line; exit 7"]);
		await user.until("it is up", () => running.stdout() === "up\n");
		user.signalBrokers("SIGKILL");
		await user.until("systemd has started another", async () => user.brokerPids().length === 1);
		running.stdin.end("still here\n");
		expect(await running.done).toMatchObject({ status: 7, stdout: "up\nstill here\n", stderr: "" });
		await user.until("nothing is left of it", async () => {
			const { stdout } = await systemctl("list-units", "--all", "--plain", "--no-legend", "qubes-lite-disp@*");
			return stdout === "";
		});
	});
});
