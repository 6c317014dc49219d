/** Peers of another version of qubes-lite, at each place where two of them meet: they speak what both know, or part with one sentence. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { brokerFrame, fromBrokerLimits, parseRefused } from "../../src/protocol/broker.ts";
import { encodeExec } from "../../src/protocol/exec.ts";
import { encodeJsonFrame, type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { encodeSessionHello } from "../../src/protocol/session.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { execWith, knockOnce, permitToRun } from "../e2e/ticket-attacks.ts";
import { FakeUser } from "./fake-user.ts";

const { version, oldest } = ourVersions;
const tooOld = (who: string): string =>
	`${who} speaks version ${oldest - 1} of the protocol, which is too old: we need ${oldest} or newer`;
const tooNew = (who: string): string =>
	`${who} needs version ${version + 1} of the protocol or newer, and we speak ${version}`;

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "banking" },
			{ id: 9, name: "old", bootTimeout: 6 },
			{ id: 11, name: "new", bootTimeout: 6 },
		],
		env: { QUBES_LITE_BROKER_IDLE_MS: "5000" },
	});
});

afterEach(async () => {
	user.order("shopping", {});
	user.order("banking", {});
});

afterAll(async () => {
	/** The next one leaves soon. */
	await user.endBrokers("SIGTERM");
	user.env.QUBES_LITE_BROKER_IDLE_MS = "500";
	expect(await user.leave(["shopping", "banking", "old", "new"])).toEqual(nothingLeft);
});

describe("a vm whose agent", () => {
	it.concurrent.each([
		["is too old", "old", "ofAnOlderVersion", tooOld("the agent in old")],
		["is too new", "new", "ofAnotherVersion", tooNew("the agent in new")],
	] as const)("%s does not become ready, and says so once", async (_what, vm, hello, sentence) => {
		user.order(vm, { hello });
		const outcome = await user.run(vm, "true");
		expect(outcome).toMatchObject({ status: 124, stdout: "" });
		expect(outcome.stderr).toContain(`${vm} did not become ready: no hello within 6 s`);
		expect(outcome.stderr.split(sentence)).toHaveLength(2);
		expect(user.log().split(sentence)).toHaveLength(2);
	});

	it("is newer, and still speaks our version, serves", async () => {
		user.order("banking", { hello: "ofANewerVersion" });
		expect(await user.run("banking", "echo", "served")).toMatchObject({ status: 0, stdout: "served\n", stderr: "" });
	});
});

describe("a client of the broker", () => {
	async function ask(request: object): Promise<Frame> {
		expect((await user.sh("qubes-lite ls")).status).toBe(0);
		const socket = await user.connect("broker.sock");
		const decoder = new FrameDecoder(fromBrokerLimits);
		const answer = new Promise<Frame>((resolve, reject) => {
			socket.once("close", () => reject(new Error("the broker did not answer")));
			socket.on("data", (chunk: Buffer) => {
				decoder.push(chunk, resolve);
			});
		});
		socket.write(encodeJsonFrame(brokerFrame.request, request));
		return await answer.finally(() => socket.destroy());
	}

	it.each([
		["is too old", { version: oldest - 1, method: "list" }, tooOld("this client")],
		["is too new", { version: version + 1, method: "later" }, tooNew("this client")],
	])("that %s is refused", async (_what, request, message) => {
		const { type, payload } = await ask(request);
		expect(type).toBe(brokerFrame.refused);
		expect(parseRefused(payload)).toMatchObject({ code: "Unsupported", message });
	});

	it("that is newer, and still speaks our version, is served", async () => {
		const { type } = await ask({ version: version + 1, oldest: version, method: "list", later: true });
		expect(type).toBe(brokerFrame.reply);
	});
});

describe("a session", () => {
	it.each([
		["too old", "ofAnOlderVersion", tooOld("the guest's agent")],
		["too new", "ofANewerVersion", tooNew("the guest's agent")],
	] as const)("with an agent that is %s ends with 125 and one sentence", async (_what, session, sentence) => {
		expect((await user.run("shopping", "true")).status).toBe(0);
		user.order("shopping", { session });
		const outcome = await user.run("shopping", "true");
		expect(outcome).toMatchObject({ status: 125, stdout: "" });
		expect(outcome.stderr.split("\n")[0]).toBe(`run-in-vm: ${sentence}`);
		await user.until("it is over", async () => (await user.stateOf("shopping")) === "idle");
	});

	const target = (): Parameters<typeof permitToRun>[0] => ({
		...{ runtime: user.runtime, vm: "shopping", otherVm: "shopping" },
	});
	const exec = encodeExec({ argv: ["true"], env: {}, cwd: null, user: null, tty: null, detach: false });

	it.each([
		["too old", { version: oldest - 1, oldest: oldest - 1 }, `refused: ${tooOld("this client")}`],
		["too new", { version: version + 1, oldest: version + 1 }, `refused: ${tooNew("this client")}`],
		["newer, and still speaks our version,", { version: version + 1, oldest }, "started"],
	])("with a client that is %s is answered by the agent", async (_what, versions, answer) => {
		expect((await user.run("shopping", "true")).status).toBe(0);
		const permit = await permitToRun(target(), "shopping", exec);
		expect(await knockOnce(permit.vsock, encodeSessionHello(versions), execWith(permit, exec))).toBe(answer);
		permit.leave();
	});
});
