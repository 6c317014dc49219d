import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identifyProcess } from "../../src/activation/process-identity.ts";
import { createBootToken, createFakeVmHost, type FakeVmHost, until } from "../fakes/fake-vmm-host.ts";

let host: FakeVmHost;
beforeEach(() => {
	host = createFakeVmHost();
});
afterEach(async () => {
	try {
		await host.assertCensus();
	} finally {
		host.remove();
	}
});

const unseen = { code: null, signal: null, lostHelper: null, cause: null };
const nothing = { running: [], ended: [] };

describe("a broker that is killed", () => {
	it("leaves a vmm that the next one adopts, exit status and all", async () => {
		const first = host.startBroker();
		expect(await first.ask({ op: "start", vmm: ["wait", "exit", "42"], helpers: ["serve"] })).toHaveProperty("uid");
		await first.kill();
		const second = host.startBroker();
		expect(await second.ask({ op: "adopt" })).toEqual({ running: ["shopping"], ended: [] });
		await host.release();
		expect(await second.ask({ op: "exit" })).toMatchObject({ exit: { code: 42, signal: null, lostHelper: null } });
		await second.ask({ op: "cleanUp" });
	});

	it("leaves a vmm that the next one can kill, and remembers the start", async () => {
		const broker = host.startBroker();
		await broker.ask({ op: "start", vmm: ["stubborn", "wait"], helpers: ["serve"] });
		await broker.kill();
		const record = JSON.parse(host.file("shim/boot.json"));
		const [running] = (await host.supervisor.adopt()).running;
		expect(running).toMatchObject({ boot: record.boot, startedAtUptimeMs: 0, plan: record.plan });
		await expect(host.supervisor.start(host.plan([]), createBootToken())).rejects.toMatchObject({ code: "Busy" });
		running?.kill();
		expect(await running?.exited).toMatchObject({ signal: "SIGKILL" });
		await running?.cleanUp();
	});

	it("starts nothing beside a vmm that systemd keeps", async () => {
		const vmm = spawn("sleep", ["1000"]);
		const pid = vmm.pid ?? 0;
		mkdirSync(join(host.directory(), "unit"), { recursive: true, mode: 0o700 });
		writeFileSync(join(host.directory(), "unit/vmm.pid"), `${pid} ${identifyProcess(pid)?.startTime}\n`);
		await expect(host.supervisor.start(host.plan([]), createBootToken())).rejects.toMatchObject({ code: "Busy" });
		expect(existsSync(join(host.directory(), "unit/vmm.pid"))).toBe(true);
		vmm.kill();
		await until("it has ended", () => identifyProcess(pid) === undefined);
		rmSync(host.directory(), { recursive: true });
	});

	it("learns afterwards how a vmm ended while no broker looked", async () => {
		const broker = host.startBroker();
		await broker.ask({ op: "start", vmm: ["complain", "oh", "wait", "die", "SIGABRT"] });
		await broker.kill();
		await host.release();
		await until("the shim has ended", () => existsSync(join(host.directory(), "shim/exit")));
		const exit = { code: null, signal: "SIGABRT", lostHelper: null, cause: null, log: "oh\n" };
		const { running, ended } = await host.supervisor.adopt();
		expect({ running, ended }).toEqual({ running: [], ended: [expect.objectContaining({ exit })] });
		expect(readFileSync(join(ended[0]?.logs ?? "", "vmm.log"), "utf8")).toBe("oh\n");
		await ended[0]?.cleanUp();
		expect(existsSync(host.directory())).toBe(false);
	});

	it("before the shim is recorded leaves nothing that runs", async () => {
		const broker = host.startBroker();
		await expect(broker.ask({ op: "start", vmm: ["wait"], crashAt: "spawned" })).rejects.toThrow("gone");
		await until("nothing runs", () => host.takeCensus().processes.length === 0);
		expect(await host.supervisor.adopt()).toEqual(nothing);
	});

	it("before there is a shim leaves an empty directory, which goes once nobody can be about to fill it", async () => {
		mkdirSync(host.directory(), { mode: 0o700 });
		expect(await host.supervisor.adopt()).toEqual(nothing);
		expect(existsSync(host.directory())).toBe(true);
		const longAgo = Date.now() / 1000 - 120;
		utimesSync(host.directory(), longAgo, longAgo);
		expect(await host.supervisor.adopt()).toEqual(nothing);
		expect(existsSync(host.directory())).toBe(false);
	});

	it("before the shim may go on leaves nothing that runs", async () => {
		const broker = host.startBroker();
		await expect(broker.ask({ op: "start", vmm: ["wait"], crashAt: "recorded" })).rejects.toThrow("gone");
		await until("nothing runs", () => host.takeCensus().processes.length === 0);
		const { running, ended } = await host.supervisor.adopt();
		expect({ running, ended }).toMatchObject({ running: [], ended: [{ vm: "shopping", exit: unseen }] });
		await ended[0]?.cleanUp();
	});

	const steps = ["", "shim", "shim/boot.json", "vmm.log", "shim/0.pid", "helper0.sock", "shim/vmm.pid"];
	it.each(steps)("as soon as there is '%s' leaves a vm that the next one knows, or nothing", async (file) => {
		const broker = host.startBroker();
		const started = broker.ask({ op: "start", vmm: ["wait"], helpers: ["serve"] }).catch(() => undefined);
		await until(`there is ${file}`, () => existsSync(join(host.directory(), file)));
		await broker.kill();
		await started;
		const { running } = await host.supervisor.adopt();
		for (const vmm of running) {
			vmm.kill();
			await vmm.cleanUp();
		}
		expect(await host.supervisor.start(host.plan(["exit", "0"]), createBootToken()).then((vmm) => vmm.cleanUp())).toBe(
			undefined,
		);
	});
});

describe("a shim that is killed", () => {
	it("takes vmm and helpers with it", async () => {
		const running = await host.supervisor.start(host.plan(["wait"], ["serve"]), createBootToken());
		process.kill(host.shimPid(), "SIGKILL");
		expect(await running.exited).toMatchObject(unseen);
		expect(host.takeCensus().processes).toEqual([]);
		await running.cleanUp();
	});

	it("while no broker looks takes them at the next start", async () => {
		const broker = host.startBroker();
		await broker.ask({ op: "start", vmm: ["wait"], helpers: ["serve"] });
		const vmm = host.pid("vmm");
		await broker.kill();
		process.kill(host.shimPid(), "SIGKILL");
		await until("the shim is gone", () => identifyProcess(host.shimPid()) === undefined);
		const running = await host.supervisor.start(host.plan(["wait", "exit", "1"]), createBootToken());
		expect(identifyProcess(vmm)).toBe(undefined);
		await host.release();
		expect(await running.exited).toMatchObject({ code: 1 });
		await running.cleanUp();
	});

	it("survives the signals that a logout sends to all", async () => {
		const running = await host.supervisor.start(host.plan(["say", "up", "wait", "exit", "3"]), createBootToken());
		await until("the vmm speaks, in a group of its own", () => host.file("console.log") !== "");
		for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.kill(-host.shimPid(), signal);
		await host.release();
		expect(await running.exited).toMatchObject({ code: 3 });
		await running.cleanUp();
	});
});

describe("a stranger", () => {
	it("that has the pid of a dead shim and its vmm is never signalled", async () => {
		const stranger = spawn("sleep", ["1000"]);
		const pid = stranger.pid ?? 0;
		const otherStart = (identifyProcess(pid)?.startTime ?? 0) - 1;
		for (const life of ["an adoption", "a start"]) {
			const running = await host.supervisor.start(host.plan(["wait"]), createBootToken());
			const record = JSON.parse(host.file("shim/boot.json"));
			running.kill();
			await running.exited;
			rmSync(join(host.directory(), "shim/exit"));
			writeFileSync(join(host.directory(), "shim/vmm.pid"), `${pid} ${otherStart}\n`);
			record.shim = { pid, startTime: otherStart };
			writeFileSync(join(host.directory(), "shim/boot.json"), JSON.stringify(record));
			if (life === "an adoption") expect(await host.supervisor.adopt()).toMatchObject({ ended: [{ exit: unseen }] });
		}
		const running = await host.supervisor.start(host.plan(["wait"]), createBootToken());
		writeFileSync(join(host.directory(), "shim/vmm.pid"), `${pid} ${otherStart}\n`);
		running.terminate();
		running.kill();
		expect(await running.exited).toMatchObject(unseen);
		expect(identifyProcess(pid)).toBeDefined();
		await running.cleanUp();
		stranger.kill();
		await new Promise((resolve) => stranger.once("exit", resolve));
	});
});

describe("an adoption", () => {
	it("finds nothing where there is no runtime directory", async () => {
		host.remove();
		expect(await host.supervisor.adopt()).toEqual(nothing);
		mkdirSync(host.runtimeDirectory);
	});

	it("leaves alone what no shim has made", async () => {
		const path = (name: string) => join(host.runtimeDirectory, name);
		for (const name of ["systemd", "UPPER/shim", "real/shim", "open/shim"]) {
			mkdirSync(path(name), { recursive: true, mode: 0o700 });
		}
		symlinkSync(path("UPPER"), path("link"));
		rmSync(path("real/shim"), { recursive: true });
		symlinkSync(path("UPPER/shim"), path("real/shim"));
		for (const name of ["broker.sock", "broker.lock", "notes"]) writeFileSync(path(name), "");
		rmSync(path("open"), { recursive: true });
		const before = host.takeCensus();
		expect(await host.supervisor.adopt()).toEqual(nothing);
		expect(host.takeCensus()).toEqual(before);
		host.remove();
		mkdirSync(host.runtimeDirectory);
	});

	it.each(["garbage", "{}", "another vm's"])("clears away a record that is %s", async (record) => {
		mkdirSync(join(host.directory(), "shim"), { recursive: true, mode: 0o700 });
		const running = await host.supervisor.start(host.plan(["wait"]), createBootToken());
		const text = host.file("shim/boot.json").replaceAll("shopping", "banking");
		running.kill();
		await running.exited;
		writeFileSync(join(host.directory(), "shim/boot.json"), record === "another vm's" ? text : record);
		expect(await host.supervisor.adopt()).toEqual(nothing);
		expect(existsSync(host.directory())).toBe(false);
	});
});

describe("a runtime directory that is deleted underneath", () => {
	it("costs the vm its status, not its end", async () => {
		const running = await host.supervisor.start(host.plan(["wait"], ["serve"]), createBootToken());
		rmSync(host.directory(), { recursive: true });
		running.terminate();
		expect(await running.exited).toEqual({ ...unseen, log: "" });
		await running.cleanUp();
		const next = await host.supervisor.start(host.plan(["exit", "4"]), createBootToken());
		expect(await next.exited).toMatchObject({ code: 4 });
		await next.cleanUp();
	});
});
