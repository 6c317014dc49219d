/** A socket that is asked at any moment and at any rate, whatever becomes of its broker: it listens, and loses nobody. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callBroker } from "../../src/cli/broker-client.ts";
import { encodeRequest } from "../../src/protocol/broker.ts";
import { nothingLeft, signalProcess } from "../e2e/harness.ts";
import { isSoak, rounds } from "../rounds.ts";
import { InstalledBroker, service, socket } from "./installed-broker.ts";

const idleMs = 60;

let broker: InstalledBroker;

beforeAll(async () => {
	broker = await InstalledBroker.start({
		vms: [{ id: 15, name: "disp", disposable: true }],
		env: { QUBES_LITE_BROKER_IDLE_MS: String(idleMs) },
	});
});

afterAll(async () => {
	expect(await broker.leave(["disp"])).toEqual(nothingLeft);
});

const ls = () => broker.user.sh("qubes-lite ls -q");
const answered = { status: 0, stdout: "disp\n", stderr: "" };

function numbers(count: number): number[] {
	return Array.from({ length: count }, (_, index) => index);
}

const leaves = (): number => broker.log().match(/"why":"idle"/g)?.length ?? 0;

describe("requests around the broker's idle exit", () => {
	/** What the command line sends, without the 50 ms of its own start that would blur the moment. */
	const list = () => callBroker(broker.user.env, encodeRequest({ method: "list" }));
	const every = rounds(40, 1);
	const offsets = numbers(250 / every + 1).map((step) => -50 + every * step);

	it(`are all answered, at every ${every} ms from 50 ms before to 200 ms after it`, { timeout: 600_000 }, async () => {
		await broker.settled();
		const before = leaves();
		let slowest = 0;
		const hasLeft = () => leaves() - before > offsets.length / 2;
		/** On a busy machine not every pause is long enough: then there are more. */
		const most = 6 * offsets.length;
		for (let round = 0; round < offsets.length || (round < most && !hasLeft()); round++) {
			const offset = offsets[round % offsets.length] ?? 0;
			// The moment is what is tested: the broker counts from its last client's end.
			await delay(idleMs + offset);
			const beganAt = performance.now();
			expect(await list(), `${offset} ms`).toMatchObject({ schema: 1, vms: [{ name: "disp" }] });
			slowest = Math.max(slowest, performance.now() - beganAt);
		}
		expect(slowest).toBeLessThan(10_000);
		/** One comes behind the last round. */
		await broker.user.until("it has left in between, too", hasLeft);
	});

	it("run each command exactly once", { timeout: 600_000 }, async () => {
		const count = rounds(8, 60);
		for (const n of numbers(count)) {
			await delay((n % 30) * 5);
			const words = ["sh", "-c", 'echo "$0" >>"$1"; echo "$0"', String(n), `${broker.user.directory}/ran`];
			expect(await broker.user.run("disp", ...words)).toMatchObject({ status: 0, stdout: `${n}\n`, stderr: "" });
		}
		expect(broker.user.lines("ran")).toEqual(numbers(count).map(String));
	});
});

describe("the socket", () => {
	it("listens after more deaths of its broker within 10 s than units have otherwise, and each client is served", {
		timeout: 180_000,
	}, async () => {
		await broker.settled();
		await broker.dropIn("stay", "Environment=QUBES_LITE_BROKER_IDLE_MS=60000");
		expect(await ls()).toMatchObject(answered);
		const deaths: number[] = [];
		const within10s = () => deaths.map((from) => deaths.filter((at) => at >= from && at < from + 10_000).length);
		/** DefaultStartLimitBurst= is 5, DefaultStartLimitIntervalSec= 10 s (systemd-system.conf(5)). */
		const isBeyond = () => Math.max(...within10s()) > 5;
		/** On a busy machine ten are not fast enough: then there are more. */
		while (deaths.length < 10 || (deaths.length < 60 && !isBeyond())) {
			signalProcess(Number(await broker.property("MainPID")), "SIGKILL");
			deaths.push(performance.now());
			expect(await ls()).toMatchObject(answered);
		}
		expect(Math.max(...within10s())).toBeGreaterThan(5);
		expect(await broker.property("NRestarts")).toBe(String(deaths.length));
		expect(await broker.property("ActiveState", socket)).toBe("active");
		await broker.dropIn("stay");
		await broker.systemctl("stop", service);
		expect(await ls()).toMatchObject(answered);
	});

	/** A service that ends without having looked at its client is started again for the same one. */
	it("listens after 50 activations in a row, and the client that waited through all of them is served", {
		timeout: 180_000,
	}, async () => {
		await broker.settled();
		const starts = join(broker.user.directory, "starts");
		const noted = () => (existsSync(starts) ? readFileSync(starts, "utf8").trim().split("\n").map(Number) : []);
		/** More than the 20 within 2 s at which a socket fails that has the usual limit. */
		const within2s = () => {
			const times = noted();
			return Math.max(...times.map((from) => times.filter((time) => time >= from && time < from + 2).length));
		};
		/** On a busy machine not every storm is that dense before its client, who waits for 15 s, would give up: then there is another one. */
		const most = 8;
		for (let storm = 0; storm === 0 || (storm < most && (noted().length < 50 || within2s() <= 20)); storm++) {
			await broker.settled();
			rmSync(starts, { force: true });
			await broker.dropIn(
				"storm",
				"Type=exec",
				"ExecStopPost=",
				"ExecStart=",
				`ExecStart=/bin/sh -c 'read up rest </proc/uptime; echo "$$up" >>${starts}'`,
			);
			const waiting = ls();
			await broker.user.until("50 activations", () => noted().length >= 50, 8_000).catch(() => {});
			await broker.dropIn("storm");
			expect(await waiting).toMatchObject(answered);
		}
		expect(noted().length).toBeGreaterThanOrEqual(50);
		expect(within2s()).toBeGreaterThan(20);
		expect(await broker.property("ActiveState", socket)).toBe("active");
	});

	const dead = [
		["the lock's program is gone", "ExecStart=/nowhere/flock broker"],
		["Node is gone", "ExecStart=/usr/bin/flock --no-fork %t/qubes-lite/broker.lock /nowhere/node"],
		["the bundle is gone", `ExecStart=/usr/bin/flock --no-fork %t/qubes-lite/broker.lock ${process.execPath} /nowhere`],
	] as const;

	/** Each takes the 15 s that a client waits. */
	it.each(isSoak ? dead : dead.slice(-1))(
		"tells its client when the broker can't start, and does not spin: %s",
		async (_, line) => {
			await broker.settled();
			await broker.dropIn("dead", "ExecStart=", line);
			const restarts = async () => Number(await broker.property("NRestarts"));
			const before = await restarts();
			const outcomes = await Promise.all([ls(), broker.user.run("disp", "true")]);
			expect((await restarts()) - before).toBeLessThan(20);
			const sentence = ": the broker has not answered within 15 s\n  → systemctl --user status qubes-lite-broker\n";
			expect(outcomes).toMatchObject([
				{ status: 1, stdout: "", stderr: `qubes-lite${sentence}` },
				{ status: 125, stdout: "", stderr: `run-in-vm${sentence}` },
			]);
			await broker.dropIn("dead");
			expect(await ls()).toMatchObject(answered);
		},
	);
});
