/** Vms as units, and what befalls them, their broker, systemd and the bus: each request still has its one result, or a reason. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { nothingLeft, signalProcess } from "../e2e/harness.ts";
import { rounds } from "../rounds.ts";
import { endBroker, type Place, startedBySocket, writeConfig } from "./broker-places.ts";
import type { FakeUser } from "./fake-user.ts";
import { service } from "./installed-broker.ts";

const vms = [
	{ id: 5, name: "shopping", bootTimeout: 20 },
	{ id: 7, name: "banking", bootTimeout: 20 },
];
const unit = "qubes-lite-shopping.service";

let place: Place;
let user: FakeUser;

beforeAll(async () => {
	place = await startedBySocket(vms);
	user = place.user;
});

afterEach(async () => {
	for (const { name } of vms) user.order(name, {});

	expect(await user.sh("qubes-lite stop --force shopping banking")).toMatchObject({ status: 0, stderr: "" });
});

afterAll(async () => {
	expect(await place.leave()).toEqual(nothingLeft);
});

const systemctl = async (...words: string[]) => {
	const outcome = await place.manager?.run("systemctl", "--user", ...words);
	expect(outcome).toMatchObject({ status: 0, stderr: "" });
};

const property = async (name: string): Promise<string> => (await place.broker?.property(name, unit)) ?? "";

/** Lines of [Service] for the vm's unit, until the returned function is called. */
async function dropIn(...lines: string[]): Promise<() => Promise<void>> {
	const path = join(user.directory, `systemd/user/${unit}.d/test.conf`);
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, `[Service]\n${lines.join("\n")}\n`);
	await systemctl("daemon-reload");
	return async () => {
		rmSync(path);
		await systemctl("daemon-reload");
	};
}

/** A session that must outlive what `act` does. */
async function withSession(act: () => Promise<void>): Promise<void> {
	const session = user.start("run-in-vm", ["shopping", "sh", "-c", "echo up; read -r line; echo $line; exit 6"]);
	await user.until("the session is there", () => session.stdout() === "up\n");
	const starts = user.starts("shopping");
	await act();
	await user.until("it is a lease", async () => (await user.status("shopping")).sessions === 1);
	session.stdin.end("typed later\n");
	expect(await session.done).toMatchObject({ status: 6, stdout: "up\ntyped later\n", stderr: "" });
	expect(user.starts("shopping")).toBe(starts);
}

it("a broker that is killed many times in a row serves each time, with the same vm", async () => {
	await withSession(async () => {
		for (let round = 0; round < rounds(2, 10); round++) {
			await endBroker(place, "killed");
			expect(await user.run("shopping", "echo", String(round))).toMatchObject({ status: 0, stdout: `${round}\n` });
		}
	});
});

it("a broker that is killed between the order to start a unit and the answer has one vmm, and a run its one result", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	await user.sh("qubes-lite stop shopping");
	const undo = await dropIn("ExecStartPre=/bin/sleep 3");
	const starts = user.starts("shopping");
	const running = user.start("run-in-vm", ["shopping", "sh", "-c", `echo ran >>${user.directory}/once; echo out`]);
	await user.until("systemd starts it", async () => (await property("ActiveState")) === "activating");
	await endBroker(place, "killed");
	expect(await running.done).toMatchObject({ status: 0, stdout: "out\n", stderr: "" });
	expect(user.starts("shopping")).toBe(starts + 1);
	expect(user.lines("once")).toEqual(["ran"]);
	await undo();
});

it("a vm that starts while a broker comes up is seen by it, at whatever instant", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	for (let round = 0; round < rounds(2, 60); round++) {
		await user.sh("qubes-lite stop --force shopping");
		await endBroker(place, "killed");
		await systemctl("--no-block", "start", unit);
		await delay(round * 25);
		await user.until("it is idle", async () => (await user.stateOf("shopping")) === "idle", 20_000);
	}
});

it("a vm that systemctl stops while no broker runs is asked to power off by one that comes", async () => {
	user.order("shopping", { ignoresSigterm: true, powerOffDelayMs: 500 });
	expect((await user.run("shopping", "true")).status).toBe(0);
	await place.broker?.systemctl("stop", service);
	const beganAt = performance.now();
	await systemctl("stop", unit);
	expect(performance.now() - beganAt).toBeLessThan(20_000);
	expect(await property("Result")).toBe("success");
	expect((await user.status("shopping")).state).toBe("stopped");
});

it("a vmm that is killed at any point of its life takes nobody with it but who waits, with the reason", async () => {
	const release = await user.keepBroker();
	expect((await user.run("shopping", "true")).status).toBe(0);
	const broker = user.brokerPid();
	const countFds = () => readdirSync(`/proc/${broker}/fd`).length;
	await user.sh("qubes-lite stop --force shopping");
	const before = countFds();
	const all = rounds(2, 20);
	for (let round = 0; round < all; round++) {
		const starts = user.starts("shopping");
		const running = user.start("run-in-vm", ["shopping", "sh", "-c", "echo up; sleep 100"]);
		await user.until("the vmm runs", () => user.starts("shopping") > starts);
		await delay((round * 400) / all);
		/** A boot is tried again, once. */
		for (let end = false; !end; ) {
			const pid = user.vmmPid("shopping");
			if (existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL");
			end = await Promise.race([running.done.then(() => true), delay(30).then(() => false)]);
		}
		const { status, stderr } = await running.done;
		expect(status).toBe(125);
		expect(stderr).toContain("its vmm was ended by SIGKILL");
		expect(await user.run("shopping", "echo", "back")).toMatchObject({ status: 0, stdout: "back\n" });
		await user.sh("qubes-lite stop --force shopping");
	}
	expect(await property("ActiveState")).toBe("inactive");
	expect(user.brokerPids()).toEqual([broker]);
	await user.until("its descriptors are given back", () => countFds() <= before);
	expect(readFileSync(`/proc/${broker}/task/${broker}/children`, "utf8")).toBe("");
	expect(existsSync(join(user.runtime, ".ended"))).toBe(false);
	await release();
});

it("what an earlier start has left is in nobody's way, and a stranger with its vmm's pid is let be", async () => {
	const stranger = spawn("sleep", ["1000"]);
	const directory = join(user.runtime, "shopping");
	mkdirSync(join(directory, "unit"), { recursive: true, mode: 0o700 });
	writeFileSync(join(directory, "unit/vmm.pid"), `${stranger.pid} 1\n`);
	writeFileSync(join(directory, "vsock"), "");
	writeFileSync(join(directory, "vsock_5001"), "");
	writeFileSync(join(directory, "hello.nonce"), "0".repeat(32));
	const ended = join(user.runtime, ".ended/shopping", "0".repeat(32));
	mkdirSync(ended, { recursive: true });
	writeFileSync(join(ended, "exit"), "137 -\n");
	await endBroker(place, "killed");
	expect(await user.run("shopping", "echo", "here")).toMatchObject({ status: 0, stdout: "here\n", stderr: "" });
	await user.sh("qubes-lite stop --force shopping");
	expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
	expect(existsSync(ended)).toBe(false);
	stranger.kill();
});

it("a start that systemd is still at is ended by stop, forced or not", async () => {
	const undo = await dropIn("ExecStartPre=/bin/sleep 60");
	for (const force of ["--force", ""]) {
		const running = user.start("run-in-vm", ["shopping", "true"]);
		await user.until("systemd is at it", async () => (await property("ActiveState")) === "activating");
		expect(await user.sh(`qubes-lite stop ${force} shopping`)).toMatchObject({ status: 0, stderr: "" });
		expect(await property("ActiveState")).toMatch(/^(inactive|failed)$/);
		expect(await running.done).toMatchObject({ status: 125, stderr: expect.stringContaining("stopped by request") });
	}
	await undo();
	expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
});

it("a unit that systemd passes over, or that lacks another one, says that, and not how its last start ended", async () => {
	const reasonWith = async (line: string) => {
		const path = join(user.directory, `systemd/user/${unit}.d/odd.conf`);
		mkdirSync(dirname(path), { recursive: true });
		writeFileSync(path, `[Unit]\n${line}\n`);
		await systemctl("daemon-reload");
		const { status, stderr } = await user.run("shopping", "true");
		rmSync(path);
		await systemctl("daemon-reload");
		return `${status} ${stderr}`;
	};
	expect((await user.run("shopping", "true")).status).toBe(0);
	process.kill(user.vmmPid("shopping"), "SIGKILL");
	await user.until("it has failed", async () => (await user.stateOf("shopping")) === "failed");
	expect(await reasonWith("ConditionPathExists=/nonexistent")).toContain(
		`125 run-in-vm: shopping did not become ready: systemd has passed ${unit} over`,
	);
	expect(await reasonWith("Requires=not-there.service")).toContain("Unit not-there.service not found");
});

it("a vm that ends while no broker runs leaves its logs where those of others are", async () => {
	user.order("shopping", { console: "the last words\n" });
	expect((await user.run("shopping", "true")).status).toBe(0);
	await place.broker?.systemctl("stop", service);
	process.kill(user.vmmPid("shopping"), "SIGKILL");
	await user.until("its unit has failed", async () => (await property("ActiveState")) === "failed");
	expect((await user.status("shopping")).state).toBe("stopped");
	expect(readFileSync(join(user.state, "logs/shopping.console.log"), "utf8")).toContain("the last words");
	expect(existsSync(join(user.runtime, ".ended"))).toBe(false);
	expect(await user.run("shopping", "echo", "back")).toMatchObject({ status: 0, stdout: "back\n" });
});

it("systemctl kill, restart and stop at any time end in a vm that is what systemd says, and runs that have their result", async () => {
	const session = user.start("run-in-vm", ["shopping", "sh", "-c", "echo up; sleep 100"]);
	await user.until("the session is there", () => session.stdout() === "up\n");
	await systemctl("kill", "--signal=SIGKILL", unit);
	expect(await session.done).toMatchObject({ status: 125, stderr: expect.stringContaining("SIGKILL") });

	expect((await user.run("shopping", "true")).status).toBe(0);
	let starts = user.starts("shopping");
	await systemctl("restart", unit);
	await user.until("it is idle again", async () => (await user.stateOf("shopping")) === "idle");
	expect(user.starts("shopping")).toBe(starts + 1);
	await user.sh("qubes-lite stop --force shopping");

	user.order("shopping", { hello: "never" });
	starts = user.starts("shopping");
	const waiting = user.start("run-in-vm", ["shopping", "true"]);
	await user.until("the vmm runs", () => user.starts("shopping") > starts);
	await systemctl("stop", unit);
	expect(await waiting.done).toMatchObject({ status: 125, stderr: expect.stringContaining("stopped") });
	user.order("shopping", {});

	for (let round = 0; round < rounds(2, 40); round++) {
		const runs = ["1", "2"].map((word) => user.run("shopping", "echo", word));
		await delay(round * 60);
		await systemctl("--no-block", round % 2 === 0 ? "stop" : "start", unit);
		for (const { status, stdout, stderr } of await Promise.all(runs)) {
			if (status === 0) expect(stdout).toMatch(/^[12]\n$/);
			else expect([status, stderr]).toEqual([125, expect.stringMatching(/stopped|powering off|could not start|ended/)]);
		}
		const isUp = /^(active|deactivating)$/;
		await user.until("both say the same", async () => {
			const { state } = await user.status("shopping");
			return isUp.test(await property("ActiveState")) === (state !== "stopped" && state !== "failed");
		});
	}
});

it("sessions go on through daemon-reload, daemon-reexec, and the death of the bus; what ends meanwhile is noticed", async () => {
	await withSession(async () => {
		await systemctl("daemon-reload");
		await systemctl("daemon-reexec");
	});
	expect((await user.run("banking", "true")).status).toBe(0);
	const broker = user.brokerPid();
	await withSession(async () => {
		for (const { pid, words } of user.processes()) if (words.includes("dbus-daemon")) signalProcess(pid, "SIGKILL");
		process.kill(user.vmmPid("banking"), "SIGKILL");
		await user.until("its end is noticed", async () => (await user.stateOf("banking")) === "failed", 20_000);
		expect(await user.run("banking", "echo", "back")).toMatchObject({ status: 0, stdout: "back\n" });
	});
	expect(user.brokerPids()).toEqual([broker]);
	await place.broker?.systemctl("stop", unit);
	await user.until("it is told", async () => (await user.stateOf("shopping")) === "stopped");
	expect((await user.status("shopping")).reason).toContain("stopped by systemd");
});

it("a start is asked for again where systemd is away just then (daemon-reexec)", async () => {
	for (let round = 0; round < rounds(2, 40); round++) {
		const running = user.run("shopping", "echo", "hi");
		await delay(30 + (round % 20) * 25);
		await systemctl("daemon-reexec");
		expect(await running).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
		await user.sh("qubes-lite stop --force shopping");
	}
});

it("a vm that systemctl restarts while it is booted has its logs kept", async () => {
	const kept = join(user.state, "logs/shopping.console.log");
	for (let round = 0; round < rounds(2, 40); round++) {
		expect((await user.run("shopping", "true")).status).toBe(0);
		const restart = place.manager?.run("systemctl", "--user", "restart", unit);
		await delay(30 + (round % 10) * 8);
		expect((await user.run("shopping", "true")).status).toBe(0);
		await restart;
		rmSync(kept, { force: true });
		await user.sh("qubes-lite stop shopping");
		await user.until("its log is kept", () => existsSync(kept));
		expect(readFileSync(kept, "utf8")).not.toBe("");
	}
});

it("a broker that comes up without the bus does not call a vm stopped that it can't see, and sees it when the bus is back", async () => {
	await systemctl("start", unit);
	await user.until("it is idle", async () => (await user.stateOf("shopping")) === "idle");
	await systemctl("stop", "dbus.socket", "dbus.service");
	writeConfig(user, "auto", vms);
	await endBroker(place, "killed");
	const hidden = "systemd keeps shopping, and can't be asked about it";
	expect(await user.sh("qubes-lite stop shopping")).toMatchObject({
		status: 1,
		stderr: `qubes-lite: ${hidden}\n  → systemctl --user start dbus.socket\n`,
	});
	expect(await user.run("shopping", "true")).toMatchObject({ status: 125, stderr: expect.stringContaining(hidden) });
	expect(await user.run("banking", "true"), "kept by the broker's shim").toMatchObject({ status: 0 });
	await systemctl("start", "dbus.socket");
	await user.until("it is seen", async () => (await user.stateOf("shopping")) === "idle", 10_000);
	writeConfig(user, "systemd", vms);
	expect((await user.status("shopping")).supervisor).toBe("systemd");
});

it("the socket, systemctl and a client at the same instant have one broker", async () => {
	for (let round = 0; round < rounds(2, 20); round++) {
		await endBroker(place, "killed");
		const lists = [1, 2, 3].map(() => user.sh("qubes-lite ls -q"));
		// It fails where systemd hears of the death in the middle of the job; whoever waits in the socket is served all the same.
		await Promise.all([place.manager?.run("systemctl", "--user", "start", service), ...lists]);
		for (const { status, stdout } of await Promise.all(lists)) {
			expect({ status, stdout }).toEqual({ status: 0, stdout: "shopping\nbanking\n" });
		}
		expect(user.brokerPids()).toHaveLength(1);
	}
});
