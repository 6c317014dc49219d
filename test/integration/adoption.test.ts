/** A broker that goes away, with a vm in every state that there is: the next one knows them all, and nothing is lost or doubled. */
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VmStatus } from "../../src/protocol/broker-replies.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { isSoak } from "../rounds.ts";
import { endBroker, type Place, startedByClient, startedBySocket, writeConfig } from "./broker-places.ts";

const vm = (id: number, name: string, bootTimeout = 60) => ({ id, name, bootTimeout });
const vms = [
	vm(5, "silent"),
	vm(7, "late"),
	vm(9, "busy"),
	vm(11, "idle"),
	vm(13, "asked"),
	vm(15, "ending"),
	vm(17, "failed", 7),
	vm(19, "off"),
];
const names = vms.map(({ name }) => name);

const all = [
	{ who: "the direct supervisor", start: () => startedByClient("direct", vms), ends: ["killed", "told to leave"] },
	{
		who: "systemd, the broker a client's",
		start: () => startedByClient("systemd", vms),
		ends: ["killed", "told to leave"],
	},
	{
		who: "systemd, the broker its own",
		start: () => startedBySocket(vms),
		ends: ["restarted", "killed", "told to leave"],
	},
] as const;
/** Who keeps the broker, and who its vms: of each at least one. */
const places = isSoak ? all : [all[0], all[2]];

describe.each(places)("with $who", ({ start, ends }) => {
	let place: Place;
	const stopAll = async () =>
		expect(await place.user.sh(`qubes-lite stop --force ${names.join(" ")}`)).toMatchObject({ status: 0 });

	beforeAll(async () => {
		place = await start();
	});

	afterAll(async () => {
		expect(await place.leave()).toEqual(nothingLeft);
	});

	async function list(): Promise<Record<string, VmStatus>> {
		const { vms: all }: { vms: VmStatus[] } = JSON.parse((await place.user.sh("qubes-lite ls --json")).stdout);
		return Object.fromEntries(all.map((status) => [status.name, status]));
	}

	it.each(isSoak ? ends : ends.slice(0, 1))("a broker that is %s loses nothing", async (end) => {
		const { user } = place;
		const before = Object.fromEntries(names.map((name) => [name, user.starts(name)]));
		const starts = (name: string) => user.starts(name) - (before[name] ?? 0);
		const ran = join(user.directory, "ran");
		appendFileSync(ran, "");
		const count = user.lines("ran").length;
		const note = (name: string, ...options: string[]) =>
			user.start("run-in-vm", [...options, name, "sh", "-c", `echo ${name} >>${ran}; echo out; exit 3`]);

		user.order("silent", { silent: true });
		user.order("late", { hello: "never" });
		user.order("asked", { powerOffDelayMs: 12_000 });
		user.order("ending", { hello: "never", ignoresSigterm: true });
		user.order("failed", { hello: "never" });
		const silent = note("silent", "--timeout", "5");
		const late = note("late");
		const failed = note("failed");
		const startEnding = user.start("qubes-lite", ["start", "ending"]);
		const busy = user.start("run-in-vm", ["busy", "sh", "-c", "echo up; read -r line; echo $line; exit 4"]);
		expect(await user.run("idle", "true")).toMatchObject({ status: 0, stderr: "" });
		expect((await user.run("asked", "true")).status).toBe(0);
		expect(await failed.done).toMatchObject({ status: 124, stderr: expect.stringContaining("no hello within 7 s") });
		await user.until("the session is there", () => busy.stdout() === "up\n");
		await user.until("all run", () => [...names.slice(0, 7)].every((name) => starts(name) === 1));
		const stopAsked = user.start("qubes-lite", ["stop", "asked"]);
		const stopEnding = user.start("qubes-lite", ["stop", "ending"]);
		await user.until("two shut down", async () => {
			const { asked, ending } = await list();
			return asked?.state === "shutdown" && ending?.state === "shutdown";
		});

		await endBroker(place, end);
		const listed = await list();
		const afterAsked = note("asked");
		expect(Object.fromEntries(names.map((name) => [name, listed[name]?.state]))).toEqual({
			silent: "booting",
			late: "booting",
			busy: "ready",
			idle: expect.stringMatching(/^(ready|idle)$/),
			/** Its guest says only to who asks that it is going down. */
			asked: expect.stringMatching(/^(ready|idle|shutdown)$/),
			ending: expect.stringMatching(/^(booting|shutdown)$/),
			failed: expect.stringMatching(/^(booting|failed)$/),
			off: "stopped",
		});
		for (const name of names.slice(0, 7)) expect(listed[name]).toMatchObject({ name, pid: user.vmmPid(name) });
		expect(new Set(user.vmmPids())).toEqual(new Set(names.slice(0, 7).map((name) => user.vmmPid(name))));

		expect((await user.sh("qubes-lite stop --force ending")).status).toBe(0);
		expect(await stopEnding.done).toMatchObject({ status: 0, stderr: "" });
		expect((await startEnding.done).status).toBe(1);
		busy.stdin.end("typed later\n");
		expect(await busy.done).toMatchObject({ status: 4, stdout: "up\ntyped later\n", stderr: "" });
		for (const name of ["late", "failed"]) user.order(name, {});
		await user.until("it is healed", async () => /^(ready|idle)$/.test(await user.stateOf("failed")));
		expect(await late.done).toMatchObject({ status: 3, stdout: "out\n", stderr: "" });
		expect(await afterAsked.done).toMatchObject({ status: 3, stdout: "out\n" });
		expect(await stopAsked.done).toMatchObject({ status: 0, stderr: "" });
		expect(await user.run("idle", "true")).toMatchObject({ status: 0, stderr: "" });
		expect(await silent.done).toMatchObject({ status: 124, stdout: "" });
		expect(user.lines("ran").slice(count).sort()).toEqual(["asked", "late"]);
		const once = { silent: 1, late: 1, busy: 1, idle: 1, asked: 2, ending: 1, failed: 1, off: 0 };
		expect(Object.fromEntries(names.map((name) => [name, starts(name)]))).toEqual(once);
		for (const name of names) user.order(name, {});
		await stopAll();
		expect(names.filter((name) => existsSync(join(user.runtime, name)))).toEqual([]);
	});
});

describe("a configuration that names another supervisor", () => {
	it.each([
		["direct", "systemd"],
		["systemd", "direct"],
	] as const)("leaves with %s what it has started, and starts with %s what comes next", async (first, second) => {
		const two = vms.slice(2, 4);
		const place = await startedByClient("systemd", two);
		const { user } = place;
		writeConfig(user, first, two);
		const session = user.start("run-in-vm", ["busy", "sh", "-c", "echo up; read -r line; echo $line; exit 5"]);
		await user.until("the session is there", () => session.stdout() === "up\n");
		expect((await user.status("busy")).supervisor).toBe(first);
		writeConfig(user, second, two);
		await endBroker(place, "killed");
		await user.until("it is a lease again", async () => (await user.status("busy")).sessions === 1);
		expect(await user.status("busy")).toMatchObject({ supervisor: first, pid: user.vmmPid("busy") });
		expect(await user.run("idle", "true")).toMatchObject({ status: 0, stderr: "" });
		expect((await user.status("idle")).supervisor).toBe(second);
		session.stdin.end("typed later\n");
		expect(await session.done).toMatchObject({ status: 5, stdout: "up\ntyped later\n" });
		expect((await user.sh("qubes-lite stop busy")).status).toBe(0);
		expect(await user.run("busy", "echo", "moved")).toMatchObject({ status: 0, stdout: "moved\n" });
		expect((await user.status("busy")).supervisor).toBe(second);
		expect([user.starts("busy"), user.starts("idle")]).toEqual([2, 1]);
		expect(await place.leave()).toEqual(nothingLeft);
	});
});
