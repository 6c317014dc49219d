/** Requests at the very moment at which a broker leaves or a vm shuts down: none is lost, and each runs exactly once. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { rounds } from "../rounds.ts";
import { FakeUser } from "./fake-user.ts";

/** Appends the round's number to a file of the host, so that a command that ran twice shows. */
function ranOnce(user: FakeUser, vm: string, round: number) {
	return user.run(vm, "sh", "-c", 'echo "$0" >>"$1"; echo "$0"', String(round), `${user.directory}/ran-${vm}`);
}

function numbers(count: number): number[] {
	return Array.from({ length: count }, (_, index) => index);
}

describe("a broker that leaves as soon as nobody needs it", () => {
	const idleMs = 25;
	let user: FakeUser;

	beforeAll(() => {
		user = new FakeUser({
			vms: [{ id: 15, name: "disp", disposable: true }],
			env: { QUBES_LITE_BROKER_IDLE_MS: String(idleMs) },
		});
	});

	afterAll(async () => {
		expect(await user.leave(["disp"])).toEqual(nothingLeft);
	});

	const clients = rounds(20, 60);

	it(`answers ${clients} clients that come about when it leaves`, { timeout: 120_000 }, async () => {
		for (const round of numbers(clients)) {
			// The moments around the broker's end, one after the other: that is what the delay is for.
			await delay((round % 20) * 3);
			const outcome = await user.sh("qubes-lite ls -q");
			expect(outcome).toMatchObject({ status: 0, stdout: "disp\n", stderr: "" });
		}
		expect(user.log().match(/"why":"idle"/g)?.length ?? 0).toBeGreaterThan(clients / 3);
	});

	const pairs = rounds(8, 15);

	it(`runs ${2 * pairs} commands exactly once each, in pairs`, { timeout: 120_000 }, async () => {
		for (const round of numbers(pairs)) {
			const pair = [2 * round, 2 * round + 1];
			const outcomes = await Promise.all(
				pair.map(async (n) => {
					if (n % 2 === 1) await delay(((round * 15) / pairs) * 10);
					return ranOnce(user, "disp", n);
				}),
			);
			expect(outcomes.map(({ status, stdout, stderr }) => ({ status, stdout, stderr }))).toEqual(
				pair.map((n) => ({ status: 0, stdout: `${n}\n`, stderr: "" })),
			);
		}
		expect(
			user
				.lines("ran-disp")
				.map(Number)
				.sort((a, b) => a - b),
		).toEqual(numbers(2 * pairs));
	});
});

describe("a vm that is about to shut down", () => {
	const idleTimeoutMs = 1000;
	const vms = numbers(10).map((index) => ({
		id: 5 + 2 * index,
		name: `vm${index}`,
		idleTimeout: idleTimeoutMs / 1000,
	}));
	const names = vms.map(({ name }) => name);
	let user: FakeUser;

	beforeAll(() => {
		user = new FakeUser({ vms });
		for (const [index, name] of names.entries()) user.order(name, { powerOffDelayMs: 15 * index });
	});

	afterAll(async () => {
		expect(await user.leave(names)).toEqual(nothingLeft);
	});

	const each = rounds(6, 50);

	it(`serves ${10 * each} requests from 50 ms before to 200 ms after its idleTimeout`, {
		timeout: 600_000,
	}, async () => {
		await Promise.all(
			names.map(async (name, index) => {
				for (const round of numbers(each)) {
					const outcome = await ranOnce(user, name, round);
					expect(outcome, `${name}, round ${round}`).toMatchObject({ status: 0, stdout: `${round}\n`, stderr: "" });
					// Offsets of 4 ms, or 0.5 with the full count, none twice; the client itself takes some 50 ms until it asks.
					await delay(idleTimeoutMs - 100 + (25 / each) * (round * 10 + index));
				}
			}),
		);
		for (const name of names) expect(user.lines(`ran-${name}`)).toEqual(numbers(each).map(String));
	});
});
