/** Many at once: one broker, one boot, and for each client its own result. */
import { readdirSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodeRequest } from "../../src/protocol/broker.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { isSoak } from "../rounds.ts";
import { FakeUser } from "./fake-user.ts";

const names = ["shopping", "banking", "stuck"];
let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms: names.map((name, index) => ({ id: 5 + 2 * index, name })) });
});

beforeEach(async () => {
	await user.sh(`qubes-lite stop --force ${names.join(" ")}`);
	await user.until("no broker", () => user.brokerPids().length === 0);
});

afterAll(async () => {
	expect(await user.leave(names)).toEqual(nothingLeft);
});

function numbers(count: number): number[] {
	return Array.from({ length: count }, (_, index) => index);
}

/** An agent holds 64 tickets at a time: with 100 the last ones wait for their turn. */
it.each(isSoak ? [50, 100] : [100])(
	"%i runs on a stopped vm without a broker need one broker and one boot",
	async (count) => {
		const before = user.starts("shopping");
		user.order("shopping", { hello: "never" });
		const running = numbers(count).map((n) => user.run("shopping", "sh", "-c", `echo ${n}; exit ${n % 7}`));
		await user.until("all of them wait", () => user.countClients() === count);
		user.order("shopping", {});
		const outcomes = await Promise.all(running);
		expect(outcomes.map(({ status, stdout, stderr }) => [stdout, status, stderr])).toEqual(
			numbers(count).map((n) => [`${n}\n`, n % 7, ""]),
		);
		expect(user.starts("shopping") - before).toBe(1);
		expect(user.brokerPids()).toHaveLength(1);
	},
);

it("runs and requests of all kinds at once, on vms of their own, don't disturb each other", async () => {
	const outcomes = await Promise.all(
		numbers(24).map((n) => {
			const vm = names[n % 2] ?? "";
			return user.sh([`run-in-vm ${vm} echo ${vm}`, `qubes-lite start ${vm} && echo ${vm}`][n % 3 === 0 ? 1 : 0] ?? "");
		}),
	);
	expect(outcomes.map(({ stdout }) => stdout)).toEqual(numbers(24).map((n) => `${names[n % 2]}\n`));
	expect(user.brokerPids()).toHaveLength(1);
});

it("a vm that hangs in its boot does not hold up another", async () => {
	user.order("stuck", { hello: "never" });
	const stuck = user.start("run-in-vm", ["stuck", "true"]);
	await user.until("it boots", async () => (await user.stateOf("stuck")) === "booting");
	expect(await user.run("banking", "echo", "up")).toMatchObject({ status: 0, stdout: "up\n" });
	expect(await user.stateOf("stuck")).toBe("booting");
	stuck.kill("SIGKILL");
	await stuck.done;
});

describe("the broker", () => {
	it("has no more open files after 40 runs than after one", async () => {
		await user.run("shopping", "true");
		const [broker] = user.brokerPids();
		const files = () => readdirSync(join("/proc", String(broker), "fd")).length;
		await user.until("the session is closed", async () => (await user.stateOf("shopping")) === "idle");
		const before = files();
		await Promise.all(numbers(40).map(() => user.run("shopping", "true")));
		await user.until("all are closed", () => files() <= before);
	});
});

it("one client more than there may be hears that there are too many, and is served once one has left", async () => {
	const clients: Socket[] = [];
	const request = encodeRequest({ method: "events", vm: null });
	/** One that asks for nothing is not kept for long. */
	const connect = async (): Promise<Socket> => {
		const socket = await user.connect("broker.sock");
		socket.resume();
		socket.write(request);
		return socket;
	};
	const release = await user.keepBroker();
	clients.push(await connect());
	await release();
	/** The kernel's backlog holds 511; who is served after them says that they are in. */
	while (clients.length < 1024) {
		expect((await user.sh("qubes-lite ls -q")).status).toBe(0);
		clients.push(...(await Promise.all(numbers(Math.min(256, 1024 - clients.length)).map(connect))));
	}
	const refused = await user.sh("qubes-lite ls");
	expect(refused).toMatchObject({ status: 1, stdout: "" });
	expect(refused.stderr).toContain("1024 clients are connected to the broker already, which is the limit\n");
	for (const client of clients) client.destroy();
	await user.until("they have left", () => user.countClients() < 1024);
	expect((await user.sh("qubes-lite ls -q")).status).toBe(0);
});
