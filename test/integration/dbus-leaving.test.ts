/** A broker that is told to leave while programs on the bus wait for it: each is told what is so of what it has asked for. */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome, signalProcess } from "../e2e/harness.ts";
import { rounds } from "../rounds.ts";
import { type Answer, BusCaller } from "./bus-caller.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker } from "./installed-broker.ts";

const [broker, vm, root] = ["org.qubeslite.Broker1", "org.qubeslite.VM1", "/org/qubeslite"];
const shopping = `${root}/vm/shopping`;
const busy = "org.qubeslite.Error.Busy";
const noReply = "org.freedesktop.DBus.Error.NoReply";
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe.each(managerUids)("a broker that leaves, uid %s", (uid) => {
	let installed: InstalledBroker;
	let callers: BusCaller[];
	let marks: string;
	const busctl = (...words: string[]): Promise<Outcome> => installed.manager.run("busctl", "--user", "--", ...words);
	const on = (...words: string[]) => busctl("call", broker, shopping, vm, ...words);
	const state = async () => (await busctl("get-property", broker, shopping, vm, "State")).stdout.trim();
	const until = (what: string, look: () => Promise<boolean>) => installed.user.until(what, look, 20_000);
	const isIdle = () => until("it is idle", async () => (await state()) === 's "idle"');
	/** Its command leaves this word behind each time that it is run. */
	const run = (caller: BusCaller | undefined, word: string): Promise<Answer> | undefined =>
		caller?.call(shopping, vm, "Run", `(['sh', '-c', 'echo ${word} >>${marks}'], @a{sv} {})`);
	const timesRun = (word: string): number =>
		existsSync(marks)
			? readFileSync(marks, "utf8")
					.split("\n")
					.filter((line) => line === word).length
			: 0;
	const terminate = async (): Promise<string> => {
		const pid = await installed.property("MainPID");
		signalProcess(Number(pid), "SIGTERM");
		return pid;
	};

	beforeAll(async () => {
		installed = await InstalledBroker.start({
			...{ vms: [{ id: 5, name: "shopping" }], env: { QUBES_LITE_BROKER_IDLE_MS: "600000" } },
			...(uid === undefined ? {} : { uid }),
		});
		marks = `${installed.user.directory}/marks`;
		callers = numbers(6).map(() => new BusCaller(installed));
	});

	afterAll(async () => {
		await Promise.all(callers.map((caller) => caller.kill()));
		expect(await installed.leave(["shopping"])).toEqual(nothingLeft);
	});

	it("has run nothing that it refuses, and refuses nothing that has run, at whatever instant it is told", {
		timeout: 600_000,
	}, async () => {
		const seen = new Map<string, number>();
		const every = rounds(8, 1);
		/** On a busy machine nothing has run by then: as many more as it takes until something has. */
		for (
			let afterMs = 0;
			afterMs < 48 || (!seen.has("ok") && afterMs < 6_000);
			afterMs += afterMs < 48 ? every : afterMs
		) {
			expect(await on("Start", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
			const word = (index: number) => `${afterMs}-${index}`;
			const pid = await installed.property("MainPID");
			const answers = callers.map(async (caller, index) => {
				await delay(3 * index);
				return run(caller, word(index));
			});
			await delay(afterMs);
			signalProcess(Number(pid), "SIGTERM");
			const told = await Promise.all(answers);
			/** Whatever a broker that has left has begun has begun by then. */
			await isIdle();
			for (const [index, answer] of told.entries()) {
				const [kind, name] = answer ?? [];
				const times = timesRun(word(index));
				const what = kind === "ok" ? "ok" : String(name);
				seen.set(what, (seen.get(what) ?? 0) + 1);
				expect(["ok", busy, noReply]).toContain(what);
				if (what === "ok") expect(times, `${word(index)} was answered`).toBe(1);
				if (what === busy) expect(times, `${word(index)} was refused`).toBe(0);
				expect(times).toBeLessThan(2);
			}
		}
		expect(seen.get("ok")).toBeGreaterThan(0);
	});

	it("runs nothing of what it has refused, also where it takes a second to leave, and its vm comes meanwhile", {
		timeout: 60_000,
	}, async () => {
		expect(await on("Kill", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		installed.user.order("shopping", { hello: "never" });
		const answer = run(callers[0], "refused");
		const property = async (name: string) => (await busctl("get-property", broker, shopping, vm, name)).stdout.trim();
		await until("it boots", async () => (await state()) === 's "booting"' && (await property("Pid")) !== "u 0");
		const daemon = Number(await installed.property("MainPID", "dbus.service"));
		process.kill(daemon, "SIGSTOP");
		try {
			const pid = await terminate();
			/** It comes while the broker leaves, which takes a second without the bus. */
			installed.user.order("shopping", {});
			await until("it has left", async () => !existsSync(`/proc/${pid}`));
		} finally {
			process.kill(daemon, "SIGCONT");
		}
		expect((await answer)?.slice(0, 2)).toEqual(["error", busy]);
		await isIdle();
		expect(timesRun("refused")).toBe(0);
		installed.user.order("shopping", {});
		expect((await run(callers[0], "again"))?.[0]).toBe("ok");
		await until("it has run", async () => timesRun("again") === 1);
	});

	it("takes nobody's inhibitor back: the next one holds the vm until they have asked again", async () => {
		expect(await on("Start", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		expect((await callers[0]?.call(shopping, vm, "Inhibit", "('copying', @a{sv} {})"))?.[0]).toBe("ok");
		const pid = await terminate();
		await until("another serves", async () => {
			await state();
			return !["0", pid].includes(await installed.property("MainPID"));
		});
		expect((await busctl("get-property", broker, shopping, vm, "Leases")).stdout).toContain('"inhibitor"');
		await isIdle();
	});

	it("tells nobody to ask again whose command its guest has, and has not answered", { timeout: 60_000 }, async () => {
		installed.user.order("shopping", { session: "mute" });
		const answer = run(callers[0], "mute");
		await until("the guest has it", async () => (await state()) === 's "ready"');
		await delay(2_000);
		await terminate();
		expect((await answer)?.slice(0, 2)).toEqual(["error", noReply]);
		installed.user.order("shopping", {});
		expect(await on("Kill", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
	});
});
