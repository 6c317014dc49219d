/** Guests with an agent of another version of qubes-lite: the test is the agent. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { controlFrame, parseWelcome } from "../../src/protocol/control.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";
import { Agent } from "./frame-peer.ts";

const { version, oldest } = ourVersions;
let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping", bootTimeout: 6 }] });
	user.order("shopping", { hello: "never" });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

async function dial(hello: { readonly version: number; readonly oldest: number }): Promise<Agent> {
	const dialled = (): Promise<boolean> =>
		user.connect("shopping/vsock_5001").then(
			(socket) => socket.destroy().destroyed,
			() => false,
		);
	await user.until("the vmm runs", dialled);
	return Agent.dial(user, "shopping", hello);
}

it("a boot whose agent is too old times out with that for a reason, and what to do", async () => {
	const running = user.start("qubes-lite", ["start", "shopping"]);
	const agent = await dial({ version: oldest - 1, oldest: oldest - 1 });
	await agent.closed;
	const { stderr } = await running.done;
	expect(stderr).toContain("shopping did not become ready: no hello within 6 s; reached agent");
	expect(stderr).toContain(
		`an agent in it was refused: the agent in shopping speaks version ${oldest - 1} of the protocol, which is too old`,
	);
	expect(stderr).toContain("qubes-lite image build");
	expect((await user.sh("qubes-lite stop shopping")).status).toBe(0);
});

it("an agent that is newer, and still speaks our version, is welcome", async () => {
	const running = user.start("qubes-lite", ["start", "shopping"]);
	const agent = await dial({ version: version + 5, oldest: version });
	expect(parseWelcome((await agent.next(controlFrame.welcome)).payload)).toEqual(ourVersions);
	expect((await running.done).status).toBe(0);
	agent.close();
});
