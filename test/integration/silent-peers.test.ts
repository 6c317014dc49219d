/** Peers that connect and then say half a word, or too much, or never leave: each is cut, and holds nobody up. */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeRequest } from "../../src/protocol/broker.ts";
import { encodeHello } from "../../src/protocol/control.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

/** Longer than any of the bounds for a first word, 10 s each. */
const cutWithinMs = 20_000;

let user: FakeUser;

beforeAll(async () => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "frozen" },
		],
	});
	expect((await user.sh("qubes-lite start shopping frozen")).status).toBe(0);
});

afterAll(async () => {
	expect(await user.leave(["shopping", "frozen"])).toEqual(nothingLeft);
});

/** Writes `bytes`, keeps its own end open whatever comes, and resolves with all that came once the other end is closed. */
function sayAndStay(name: string, bytes: Buffer): Promise<string> {
	return new Promise((resolve, reject) => {
		const socket: Socket = connect({ path: join(user.runtime, name), allowHalfOpen: true });
		let said = "";
		socket.on("data", (chunk: Buffer) => {
			said += chunk.toString("latin1");
		});
		socket.on("error", () => resolve(said));
		socket.once("end", () => resolve(said));
		socket.setTimeout(cutWithinMs, () => reject(new Error("it was not cut")));
		socket.write(bytes);
	});
}

const halfFrame = Buffer.from([0x41, 0, 0, 0, 40, 0x7b]);

describe.concurrent("half a frame and then silence", () => {
	it("is answered on broker.sock, and others are served meanwhile", async ({ expect }) => {
		const cut = sayAndStay("broker.sock", halfFrame);
		expect((await user.run("shopping", "echo", "served")).stdout).toBe("served\n");
		expect(await cut).toContain("no request came within 10 s");
	});

	it("is cut on the control socket, and the agent stays connected", async ({ expect }) => {
		const silent = Buffer.from([0x21, 0, 0, 0, 40, 0x7b]);
		expect(
			await Promise.all([sayAndStay("shopping/vsock_5001", silent), sayAndStay("shopping/vsock_5001", Buffer.of())]),
		).toEqual(["", ""]);
		expect(await user.status("shopping")).toMatchObject({ flags: [] });
	});

	it("of more guest processes than there may be does not keep the agent out", async ({ expect }) => {
		const strangers = Array.from({ length: 20 }, () => sayAndStay("shopping/vsock_5001", halfFrame.subarray(0, 1)));
		expect((await user.run("shopping", "echo", "served")).stdout).toBe("served\n");
		expect(await Promise.all(strangers)).toEqual(strangers.map(() => ""));
	});
});

it("a vmm that is stopped makes its vm unresponsive, takes no request, and serves those that wait once it goes on", async () => {
	process.kill(user.vmmPid("frozen"), "SIGSTOP");
	const flags = async () => (await user.status("frozen")).flags;
	await user.until("it is unresponsive", async () => (await flags()).includes("unresponsive"), 30_000);
	const running = user.start("run-in-vm", ["frozen", "echo", "thawed"]);
	await user.until("it waits", async () => (await user.leases("frozen")).includes("echo, which waits to run"));
	process.kill(user.vmmPid("frozen"), "SIGCONT");
	expect(await running.done).toMatchObject({ status: 0, stdout: "thawed\n", stderr: "" });
	expect(await flags()).toEqual([]);
});

it("a second hello while the agent is connected is refused, whoever says it", async () => {
	const hello = {
		...ourVersions,
		nonce: "0".repeat(32),
		vm: "shopping",
		phases: [],
		sessions: [],
		cgroups: [],
		lastSession: 0,
	};
	expect(await sayAndStay("shopping/vsock_5001", encodeHello(hello))).toBe("");
	expect(user.log()).toContain("an agent is connected already");
	expect((await user.run("shopping", "echo", "still")).stdout).toBe("still\n");
});

it("a client that never hangs up keeps no broker from leaving", async () => {
	expect((await user.sh("qubes-lite stop shopping frozen")).status).toBe(0);
	const release = await user.keepBroker();
	expect(await sayAndStay("broker.sock", encodeRequest({ method: "list" }))).toContain('"schema":1');
	expect(await sayAndStay("broker.sock", Buffer.from("garbage"))).toContain("unknown type");
	await release();
	await user.until("the broker has left", () => user.brokerPids().length === 0);
});
