/** The broker's part in attaching to sessions, and in sessions that outlive a broker: the test is the client and the agent. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BrokerRequest } from "../../src/protocol/broker.ts";
import type { SessionFacts } from "../../src/protocol/control.ts";
import { encodeAttach, encodeExec, sha256Hex } from "../../src/protocol/exec.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";
import { Agent, Client, nonce } from "./frame-peer.ts";

const boot = nonce.slice(0, 4);
const exec = encodeExec({ argv: ["/usr/bin/firefox"], env: {}, cwd: null, user: null, tty: null, detach: true });
const attach = encodeAttach({ session: 1, tty: null });
const { pid } = process;
const run: BrokerRequest = { method: "run", vm: "shopping", disposable: false, start: true, timeoutMs: 0, pid };

const facts: SessionFacts = {
	...{ session: 1, command: "firefox", user: "user", ageMs: 0, end: null },
	...{ isTerminal: false, isDetached: true, hasClient: true, leftProcesses: false },
};

let user: FakeUser;

beforeAll(async () => {
	const vms = [
		{ id: 5, name: "shopping", idleTimeout: 30, bootTimeout: 10 },
		{ id: 15, name: "disp", disposable: true, bootTimeout: 10 },
	];
	user = new FakeUser({ vms, env: { QUBES_LITE_BROKER_IDLE_MS: "5000" } });
	for (const { name } of vms) user.order(name, { hello: "never" });
	await startBroker();
});

afterAll(async () => {
	/** The next one leaves soon. */
	await user.endBrokers("SIGTERM");
	user.env.QUBES_LITE_BROKER_IDLE_MS = "500";
	expect(await user.leave(["shopping", "disp"])).toEqual(nothingLeft);
});

async function startBroker(): Promise<void> {
	expect((await user.sh("qubes-lite ls")).status).toBe(0);
}

function killBroker(): void {
	user.signalBrokers("SIGKILL");
}

const leases = async (): Promise<readonly string[]> => await user.leases("shopping");

const ask = (changes: Partial<Extract<BrokerRequest, { method: "attach" }>> = {}): Promise<Client> =>
	Client.ask(user, { method: "attach", vm: "shopping", boot, timeoutMs: 0, pid, ...changes }, attach);

/** Dials in a vm that is being started, as soon as its broker listens and its vmm has said who it is. */
async function dialFirst(vm: string, starts: number): Promise<Agent> {
	await user.until("the vmm runs", () => user.starts(vm) > starts);
	await user.until("the vmm listens", () =>
		user.connect(`${vm}/vsock_5001`).then(
			(s) => !!s.destroy(),
			() => false,
		),
	);
	return Agent.dial(user, vm);
}

/** Boots shopping for a run of session 1, whose client then leaves. */
async function detachedSession(): Promise<Agent> {
	const starts = user.starts("shopping");
	const client = await Client.ask(user, run, exec);
	const agent = await dialFirst("shopping", starts);
	expect(await client.granted()).toMatchObject({ vm: "shopping", boot, session: 1 });
	agent.beat([1]);
	await user.until("it runs", async () => (await leases()).includes(`firefox (session shopping.1.${boot})`));
	client.close();
	expect(await agent.clientGone()).toBe(1);
	return agent;
}

describe("in a vm that is up", () => {
	let agent: Agent;

	beforeEach(async () => {
		agent = await detachedSession();
	});

	afterEach(async () => {
		agent.close();
		expect((await user.sh("qubes-lite stop --force shopping")).status).toBe(0);
	});

	it("an attachment has a number and a ticket of its own, for its own bytes, and is a lease", async () => {
		const client = await ask();
		expect(await client.granted()).toMatchObject({ vm: "shopping", boot, session: 2 });
		expect(agent.expected.at(-1)).toMatchObject({ session: 2, execHash: sha256Hex(attach) });
		expect(await leases()).toEqual([
			`firefox (session shopping.1.${boot})`,
			"attach to session 1, which is about to run",
		]);
		agent.beat([1, 2]);
		await user.until("it is redeemed", async () =>
			(await leases()).includes(`attach to session 1 (session shopping.2.${boot})`),
		);
		client.close();
		expect(await agent.clientGone()).toBe(2);
	});

	it("an agent that dials again and again is told of once a minute, not in each line of the log", async () => {
		const hellos = () => user.log().match(/"guest.hello","vm":"shopping"/g)?.length ?? 0;
		const before = hellos();
		for (let round = 0; round < 3; round++) {
			agent.close();
			agent = await Agent.dial(user, "shopping", { sessions: [1], lastSession: 1 });
			expect(await agent.clientGone()).toBe(1);
		}
		expect(hellos()).toBe(before);
		expect((await user.status("shopping")).flags).toEqual([]);
	});

	it("an attachment cancels an idle stop", async () => {
		agent.beat([]);
		await user.until("it is idle", async () => (await user.stateOf("shopping")) === "idle");
		const client = await ask({ boot: null });
		await client.granted();
		expect(await user.status("shopping")).toMatchObject({ state: "ready", stopsAt: null });
		client.close();
	});

	it("an attachment to a session of an earlier boot is refused with words", async () => {
		const client = await ask({ boot: "0000" });
		expect(await client.refused()).toEqual({
			code: "NotRunning",
			message: "session shopping.1.0000 was of an earlier boot of shopping, which has ended",
			remedy: "qubes-lite ps",
		});
		const hold = await Client.ask(user, { method: "hold", vm: "shopping", boot: "0000", session: 1, pid });
		expect(await hold.refused()).toMatchObject({
			code: "NotRunning",
			message: expect.stringContaining("earlier boot"),
		});
	});

	it("bytes that are none are refused before anything is granted", async () => {
		const client = await Client.ask(user, { method: "attach", vm: "shopping", boot, timeoutMs: 0, pid }, exec);
		expect(await client.refused()).toMatchObject({ code: "BadRequest" });
		expect(agent.expected.length).toBe(1);
	});

	it("an attachment under which the vm ends is told why", async () => {
		const client = await ask();
		await client.granted();
		process.kill(user.vmmPid("shopping"), "SIGKILL");
		expect(await client.refused()).toMatchObject({
			code: "NotRunning",
			message: "shopping ended while the command ran: its vmm was ended by SIGKILL",
		});
	});

	it("an attachment under which the vm powers off is told so, although it is booted again at once for another", async () => {
		const client = await ask();
		await client.granted();
		agent.close();
		await user.until("it is away", async () => (await user.status("shopping")).flags.includes("reconnecting"));
		const waiting = await Client.ask(user, run, exec);
		await user.until("it waits", async () => (await leases()).includes("firefox, which waits to run"));
		process.kill(user.vmmPid("shopping"), "SIGTERM");
		expect(await client.refused()).toMatchObject({
			message: "shopping ended while the command ran: the guest powered off",
		});
		await user.until("it boots", async () => (await user.stateOf("shopping")) === "booting");
		waiting.close();
	});

	it("a client that holds its session after the broker was replaced is seen to leave, or told of the vm's end", async () => {
		killBroker();
		await agent.closed;
		await startBroker();
		const holds = [1, 2].map((session) => Client.ask(user, { method: "hold", vm: "shopping", boot, session, pid }));
		const [first, second] = await Promise.all(holds);
		agent = await Agent.dial(user, "shopping", { sessions: [1, 2], lastSession: 2 });
		agent.sessions = [facts];
		agent.beat([1, 2]);
		await user.until("they are leases", async () => (await leases()).length === 2);
		await user.until("one has its name", async () => (await leases()).includes(`firefox (session shopping.1.${boot})`));
		expect(await leases()).toContain(`a command (session shopping.2.${boot})`);
		first?.close();
		expect(await agent.clientGone()).toBe(1);
		process.kill(user.vmmPid("shopping"), "SIGKILL");
		expect(await second?.refused()).toMatchObject({
			code: "NotRunning",
			message: "shopping ended while the command ran: its vmm was ended by SIGKILL",
		});
	});

	describe("with a client that has a process of its own", () => {
		const clients = (): string[] => readdirSync(join(user.runtime, "shopping/clients")).sort();
		let child: ChildProcess;
		let client: Client;

		beforeEach(async () => {
			child = spawn("sleep", ["1000"]);
			client = await Client.ask(user, { ...run, pid: child.pid ?? 0 }, exec);
			expect(await client.granted()).toMatchObject({ session: 2 });
			agent.beat([1, 2]);
		});

		afterEach(() => {
			child.kill("SIGKILL");
		});

		async function killChild(): Promise<void> {
			const ended = once(child, "exit");
			child.kill("SIGKILL");
			await ended;
		}

		async function replaceBroker(): Promise<void> {
			killBroker();
			await agent.closed;
			await startBroker();
		}

		it("which is killed right after its broker is told to the agent by the next one", async () => {
			expect(statSync(join(user.runtime, "shopping/clients/2")).mode & 0o777).toBe(0o600);
			killBroker();
			await killChild();
			await agent.closed;
			await startBroker();
			agent = await Agent.dial(user, "shopping", { sessions: [1, 2], lastSession: 2 });
			expect(await agent.clientGone()).toBe(2);
			expect(clients()).toEqual(["1", "2"]);
			agent.beat([1]);
			await user.until("it is written down no more", () => clients().join() === "1");
		});

		it("which lives is waited for, and told to the agent when it dies without holding its session", async () => {
			await replaceBroker();
			agent = await Agent.dial(user, "shopping", { sessions: [1, 2], lastSession: 2 });
			let told = 0;
			const gone = agent.clientGone().then((number) => {
				told = number;
			});
			await user.until("it is heard", async () => (await user.status("shopping")).flags.length === 0);
			expect(told).toBe(0);
			await killChild();
			await gone;
			expect(told).toBe(2);
		});

		it("which holds its session is looked for no more: its connection counts", async () => {
			await replaceBroker();
			const hold = await Client.ask(user, { method: "hold", vm: "shopping", boot, session: 2, pid });
			agent = await Agent.dial(user, "shopping", { sessions: [1, 2], lastSession: 2 });
			const own = readFileSync(join(user.runtime, "shopping/clients/1"), "utf8");
			const isOurs = () => readFileSync(join(user.runtime, "shopping/clients/2"), "utf8") === own;
			await user.until("its record names the process that holds it", isOurs);
			await killChild();
			hold.close();
			expect(await agent.clientGone()).toBe(2);
		});

		it("which has left is told again to an agent that has not heard of it", async () => {
			client.close();
			expect(await agent.clientGone()).toBe(2);
			agent.close();
			agent = await Agent.dial(user, "shopping", { sessions: [1, 2], lastSession: 2 });
			expect([await agent.clientGone(), await agent.clientGone()]).toEqual([1, 2]);
			agent.close();
			agent = await Agent.dial(user, "shopping", { sessions: [1], lastSession: 2 });
			expect(await agent.clientGone()).toBe(1);
			expect(clients()).toEqual(["1"]);
		});

		it("and with records that are none, which the next broker removes", async () => {
			const place = (name: string): string => join(user.runtime, "shopping/clients", name);
			for (const name of ["7", "x", "08"]) writeFileSync(place(name), name === "7" ? "garbage" : "2 1\n");
			writeFileSync(place("9"), `2 1${" ".repeat(100)}\n`);
			mkdirSync(place("8"));
			await replaceBroker();
			await user.until("they are gone", () => clients().join() === "1,2");
			agent = await Agent.dial(user, "shopping", { sessions: [1, 2], lastSession: 2 });
		});
	});

	it("a client that leaves while the agent dials again is told to it afterwards", async () => {
		killBroker();
		await agent.closed;
		await startBroker();
		const client = await Client.ask(user, { method: "hold", vm: "shopping", boot, session: 1, pid });
		await user.until("it is heard", async () => (await user.status("shopping")).flags.includes("reconnecting"));
		client.close();
		agent = await Agent.dial(user, "shopping", { sessions: [1], lastSession: 1 });
		expect(await agent.clientGone()).toBe(1);
	});
});

it("a vm that is not up is not booted by an attachment", async () => {
	const starts = user.starts("shopping");
	const client = await ask();
	expect(await client.refused()).toEqual({
		code: "NotRunning",
		message: "shopping is stopped, so session 1 has ended",
		remedy: "qubes-lite ps",
	});
	const hold = await Client.ask(user, { method: "hold", vm: "shopping", boot, session: 1, pid });
	expect(await hold.refused()).toMatchObject({ code: "NotRunning" });
	expect(user.starts("shopping")).toBe(starts);
});

describe("a disposable", () => {
	const runInDisp: BrokerRequest = { ...run, vm: "disp" };
	let agent: Agent;
	let client: Client;

	beforeEach(async () => {
		const starts = user.starts("disp");
		client = await Client.ask(user, runInDisp, exec);
		agent = await dialFirst("disp", starts);
		agent.reportsTickets = true;
		await client.granted();
	});

	afterEach(async () => {
		await agent.askedToPowerOff();
		expect((await user.sh("qubes-lite stop --force disp")).status).toBe(0);
		agent.close();
	});

	const dispLeases = async (): Promise<readonly string[]> => await user.leases("disp");

	it("stays for a detached command whose client has left before the guest told of its session", async () => {
		expect(await dispLeases()).toEqual(["firefox, which is about to run"]);
		client.close();
		expect(await agent.clientGone()).toBe(1);
		expect(await dispLeases()).toEqual(["firefox, which is about to run"]);
		agent.beat([1]);
		await user.until("it is heard", async () => (await dispLeases()).includes(`firefox (session disp.1.${boot})`));
		expect(await user.status("disp")).toMatchObject({ state: "ready", sessions: 1 });
		agent.beat([]);
	});

	it("stays for a client that has a ticket of a broker that was killed, and not for longer", async () => {
		killBroker();
		await agent.closed;
		await startBroker();
		agent = await Agent.dial(user, "disp", { tickets: [1], lastSession: 1 });
		await user.until("it is heard", async () => (await user.status("disp")).flags.length === 0);
		expect(await user.status("disp")).toMatchObject({ state: "ready", sessions: 0 });
		agent.beat([]);
	});
});
