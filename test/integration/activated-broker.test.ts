/** The broker as a socket-activated service of a real user manager, as the tests' own user and as one who is not root. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, signalProcess } from "../e2e/harness.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker, service, socket } from "./installed-broker.ts";

const vms = [
	{ id: 5, name: "shopping" },
	{ id: 7, name: "banking" },
];
const good = { version: 1, vms };
const names = ["shopping", "banking"];

describe.each(managerUids)("the broker of a user manager, uid %s", (uid) => {
	let broker: InstalledBroker;

	beforeAll(async () => {
		broker = await InstalledBroker.start({ vms, ...(uid === undefined ? {} : { uid }) });
	});

	afterAll(async () => {
		expect(await broker.leave(names)).toEqual(nothingLeft);
	});

	/** Every vm stopped, no broker. */
	async function rest(): Promise<void> {
		expect(await broker.user.sh(`qubes-lite stop --force ${names.join(" ")}`)).toMatchObject({ status: 0 });
		await broker.settled();
	}

	/** While it starts, stops or reloads it is not. */
	const untilActive = () =>
		broker.user.until("it is active", async () => (await broker.property("ActiveState")) === "active");

	const ls = () => broker.user.sh("qubes-lite ls -q");

	describe.each([
		/** By the process itself: for a user who is not root nobody else's word counts then. */
		["libsystemd", ["NotifyAccess=main"]],
		["the command systemd-notify", ["Environment=QUBES_LITE_NOTIFY=command"]],
	])("that speaks through %s", (_, lines) => {
		beforeAll(async () => {
			await broker.dropIn("notify", ...lines);
			await broker.dropIn("watchdog", "WatchdogSec=6");
		});

		afterAll(async () => {
			await broker.dropIn("notify");
			await broker.dropIn("watchdog");
		});

		it("is started by the first client, says when it serves and what it does, and leaves again", async () => {
			await broker.settled();
			expect(await ls()).toMatchObject({ status: 0, stdout: "shopping\nbanking\n", stderr: "" });
			expect(await broker.user.run("shopping", "echo", "here")).toMatchObject({ status: 0, stdout: "here\n" });
			await broker.user.until("READY", async () => (await broker.property("ActiveState")) === "active");
			const says = (text: string) =>
				broker.user.until(text, async () => (await broker.property("StatusText")) === text, 10_000);
			await says("1 vm: 1 idle");
			expect(await broker.user.sh("qubes-lite start banking")).toMatchObject({ status: 0 });
			await says("2 vms: 2 idle");
			await broker.user.sh("qubes-lite stop --force banking");
			await says("1 vm: 1 idle");
			expect(await broker.property("NRestarts")).toBe("0");
			await rest();
			expect(await broker.property("Result")).toBe("success");
		});

		it("feeds the watchdog, for as long as it lives", async () => {
			expect(await broker.user.run("shopping", "true")).toMatchObject({ status: 0 });
			const pid = await broker.property("MainPID");
			const fedAt = async () => Number(await broker.property("WatchdogTimestampMonotonic"));
			const first = await fedAt();
			await broker.user.until("it was fed for 7 s", async () => (await fedAt()) > first + 7_000_000);
			expect(await broker.property("MainPID")).toBe(pid);
			await rest();
		});
	});

	it("is replaced by the watchdog when its event loop hangs; vms go on", async () => {
		const hang = join(broker.user.directory, "hang.mjs");
		writeFileSync(hang, 'process.on("SIGUSR2", () => { for (;;); });');
		await broker.dropIn("hang", `Environment=NODE_OPTIONS=--import=${hang}`, "WatchdogSec=1");
		const release = await broker.user.keepBroker();
		expect(await broker.user.run("shopping", "true")).toMatchObject({ status: 0 });
		const starts = broker.user.starts("shopping");
		const pid = await broker.property("MainPID");
		signalProcess(Number(pid), "SIGUSR2");
		expect(await broker.user.run("shopping", "echo", "again")).toMatchObject({ status: 0, stdout: "again\n" });
		expect(await broker.property("MainPID")).not.toBe(pid);
		expect(broker.user.starts("shopping")).toBe(starts);
		await broker.dropIn("hang");
		await release();
		await rest();
	});

	it("passes to vmms nothing of what it has from the manager", async () => {
		expect(await broker.user.run("shopping", "true")).toMatchObject({ status: 0 });
		const environment = readFileSync(`/proc/${broker.user.vmmPid("shopping")}/environ`, "utf8");
		expect(environment).not.toMatch(/LISTEN_|NOTIFY_SOCKET|WATCHDOG_/);
		await rest();
	});

	it("leaves vms running when it is stopped, and finds them again", async () => {
		expect(await broker.user.run("shopping", "true")).toMatchObject({ status: 0 });
		const starts = broker.user.starts("shopping");
		await broker.systemctl("stop", service);
		expect(await broker.user.run("shopping", "echo", "same")).toMatchObject({ status: 0, stdout: "same\n" });
		expect(broker.user.starts("shopping")).toBe(starts);
		await rest();
	});

	it("is there again after its socket was restarted, or stopped and started", async () => {
		expect(await broker.user.run("shopping", "true")).toMatchObject({ status: 0 });
		const starts = broker.user.starts("shopping");
		await broker.systemctl("restart", socket);
		expect(await broker.user.run("shopping", "echo", "same")).toMatchObject({ status: 0, stdout: "same\n" });
		await broker.systemctl("stop", socket);
		await broker.settled();
		expect(readdirSync(broker.user.runtime)).not.toContain("broker.sock");
		await broker.systemctl("start", socket);
		expect(await broker.user.run("shopping", "echo", "same")).toMatchObject({ status: 0, stdout: "same\n" });
		expect(broker.user.starts("shopping")).toBe(starts);
		await rest();
	});

	it("gets its socket back where somebody has removed the file", async () => {
		await broker.settled();
		rmSync(join(broker.user.runtime, "broker.sock"));
		const outcome = await broker.user.run("shopping", "echo", "here");
		expect(outcome).toMatchObject({ status: 0, stdout: "here\n", stderr: "" });
		expect(outcome.ms, "nobody has waited for the other's lock").toBeLessThan(15_000);
		await broker.user.until("it is systemd's", async () => (await broker.property("ActiveState")) === "active");
		await rest();
		expect(await broker.user.run("shopping", "echo", "again")).toMatchObject({ status: 0, stdout: "again\n" });
		await rest();
	});

	it("takes over from a broker that a client has started", async () => {
		await broker.settled();
		await broker.systemctl("stop", socket);
		// A vm that is a unit wants the broker's service, which would take over at once.
		broker.writeConfig({ ...good, supervisor: "direct" });
		expect(await broker.user.run("shopping", "true")).toMatchObject({ status: 0 });
		const session = broker.user.start("run-in-vm", ["shopping", "sh", "-c", "read line; echo got $line"]);
		await broker.user.until("it runs", async () => (await broker.user.status("shopping")).sessions === 1);
		const started = broker.user.brokerPid();
		expect(await broker.property("ActiveState")).toBe("inactive");
		await broker.systemctl("start", socket);
		await broker.user.until("it leaves", () => !broker.user.brokerPids().includes(started), 10_000);
		await broker.user.until("its agent is back", async () => (await broker.user.status("shopping")).sessions === 1);
		await untilActive();
		session.stdin.end("it\n");
		expect(await session.done).toMatchObject({ status: 0, stdout: "got it\n" });
		broker.writeConfig(good);
		await rest();
		expect(broker.user.log()).toContain('"why":"lost socket"');
	});

	describe("reads its configuration again", () => {
		const config = () => broker.user.env.QUBES_LITE_CONFIG ?? "";

		afterAll(async () => {
			broker.writeConfig(good);
			await rest();
		});

		it.each([
			["when the file is written", () => broker.writeConfig({ ...good, vms: [...vms, { id: 9, name: "added" }] })],
			[
				"when it is replaced",
				() => {
					writeFileSync(`${config()}.new`, JSON.stringify({ ...good, vms: [...vms, { id: 9, name: "other" }] }));
					renameSync(`${config()}.new`, config());
				},
			],
		])("%s, without being asked for anything", async (_, change) => {
			broker.writeConfig(good);
			expect(await broker.user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
			const reads = () => broker.log().match(/"config.read".*"vms":3/g)?.length ?? 0;
			const before = reads();
			change();
			await broker.user.until("it is read", () => reads() > before);
			expect((await ls()).stdout).toMatch(/^shopping\nbanking\n(added|other)\n$/);
			await untilActive();
		});

		it("before it serves the next request, and on systemctl reload", async () => {
			broker.writeConfig({ ...good, vms: [...vms, { id: 11, name: "quick" }] });
			expect((await ls()).stdout).toBe("shopping\nbanking\nquick\n");
			const reads = () => broker.log().match(/"config.read"/g)?.length ?? 0;
			const before = reads();
			await broker.systemctl("reload", service);
			await broker.user.until("it is read", () => reads() > before);
			await untilActive();
		});

		it("keeps the old one where the new one is bad, and says so", async () => {
			broker.writeConfig(good);
			await ls();
			broker.writeConfig('{"version": 1, "vms": [{"id": 4, "name": "shopping"}]}');
			const listed = await ls();
			expect(listed.stdout).toBe("shopping\nbanking\n");
			expect(listed.stderr).toMatch(
				/^qubes-lite: warning: an earlier configuration is in use, since \S+config.json has a problem:\n {2}vms\[0\].id is 4/,
			);
			expect((await broker.user.run("added", "true")).stderr).toMatch(
				/there is no vm 'added'\nan earlier configuration is in use, since /,
			);
			const says = (pattern: RegExp) =>
				broker.user.until(String(pattern), async () => pattern.test(await broker.property("StatusText")), 10_000);
			await says(/^1 vm: 1 idle; .*config.json has a problem: vms\[0\].id is 4; expected an odd whole number/);
			await broker.user.until("it is logged", () => broker.log().includes('"config.refused"'));
			expect(broker.log().match(/"config.refused"/g)).toHaveLength(1);
			broker.writeConfig(good);
			await ls();
			await says(/^1 vm: 1 idle$/);
			expect((await ls()).stderr).toBe("");
		});

		it("lets a running vm go on that is not in it, and lets its settings change", async () => {
			expect(await broker.user.sh("qubes-lite start banking shopping")).toMatchObject({ status: 0 });
			broker.writeConfig({ version: 1, vms: [{ id: 5, name: "shopping", memory: 512, idleTimeout: 3600 }] });
			expect(await broker.user.status("banking")).toMatchObject({ state: "idle", flags: ["notConfigured"] });
			expect(await broker.user.status("shopping")).toMatchObject({ idleTimeout: 3600, memoryMiB: 1024 });
			expect((await broker.user.status("shopping")).stopsAt).not.toBeNull();
			expect(await broker.user.run("banking", "echo", "still up")).toMatchObject({ status: 0, stdout: "still up\n" });
			expect(await broker.user.sh("qubes-lite stop --force banking shopping")).toMatchObject({ status: 0 });
			await broker.user.until("it is gone", async () => (await ls()).stdout === "shopping\n", 10_000);
			expect(await broker.user.status("shopping")).toMatchObject({ memoryMiB: 512 });
			broker.writeConfig(good);
			expect(await broker.user.run("banking", "echo", "back")).toMatchObject({ status: 0, stdout: "back\n" });
		});

		it("twenty times a second, good and bad, under runs that boot, and all of them run", async () => {
			/** A broker that leaves in a pause would be followed by one that has never read a good one. */
			const kept = [...vms, { id: 11, name: "kept" }];
			broker.writeConfig({ ...good, vms: kept });
			expect(await broker.user.sh("qubes-lite start kept")).toMatchObject({ status: 0 });
			let isOver = false;
			const storm = (async () => {
				for (let round = 0; !isOver; round++) {
					broker.writeConfig(round % 2 === 0 ? "{" : { ...good, vms: [...kept, { id: 9, name: `vm${round % 100}` }] });
					await delay(50);
				}
			})();
			const outcomes = [];
			for (let round = 0; round < 5; round++) {
				const runs = ["shopping", "banking", "shopping", "banking"].map((vm) => broker.user.run(vm, "echo", vm));
				outcomes.push(...(await Promise.all(runs)));
				await broker.user.sh("qubes-lite stop --force shopping banking");
			}
			isOver = true;
			await storm;
			broker.writeConfig({ ...good, vms: kept });
			expect(await broker.user.sh("qubes-lite stop --force kept")).toMatchObject({ status: 0 });
			broker.writeConfig(good);
			expect(outcomes.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
				outcomes.map(() => ({ status: 0, stderr: "" })),
			);
			expect((await ls()).stdout).toBe("shopping\nbanking\n");
		});

		it("leaves sessions alone where the broker that finds them has never read a good one", async () => {
			const session = broker.user.start("run-in-vm", ["shopping", "sh", "-c", "read line; echo got $line"]);
			await broker.user.until("it runs", async () => (await broker.user.status("shopping")).sessions === 1);
			broker.writeConfig("{");
			signalProcess(Number(await broker.property("MainPID")), "SIGKILL");
			await broker.user.until("it says so", async () =>
				/^1 vm: 1 ready; .*JSON/.test(await broker.property("StatusText")),
			);
			expect((await ls()).status).toBe(0);
			expect(await broker.user.run("shopping", "true")).toMatchObject({ status: 125 });
			session.stdin.end("it\n");
			expect(await session.done).toMatchObject({ status: 0, stdout: "got it\n", stderr: "" });
			broker.writeConfig(good);
			expect(await broker.user.status("shopping")).toMatchObject({ flags: [], memoryMiB: 1024 });
			await rest();
		});

		it("refuses every request where it never was good, without an end, until it is", async () => {
			await rest();
			const restarts = await broker.property("NRestarts");
			broker.writeConfig("{");
			for (const command of ["qubes-lite ls", "qubes-lite start shopping"]) {
				const { status, stderr } = await broker.user.sh(command);
				expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("not JSON at line 1") });
			}
			expect((await broker.user.run("shopping", "true")).status).toBe(125);
			expect(await broker.property("ActiveState")).not.toBe("failed");
			broker.writeConfig(good);
			expect(await broker.user.run("shopping", "echo", "good")).toMatchObject({ status: 0, stdout: "good\n" });
			rmSync(config());
			expect((await ls()).stdout).toBe("shopping\nbanking\n");
			await rest();
			expect((await ls()).stderr).toContain(`there is no configuration file ${config()}`);
			broker.writeConfig(good);
			expect(await broker.property("NRestarts")).toBe(restarts);
		});
	});
});
