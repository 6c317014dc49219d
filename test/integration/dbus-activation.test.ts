/** The broker's name on the bus: who calls it starts a broker, whatever becomes of the one before, and nobody's call is lost. */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chownAll, nothingLeft, type Outcome, type Running, signalProcess } from "../e2e/harness.ts";
import { rounds } from "../rounds.ts";
import { BusCaller } from "./bus-caller.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker, service, socket } from "./installed-broker.ts";

const idleMs = 150;
const [broker, root] = ["org.qubeslite.Broker1", "/org/qubeslite"];
const vm = "org.qubeslite.VM1";
const shopping = `${root}/vm/shopping`;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe.each(managerUids)("the broker's name, uid %s", (uid) => {
	let installed: InstalledBroker;
	const busctl = (...words: string[]): Promise<Outcome> => installed.manager.run("busctl", "--user", "--", ...words);
	const list = () => busctl("call", broker, root, broker, "ListVMs", "a{sv}", "0");
	const listed = { status: 0, stderr: "", stdout: expect.stringMatching(/^a\(sous\) 1 "shopping" /) };
	const owner = async () => (await busctl("call", ...bus, "GetNameOwner", "s", broker)).stdout;
	const bus = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"] as const;
	const until = (what: string, look: () => Promise<boolean>) => installed.user.until(what, look, 20_000);
	/** All that goes to and from the broker. */
	const listen = async (): Promise<Running> => {
		const monitor = installed.manager.begin("busctl", "--user", "--json=short", "monitor", broker);
		await until("it listens", async () => {
			expect(await list()).toMatchObject(listed);
			return monitor.stdout() !== "";
		});
		return monitor;
	};
	const leaves = (): number => installed.log().match(/"why":"idle"/g)?.length ?? 0;

	beforeAll(async () => {
		installed = await InstalledBroker.start({
			...{ vms: [{ id: 5, name: "shopping" }], env: { QUBES_LITE_BROKER_IDLE_MS: String(idleMs) } },
			...(uid === undefined ? {} : { uid }),
		});
	});

	afterAll(async () => {
		expect(await installed.leave(["shopping"])).toEqual(nothingLeft);
	});

	it("calls at any moment around its idle exit are all answered", { timeout: 600_000 }, async () => {
		await installed.settled();
		const before = leaves();
		const every = rounds(40, 1);
		const offsets = numbers(250 / every + 1).map((step) => -50 + every * step);
		const hasLeft = () => leaves() - before > offsets.length / 2;
		/** On a busy machine not every pause is long enough: then there are more. */
		const most = 6 * offsets.length;
		for (let round = 0; round < offsets.length || (round < most && !hasLeft()); round++) {
			const offset = offsets[round % offsets.length] ?? 0;
			await delay(idleMs + offset);
			expect(await list(), `${offset} ms`).toMatchObject(listed);
		}
		/** One comes behind the last round. */
		await installed.user.until("it has left in between, too", hasLeft);
	});

	it("calls and clients that come at the same instant start one broker", { timeout: 120_000 }, async () => {
		/** Sixteen programs may take longer to come than a broker stays otherwise. */
		await installed.dropIn("patience", "Environment=QUBES_LITE_BROKER_IDLE_MS=10000");
		for (const _ of numbers(rounds(1, 50))) {
			await installed.settled();
			const serves = installed.log().match(/"broker.serves"/g)?.length ?? 0;
			const askers = numbers(16).map((n) => (n % 2 === 0 ? list() : installed.user.sh("qubes-lite ls -q")));
			for (const [n, outcome] of (await Promise.all(askers)).entries()) {
				expect(outcome).toMatchObject(n % 2 === 0 ? listed : { status: 0, stdout: "shopping\n", stderr: "" });
			}
			const served = () => (installed.log().match(/"broker.serves"/g)?.length ?? 0) - serves;
			await installed.user.until("it says so", () => served() > 0);
			expect(served()).toBe(1);
			await installed.systemctl("stop", service);
		}
		await installed.dropIn("patience");
	});

	it("is taken again after the bus was restarted; vms and the socket go on meanwhile", {
		timeout: 60_000,
	}, async () => {
		expect(await busctl("call", broker, shopping, vm, "Start", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		const pid = await installed.property("MainPID");
		const starts = installed.user.starts("shopping");
		await installed.systemctl("restart", "dbus.service");
		expect(await installed.user.run("shopping", "echo", "here")).toMatchObject({ status: 0, stdout: "here\n" });
		await until("its name is there again", async () => (await owner()).startsWith("s "));
		expect(await list()).toMatchObject(listed);
		expect(await installed.property("MainPID")).toBe(pid);
		expect(installed.user.starts("shopping")).toBe(starts);
		expect(await busctl("call", broker, shopping, vm, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
	});

	it("is taken when somebody else gives it back, in whose place it was not", { timeout: 60_000 }, async () => {
		await installed.settled();
		const script = `from gi.repository import Gio, GLib
Gio.bus_own_name(Gio.BusType.SESSION, "${broker}", Gio.BusNameOwnerFlags.NONE, None, lambda *_: print("mine", flush=True), None)
GLib.MainLoop().run()`;
		const thief = installed.manager.begin("/usr/bin/python3", "-c", script);
		await until("it has the name", async () => thief.stdout().includes("mine"));
		expect(await installed.user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
		const theirs = await owner();
		thief.kill("SIGKILL");
		await until("another has it", async () => (await owner()).startsWith("s ") && (await owner()) !== theirs);
		expect(await list()).toMatchObject(listed);
		expect(await installed.user.sh("qubes-lite stop --force shopping")).toMatchObject({ status: 0 });
	});

	it("goes to the next broker when one is killed, and calls meanwhile end", { timeout: 60_000 }, async () => {
		expect(await busctl("call", broker, shopping, vm, "Start", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		const caller = new BusCaller(installed);
		installed.user.order("shopping", { helloDelayMs: 60_000 });
		await busctl("call", broker, shopping, vm, "Kill", "a{sv}", "0");
		const pending = caller.call(shopping, vm, "Start", "(@a{sv} {},)");
		await until("it boots", async () => (await list()).stdout.includes('"booting"'));
		signalProcess(Number(await installed.property("MainPID")), "SIGKILL");
		expect((await pending).slice(0, 2)).toEqual(["error", "org.freedesktop.DBus.Error.NoReply"]);
		expect(await list()).toMatchObject(listed);
		installed.user.order("shopping", {});
		expect(await busctl("call", broker, shopping, vm, "Kill", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		await caller.kill();
	});

	it("is given back by a broker that is told to leave: who waits hears so, and who calls next has another one", {
		timeout: 60_000,
	}, async () => {
		expect(await busctl("call", broker, shopping, vm, "Start", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		const run = await busctl("call", broker, shopping, vm, "Run", "asa{sv}", "2", "sleep", "1000", "0");
		const id = /"(.*)"/.exec(run.stdout)?.[1] ?? "";
		const caller = new BusCaller(installed);
		expect((await caller.call(root, broker, "ListVMs", "(@a{sv} {},)"))[0]).toBe("ok");
		const monitor = await listen();
		const pending = caller.call(root, broker, "Wait", `('${id}', @a{sv} {})`);
		await until("it is on its way", async () => monitor.stdout().includes('"member":"Wait"'));
		monitor.kill("SIGKILL");
		await monitor.done;
		/** What comes later is answered later. */
		expect(await list()).toMatchObject(listed);
		const pid = await installed.property("MainPID");
		signalProcess(Number(pid), "SIGTERM");
		expect(await pending).toEqual([
			"error",
			"org.qubeslite.Error.Busy",
			"this broker leaves\nask again: the next one serves",
		]);
		const waiting = caller.call(root, broker, "Wait", `('${id}', @a{sv} {})`);
		await until("another one serves", async () => !["0", pid].includes(await installed.property("MainPID")));
		expect(await busctl("call", broker, root, broker, "Signal", "ssa{sv}", id, "SIGTERM", "0")).toMatchObject({
			status: 0,
			stderr: "",
		});
		expect((await waiting)[1]).toMatch(/^\(-1, 'SIGTERM', /);
		expect(await busctl("call", broker, shopping, vm, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
		await caller.kill();
	});

	it("is known to the doctor, who sees where the bus can't start it", { timeout: 60_000 }, async () => {
		const look = async () => {
			const { stdout } = await installed.manager.run("qubes-lite", "doctor", "--json");
			return JSON.parse(stdout).checks.find(({ name }: { name: string }) => name === "bus-activation");
		};
		expect(await list()).toMatchObject(listed);
		expect(await look()).toMatchObject({ status: "PASS" });
		const file = `${installed.user.directory}/.local/share/dbus-1/services/org.qubeslite.Broker1.service`;
		renameSync(file, `${file}.gone`);
		await installed.systemctl("reload", "dbus.service");
		expect(await look()).toMatchObject({
			status: "WARN",
			sentence: expect.stringContaining("does not know how to start"),
		});
		renameSync(`${file}.gone`, file);
		await installed.systemctl("reload", "dbus.service");
		expect(await look()).toMatchObject({ status: "PASS" });
	});

	it("tells of the end of a session that ended before, while or after its broker left", {
		timeout: 120_000,
	}, async () => {
		expect(await busctl("call", broker, shopping, vm, "Start", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		/** gdbus hears of a next owner first, and asks for its signals then, which may be too late. */
		const monitor = await listen();
		const told = () =>
			monitor
				.stdout()
				.split("\n")
				.slice(0, -1)
				.map((line) => JSON.parse(line));
		const endMs = 300;
		const stops = [0, 160, 180, 200, 220, 240, 260, 280, 300];
		for (const stopMs of stops.filter((_, index) => index % rounds(2, 1) === 0)) {
			const script = `sleep ${endMs / 1000}; exit 9`;
			const run = await busctl("call", broker, shopping, vm, "Run", "asa{sv}", "3", "sh", "-c", script, "0");
			const id = /"(.*)"/.exec(run.stdout)?.[1] ?? "";
			await delay(stopMs);
			await installed.systemctl("stop", service);
			await delay(endMs);
			expect(await list()).toMatchObject(listed);
			const ends = () => told().filter(({ member, payload: { data } }) => member === "SessionEnded" && data[0] === id);
			await until(`its end is told, ${stopMs} ms`, async () => ends().length > 0);
			expect(ends().map(({ payload: { data } }) => data)).toEqual([[id, 9, ""]]);
		}
		expect(await busctl("call", broker, shopping, vm, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
		monitor.kill("SIGKILL");
		await monitor.done;
	});

	it("an inhibitor keeps its broker, also where its vm does not run yet", { timeout: 60_000 }, async () => {
		const caller = new BusCaller(installed);
		expect((await caller.call(shopping, vm, "Inhibit", "('later', @a{sv} {})"))[0]).toBe("ok");
		const pid = await installed.property("MainPID");
		await delay(idleMs * 4);
		expect(await installed.property("MainPID")).toBe(pid);
		await caller.kill();
		await installed.settled();
	});

	it("calls keep the broker, as clients do", { timeout: 30_000 }, async () => {
		await installed.dropIn("patience", "Environment=QUBES_LITE_BROKER_IDLE_MS=4000");
		await installed.settled();
		expect(await list()).toMatchObject(listed);
		const caller = new BusCaller(installed);
		expect((await caller.call(root, broker, "ListVMs", "(@a{sv} {},)"))[0]).toBe("ok");
		const pid = await installed.property("MainPID");
		for (const _ of numbers(5)) {
			expect((await caller.call(root, broker, "ListVMs", "(@a{sv} {},)"))[0]).toBe("ok");
			await delay(1_000);
		}
		expect(await installed.property("MainPID")).toBe(pid);
		await caller.kill();
		await installed.dropIn("patience");
		await installed.systemctl("stop", service);
	});

	it("a caller hears from a broker that must not say how it is why that is so", { timeout: 60_000 }, async () => {
		await installed.settled();
		const directory = `${installed.user.directory}/.config/qubes-lite/policy.d`;
		mkdirSync(directory, { recursive: true });
		writeFileSync(`${directory}/1.policy`, "nonsense\n");
		chownAll(`${installed.user.directory}/.config/qubes-lite`, installed.user.uid ?? 0);
		expect((await list()).stderr).toContain("1.policy:1");
		expect(await installed.property("ActiveState", "dbus-org.qubeslite.Broker1.service")).not.toBe("failed");
		rmSync(directory, { recursive: true });
		expect(await list()).toMatchObject(listed);
	});

	it("serves without a bus, and where it comes late", { timeout: 60_000 }, async () => {
		await installed.settled();
		await installed.systemctl("stop", "dbus.socket", "dbus.service");
		expect(await installed.user.sh("qubes-lite ls -q")).toMatchObject({ status: 0, stdout: "shopping\n", stderr: "" });
		await installed.systemctl("start", "dbus.socket");
		expect(await list()).toMatchObject(listed);
	});

	it("can't be started where its socket is stopped, which the caller hears", { timeout: 60_000 }, async () => {
		await installed.settled();
		await installed.systemctl("mask", "--runtime", socket);
		await installed.systemctl("stop", socket, service);
		const outcome = await busctl("--timeout=20", "call", broker, root, broker, "ListVMs", "a{sv}", "0");
		expect(outcome).toMatchObject({ status: 1, stderr: expect.not.stringContaining("timed out") });
		await installed.systemctl("unmask", "--runtime", socket);
		await installed.systemctl("start", socket);
		expect(await list()).toMatchObject(listed);
	});

	it("match rules and memory stay as they are over many starts and stops", { timeout: 3_600_000 }, async () => {
		const caller = new BusCaller(installed);
		const cycle = async () => {
			expect(await caller.call(shopping, vm, "Start", "(@a{sv} {},)")).toEqual(["ok", "()"]);
			expect(await caller.call(shopping, vm, "Kill", "(@a{sv} {},)")).toEqual(["ok", "()"]);
		};
		const inhibitor = await caller.call(shopping, vm, "Inhibit", "('stay', @a{sv} {})");
		expect(inhibitor[0]).toBe("ok");
		for (const _ of numbers(5)) await cycle();
		const pid = await installed.property("MainPID");
		const fds = () => readdirSync(`/proc/${pid}/fd`).length;
		const before = { rules: await caller.matchRules(), memory: await memoryOf(installed), fds: fds() };
		for (const _ of numbers(rounds(8, 10_000))) await cycle();
		expect(await installed.property("MainPID")).toBe(pid);
		expect(await caller.matchRules()).toBe(before.rules);
		expect(before.rules).toBe(1);
		expect(Math.abs(fds() - before.fds)).toBeLessThanOrEqual(2);
		expect((await memoryOf(installed)) - before.memory).toBeLessThan(24);
		await caller.kill();
	});
});

/** MiB. */
async function memoryOf(installed: InstalledBroker): Promise<number> {
	const status = await installed.manager.run("cat", `/proc/${await installed.property("MainPID")}/status`);
	return Number(/VmRSS:\s+(\d+)/.exec(status.stdout)?.[1]) / 1024;
}
