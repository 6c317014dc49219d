/** What the broker tells about sessions: the test is the agents that it asks. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { parseSessionList, type SessionStatus } from "../../src/protocol/broker-replies.ts";
import { encodeSessions, type SessionFacts } from "../../src/protocol/control.ts";
import { encodeAttach, encodeExec } from "../../src/protocol/exec.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";
import { Agent, Client } from "./frame-peer.ts";

const { pid } = process;
const facts: SessionFacts = {
	session: 1,
	command: "sh",
	user: "user",
	ageMs: 5_000,
	isTerminal: false,
	isDetached: false,
	hasClient: true,
	end: null,
	leftProcesses: false,
};

let user: FakeUser;
let shopping: Agent;
let banking: Agent;

beforeAll(async () => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "banking" },
			{ id: 9, name: "vault" },
		],
		env: { QUBES_LITE_BROKER_IDLE_MS: "5000" },
	});
	for (const vm of ["shopping", "banking"]) user.order(vm, { hello: "never" });
	const start = user.start("qubes-lite", ["start", "shopping", "banking"]);
	shopping = await dial("shopping");
	banking = await dial("banking");
	expect((await start.done).status).toBe(0);
});

/** An agent that is silent for long is waited for. */
beforeEach(() => {
	for (const agent of [shopping, banking]) agent.beat([]);
});

afterAll(async () => {
	/** The next one leaves soon. */
	await user.endBrokers("SIGTERM");
	user.env.QUBES_LITE_BROKER_IDLE_MS = "500";
	for (const agent of [shopping, banking]) agent.close();
	expect(await user.leave(["shopping", "banking"])).toEqual(nothingLeft);
});

async function dial(vm: string): Promise<Agent> {
	await user.until(`${vm} boots`, () =>
		user.connect(`${vm}/vsock_5001`).then(
			(s) => !!s.destroy(),
			() => false,
		),
	);
	return Agent.dial(user, vm);
}

async function list(vm: string | null): Promise<SessionStatus[]> {
	const client = await Client.ask(user, { method: "sessions", vm });
	const reply = await client.reply();
	expect(reply).toMatchObject({ schema: 1 });
	return parseSessionList(reply);
}

async function refusal(vm: string) {
	return (await Client.ask(user, { method: "sessions", vm })).refused();
}

it("lists the sessions of one vm or of all, by name and number", async () => {
	shopping.sessions = [{ ...facts, session: 2, end: { code: 3 }, hasClient: false }, facts];
	banking.sessions = [facts];
	expect((await list("shopping")).map(({ id, state, client }) => ({ id, state, client }))).toEqual([
		{ id: "shopping.1.9f3c", state: "running", client: 0 },
		{ id: "shopping.2.9f3c", state: "exited 3", client: null },
	]);
	expect((await list(null)).map(({ vm, session }) => `${vm} ${session}`)).toEqual([
		"banking 1",
		"shopping 1",
		"shopping 2",
	]);
});

it("lists nothing of a vm that is not up, and boots none", async () => {
	expect(await list("vault")).toEqual([]);
	expect(await user.stateOf("vault")).toBe("stopped");
	expect(await refusal("valt")).toMatchObject({ code: "NoSuchVm" });
});

it("says what it granted itself, and whose process is connected", async () => {
	const exec = encodeExec({
		argv: ["/opt/firefox", "a b", "\x1b]0;x\x07"],
		env: {},
		cwd: null,
		user: null,
		tty: null,
		detach: true,
	});
	const run = { method: "run", vm: "shopping", disposable: false, start: true, timeoutMs: 0, pid } as const;
	const client = await Client.ask(user, run, exec);
	const { session } = await client.granted();
	shopping.beat([session]);
	shopping.sessions = [{ ...facts, session, command: "harmless\n\x1b[2J" }];
	expect(await list("shopping")).toMatchObject([
		{ session, command: "firefox", commandLine: "/opt/firefox 'a b' $'\\x1b]0;x\\x07'", client: pid },
	]);
	client.close();
	expect(await shopping.clientGone()).toBe(session);

	shopping.sessions = [{ ...facts, session, isDetached: true, hasClient: false }];
	expect(await list("shopping")).toMatchObject([{ session, command: "firefox", client: null, detached: true }]);
	const attach = { method: "attach", vm: "shopping", boot: null, timeoutMs: 0, pid: 4711 } as const;
	const attached = await Client.ask(user, attach, encodeAttach({ session, tty: null }));
	const { session: number } = await attached.granted();
	shopping.beat([session, number]);
	expect(await list("shopping")).toMatchObject([{ session, client: 4711 }]);
	attached.close();
	expect(await shopping.clientGone()).toBe(number);
	shopping.beat([]);
});

it("asks once for all who ask at once", async () => {
	shopping.sessions = undefined;
	const before = shopping.asked;
	const lists = [list("shopping"), list("shopping"), list(null)];
	await user.until("it is asked", () => shopping.asked > before);
	await user.status("shopping");
	shopping.send(encodeSessions([facts]));
	expect((await Promise.all(lists)).map((sessions) => sessions.at(-1)?.id)).toEqual(Array(3).fill("shopping.1.9f3c"));
	expect(shopping.asked).toBe(before + 1);
});

it("leaves out a vm whose agent does not answer, says so to who asks for it, and takes the late answer", async () => {
	shopping.sessions = undefined;
	banking.sessions = [facts];
	expect((await list(null)).map(({ vm }) => vm)).toEqual(["banking"]);
	expect(await refusal("shopping")).toEqual({
		code: "Unresponsive",
		message: "the agent in shopping does not answer",
		remedy: "qubes-lite status shopping",
	});
	shopping.send(encodeSessions([]));
	shopping.sessions = [facts];
	expect(await list("shopping")).toHaveLength(1);
});

it("cuts an agent that lists what nobody asked for, or answers with what is no list", async () => {
	shopping.send(encodeSessions([]));
	await shopping.closed;
	expect(user.log()).toContain("it listed sessions that nobody asked for");
	shopping = await dial("shopping");
	shopping.sessions = [{ ...facts, session: -1 }];
	const refused = refusal("shopping");
	await shopping.closed;
	expect(await refused).toMatchObject({ code: "Unresponsive" });
	shopping = await dial("shopping");
	shopping.sessions = [facts];
	expect(await list("shopping")).toHaveLength(1);
});
