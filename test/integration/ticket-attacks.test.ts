/** Who may run commands in a guest: nobody but the holder of a ticket, once, for one command. And who is its agent. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeHeartbeat, encodeHello, nonceBytes } from "../../src/protocol/control.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { attacks, execWith, hello, knockOnce, mark, permitToRun, type Target } from "../e2e/ticket-attacks.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;
let target: Target;

beforeAll(async () => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "banking" },
			{ id: 9, name: "reborn" },
		],
	});
	target = { runtime: user.runtime, vm: "shopping", otherVm: "banking" };
	expect((await user.sh("qubes-lite start shopping banking reborn")).status).toBe(0);
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking", "reborn"])).toEqual(nothingLeft);
});

describe("the command port refuses", () => {
	for (const { what, run, answers } of attacks) {
		it(what, async () => {
			expect(await run(target)).toEqual(answers);
		});
	}

	it("a ticket of an earlier boot", async () => {
		const earlier = { ...target, vm: "reborn" };
		const permit = await permitToRun(earlier);
		expect((await user.sh("qubes-lite stop --force reborn && qubes-lite start reborn")).status).toBe(0);
		expect(await knockOnce(permit.vsock, hello, execWith(permit))).toBe("refused: the ticket is not valid here");
	});

	describe.concurrent("after a while", () => {
		it("a ticket that has expired", async ({ expect }) => {
			const permit = await permitToRun(target);
			const waits = (leases: readonly string[]): boolean => leases.some((lease) => lease.includes("about to run"));
			expect(waits(await user.leases("shopping"))).toBe(true);
			await user.until("it has expired", async () => !waits(await user.leases("shopping")), 20_000);
			expect(await knockOnce(permit.vsock, hello, execWith(permit))).toBe("expired: the ticket is too old");
			permit.leave();
		});

		it("a connection that shows none", async ({ expect }) => {
			const vsock = join(user.runtime, "banking/vsock");
			expect(await Promise.all([knockOnce(vsock, hello), knockOnce(vsock)])).toEqual(["closed", "closed"]);
		});
	});

	it("all that with one line on the guest's console, and with nothing run", async () => {
		const console = readFileSync(join(user.runtime, "shopping/console.log"), "utf8");
		/** It says so at most once a minute. */
		const said = console.match(/agent: refused a connection to port 5000 whose ticket is not valid/g);
		expect(said?.length).toBeGreaterThan(0);
		expect(said?.length).toBeLessThanOrEqual(1 + Math.floor(performance.now() / 60_000));
		expect((await user.run("shopping", "sh", "-c", `ls ${mark}*`)).stdout).toBe("");
		await user.until("no lease is left", async () => (await user.leases("shopping")).length === 0);
	});
});

describe("the broker refuses, and tells it once, a process in the guest", () => {
	const nothing = { phases: [], sessions: [], cgroups: [], lastSession: 0 };
	const helloOf = (vm: string): Buffer =>
		encodeHello({ ...ourVersions, nonce: randomBytes(nonceBytes).toString("hex"), vm, ...nothing });
	const beat = encodeHeartbeat({ seq: 1, sessions: [], cgroups: [], memory: { totalKiB: 1, availableKiB: 1 } });

	/** What the broker answers until it cuts the connection. */
	async function dial(...frames: readonly Buffer[]): Promise<string> {
		const socket = await user.connect("shopping/vsock_5001");
		let said = "";
		socket.on("data", (chunk: Buffer) => {
			said += chunk.toString("hex");
		});
		await new Promise((resolve) => socket.once("close", resolve).write(Buffer.concat(frames)));
		return said;
	}

	const refusals = (): { vm: string; why: string }[] =>
		user
			.log()
			.split("\n")
			.filter((line) => line.includes('"guest.refused"'))
			.map((line) => JSON.parse(line))
			.map(({ vm, why }) => ({ vm, why }));

	it.each<[string, () => Buffer[], string]>([
		["that says hello beside the agent", () => [helloOf("shopping")], "an agent is connected already"],
		["that says hello for another vm", () => [helloOf("banking")], "an agent is connected already"],
		["that reports without a hello", () => [beat], "its first word was not hello"],
	])("%s", async (_what, frames, why) => {
		for (let round = 0; round < 3; round++) expect(await dial(...frames())).toBe("");
		expect(refusals().filter((refusal) => refusal.why === why)).toEqual([{ vm: "shopping", why }]);
		expect(await user.status("shopping")).toMatchObject({ flags: [] });
	});

	it("that says hello in place of the agent, while that is away", async () => {
		user.order("shopping", { hello: "never" });
		user.signalBrokers("SIGKILL");
		expect((await user.sh("qubes-lite ls")).status).toBe(0);
		await user.until("it has adopted the vm", async () =>
			(await user.status("shopping")).flags.includes("reconnecting"),
		);
		expect(await dial(helloOf("shopping"))).toBe("");
		expect(await dial(helloOf("banking"))).toBe("");
		expect(refusals().slice(-2)).toEqual([
			{ vm: "shopping", why: "its hello is of another boot" },
			{ vm: "shopping", why: "its hello names another vm" },
		]);
		user.order("shopping", {});
		await user.until("the agent is back", async () => (await user.status("shopping")).flags.length === 0);
		expect((await user.run("shopping", "echo", "served")).stdout).toBe("served\n");
	});
});
