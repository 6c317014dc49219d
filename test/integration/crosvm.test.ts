/** Vms that crosvm's stand-in runs, as units of a real user manager and without: what is crosvm's alone. */
import { once } from "node:events";
import { chownSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { wordsOf } from "../contract/vmm.contract.ts";
import { parseCrosvmRun } from "../fixtures/crosvm-grammar.ts";
import { isSoak } from "../rounds.ts";
import { FakeUser, otherUid } from "./fake-user.ts";
import { canMakeTaps, TapHost } from "./tap-host.ts";
import { UserManager } from "./user-manager.ts";

const offline = { network: false };
const vms = [
	{ ...offline, id: 3, name: "banking" },
	{ ...offline, id: 5, name: "windows", gpu: "virgl" },
	{ ...offline, id: 7, name: "bare", crosvm: { sandbox: false } },
	{ id: 9, name: "online", gpu: "none" },
	{ id: 13, name: "foreign" },
	{ ...offline, id: 11, name: "restarts", rebootAction: "restart" },
	{ ...offline, id: 15, name: "disp", disposable: true },
];

/** The contract (crosvm-contract.test.ts) has those of "direct". */
const supervisors = isSoak ? ["direct", "systemd"] : ["systemd"];

describe.runIf(canMakeTaps).each(supervisors)("crosvm's vms, kept by %s", (supervisor) => {
	let host: TapHost;
	let user: FakeUser;
	let manager: UserManager | undefined;
	let compositor: Server;

	beforeAll(async () => {
		host = await TapHost.start({ "ql-online": 9 }, { hasKvm: true });
		host.sh("ip tuntap add dev ql-foreign mode tap user 12345");
		user = new FakeUser({
			...{ vms, supervisor, within: host.within, hasManager: supervisor === "systemd" },
			config: { hypervisor: "crosvm", crosvm: { extraArgs: ["--no-rng"] } },
			env: { QUBES_LITE_BROKER_IDLE_MS: "5000" },
			...(supervisor === "systemd" && { uid: otherUid }),
		});
		if (supervisor === "systemd") manager = await UserManager.start(user, otherUid);
		compositor = createServer().listen(join(user.directory, "wayland-7"));
		await once(compositor, "listening");
		chownSync(join(user.directory, "wayland-7"), otherUid, otherUid);
	});

	afterEach(async () => {
		for (const { name } of vms) user.order(name, {});
		await user.sh(`qubes-lite stop --force ${vms.map(({ name }) => name).join(" ")}`);
	});

	afterAll(async () => {
		compositor.close();
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		await manager?.stop();
		const left = await user.leave([]);
		await host.stop();
		expect(left.processes).toEqual([]);
	});

	/** What crosvm has been told. */
	function runOf(vm: string): ReturnType<typeof parseCrosvmRun> {
		const words = wordsOf(user.vmmPid(vm));
		return parseCrosvmRun(words.slice(words.indexOf(user.fakes) + 1));
	}

	it("run a command, each in its sandbox with an empty directory for it, or without", async () => {
		for (const vm of ["banking", "bare"]) {
			expect(await user.run(vm, "echo", "hi")).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
		}
		const empty = join(user.runtime, "banking/empty");
		expect(runOf("banking")).toMatchObject({ pivotRoot: empty, disableSandbox: false, rng: false });
		expect(readdirSync(empty)).toEqual([]);
		expect(runOf("bare")).toMatchObject({ pivotRoot: undefined, disableSandbox: true });
		expect(readdirSync(join(user.runtime, "bare"))).not.toContain("empty");
		expect((await user.status("banking")).supervisor).toBe(supervisor);
	});

	it("have the host's TAP for a network", async () => {
		expect(await user.run("online", "echo", "hi")).toMatchObject({ status: 0, stdout: "hi\n" });
		expect(runOf("online").net).toMatchObject([{ tapName: "ql-online", mac: "02:51:4c:00:00:09" }]);
	});

	it("find the compositor that there is when they start, also under a broker that was there before it", async () => {
		const { status, stderr } = await user.run("windows", "true");
		expect({ status, stderr }).toEqual({
			status: 125,
			stderr: expect.stringContaining("windows requires a Wayland session: WAYLAND_DISPLAY is not set"),
		});
		if (manager === undefined) {
			await user.endBrokers();
			user.env.WAYLAND_DISPLAY = "wayland-7";
		} else {
			expect((await manager.run("systemctl", "--user", "set-environment", "WAYLAND_DISPLAY=wayland-7")).status).toBe(0);
		}
		expect(await user.run("windows", "echo", "seen")).toMatchObject({ status: 0, stdout: "seen\n", stderr: "" });
		expect(runOf("windows").waylandSocks).toMatchObject([{ path: join(user.directory, "wayland-7") }]);
		/** Where one may be, it is used; where one must be, it is waited for by nobody. */
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		expect(runOf("banking").gpu?.contextTypes).toEqual(["cross-domain"]);
	});

	it("are spoken to by a broker that comes later", async () => {
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		const pid = user.vmmPid("banking");
		await user.endBrokers();
		expect((await user.sh("qubes-lite set banking idleTimeout=1 idleAction=pause")).status).toBe(0);
		await user.until("it is paused", async () => (await user.status("banking")).flags.includes("paused"));
		expect(await user.run("banking", "echo", "on")).toMatchObject({ status: 0, stdout: "on\n" });
		expect(user.vmmPid("banking")).toBe(pid);
	});

	it("give memory back, and say what is left", async () => {
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		expect(await user.sh("qubes-lite set banking memory=768")).toMatchObject({
			...{ status: 0, stdout: "banking: memory 768 MiB until it stops\n", stderr: "" },
		});
		/** A vmm on a busy machine may not say in time what is available. */
		let told = await user.status("banking");
		await user.until("what is available is told", async () => {
			told = await user.status("banking");
			return told.availableMiB !== null;
		});
		expect(told).toMatchObject({ memoryMiB: 768, availableMiB: expect.any(Number) });
		let text = "";
		await user.until("people are told, too", async () => {
			text = (await user.sh("qubes-lite status banking")).stdout;
			return text.includes(" available");
		});
		expect(text).toMatch(/^ {2}memory +768 MiB, 1024 MiB from its next boot; \d+ MiB of it available$/m);
		expect(await user.sh("qubes-lite set banking memory=2048")).toMatchObject({
			...{
				status: 1,
				stderr: expect.stringContaining("banking was booted with 1024 MiB of memory, and can't have 2048"),
			},
		});
		expect((await user.sh("qubes-lite stop banking && qubes-lite start banking")).status).toBe(0);
		expect(await user.status("banking")).toMatchObject({ memoryMiB: 1024 });
	});

	it.each([
		["crash", "its vmm crashed, or lost one of its devices"],
		["panic", "its vmm ended because its guest's kernel panicked"],
		["watchdog", "its vmm ended because its guest's processors stood still"],
		["abort", "its vmm met a fault of its own and aborted"],
		["backEnd", "its vmm crashed, or lost one of its devices"],
	] as const)("that end by a %s say so", async (by, sentence) => {
		user.order("banking", { ends: { by, afterMs: 3_000 } });
		expect((await user.sh("qubes-lite start banking")).status).toBe(0);
		await user.until("it has failed", async () => (await user.stateOf("banking")) === "failed");
		expect((await user.sh("qubes-lite why banking")).stdout).toMatch(
			new RegExp(`^failed at \\d\\d:\\d\\d: ${sentence}`),
		);
	});

	it("that kill their own process group end as they had announced, and nobody else with them", async () => {
		user.order("banking", { killsItsGroup: true });
		expect((await user.sh("qubes-lite start banking")).status).toBe(0);
		const brokers = user.brokerPids();
		const pid = user.vmmPid("banking");
		await user.sh(`'${user.fakes}/crosvm' powerbtn '${user.runtime}/banking/control.sock'`);
		await user.until("it has ended", async () => (await user.stateOf("banking")) === "stopped");
		expect((await user.sh("qubes-lite why banking")).stdout).toMatch(/: the guest powered off\n/);
		expect(user.brokerPids()).toEqual(brokers);
		expect(user.processes().filter((one) => one.pid === pid)).toEqual([]);
	});

	it("whose guests reboot boot again, once within a minute", async () => {
		user.order("restarts", { ends: { by: "reset", afterMs: 2_500 } });
		expect((await user.sh("qubes-lite start restarts")).status).toBe(0);
		await user.until("it is let be", async () => (await user.stateOf("restarts")) === "stopped");
		expect(user.starts("restarts")).toBe(2);
		expect((await user.sh("qubes-lite why restarts")).stdout).toMatch(/^stopped at \d\d:\d\d: the guest rebooted\n/);
	});

	it("that can't start say why, in crosvm's own words", async () => {
		user.order("banking", { failsToStart: "failed to create the guest's memory: Cannot allocate memory" });
		const { status, stderr } = await user.run("banking", "true");
		expect({ status, stderr }).toEqual({
			status: 125,
			stderr: expect.stringContaining(
				"its vmm ended with status 1: failed to create the guest's memory: Cannot allocate memory",
			),
		});
	});

	it("are disposable like any other", async () => {
		expect(await user.run("--disposable=disp", "echo", "gone")).toMatchObject({ status: 0, stdout: "gone\n" });
		await user.until("nothing is left", () => readdirSync(user.runtime).every((name) => !name.startsWith("disp-")));
	});

	it("can't be had of a crosvm that lacks an option, or is none, and are told so before anything is started", async () => {
		const starts = user.starts("banking");
		for (const [binary, sentence] of [
			["/bin/true", "/bin/true does not know --extended-status: it is too old, or too new, for this"],
			["/nowhere/crosvm", "/nowhere/crosvm, which the configuration names as crosvm, is no program"],
		]) {
			user.configure(vms, { hypervisor: "crosvm", crosvm: { binary } });
			expect(await user.run("banking", "true")).toMatchObject({
				...{ status: 125, stderr: expect.stringContaining(sentence ?? "") },
			});
		}
		user.configure(vms);
		expect(user.starts("banking")).toBe(starts);
	});

	if (supervisor === "systemd") {
		it("are adopted as they were started, whatever their unit's file says by now", async () => {
			expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
			const path = join(user.directory, "systemd/user/qubes-lite-banking.service");
			const text = readFileSync(path, "utf8");
			await user.endBrokers();
			writeFileSync(path, text.replace("QUBES_LITE_HYPERVISOR=crosvm", "QUBES_LITE_HYPERVISOR=qemu"));
			expect((await manager?.run("systemctl", "--user", "daemon-reload"))?.status).toBe(0);
			expect((await user.status("banking")).hypervisor).toBe("crosvm");
			writeFileSync(path, text);
			await manager?.run("systemctl", "--user", "daemon-reload");
		});

		it("have no TAP that is another user's", async () => {
			expect(await user.run("foreign", "true")).toMatchObject({
				status: 125,
				stderr: expect.stringMatching(
					/the TAP ql-foreign is there, and not yours to open\n {2}→ qubes-lite host tap --print \| sudo sh\n/,
				),
			});
			expect(user.starts("foreign")).toBe(0);
		});

		it("are started by systemctl as by a command, and not where there is no session", async () => {
			expect(await user.run("windows", "true")).toMatchObject({ status: 0 });
			await user.sh("qubes-lite stop windows");
			expect(await manager?.run("systemctl", "--user", "start", "qubes-lite-windows")).toMatchObject({ status: 0 });
			await user.until("it is idle", async () => (await user.stateOf("windows")) === "idle");
			expect(runOf("windows").waylandSocks).toMatchObject([{ path: join(user.directory, "wayland-7") }]);
			await user.sh("qubes-lite stop windows");
			await manager?.run("systemctl", "--user", "unset-environment", "WAYLAND_DISPLAY");
			expect((await manager?.run("systemctl", "--user", "start", "qubes-lite-windows"))?.status).not.toBe(0);
			const sentence = "it requires a Wayland session, and WAYLAND_DISPLAY of the user manager names none";
			await user.until("it is told", () => manager?.journal("qubes-lite-windows").includes(sentence) === true);
		});
	}

	it("have no KVM to run on where the host has none", async () => {
		const poor = new FakeUser({ vms, supervisor: "direct", config: { hypervisor: "crosvm" } });
		expect(await poor.run("banking", "true")).toMatchObject({
			...{
				status: 125,
				stderr: expect.stringContaining("crosvm runs banking by KVM alone, which is not to be had: "),
			},
		});
		expect(poor.starts("banking")).toBe(0);
		expect((await poor.leave(["banking"])).processes).toEqual([]);
	});
});
