/** Guests and agents that refuse a session, or never get to it: what was typed is not lost, and no wait is for ever. */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(async () => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping" }] });
	expect((await user.run("shopping", "true")).status).toBe(0);
});

afterEach(() => user.order("shopping", {}));

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

it("asks for a second ticket when the first is too old, and still has all of standard input", async () => {
	user.order("shopping", { session: "expiredOnce" });
	const text = "typed\n".repeat(50_000);
	expect(await user.sh("run-in-vm shopping cat", text)).toMatchObject({ status: 0, stdout: text, stderr: "" });
});

it("says 125 when each ticket is too old, or not valid", async () => {
	user.order("shopping", { session: "expired" });
	expect(await user.run("shopping", "true")).toMatchObject({
		status: 125,
		stderr: "run-in-vm: two tickets expired before they could be used\n",
	});
	user.order("shopping", { session: "refused" });
	expect(await user.run("shopping", "true")).toMatchObject({
		status: 125,
		stderr: "run-in-vm: the ticket is refused\n",
	});
});

it("says 125 when the agent takes no more tickets", async () => {
	user.order("shopping", { tickets: "tooMany" });
	const outcome = await user.run("shopping", "true");
	expect(outcome).toMatchObject({ status: 125, stdout: "" });
	expect(outcome.stderr).toMatch(/^run-in-vm: shopping has too many sessions about to begin\n {2}→ ./);
});

it("says 125 when the agent does not answer to a ticket", async () => {
	user.order("shopping", { tickets: "unanswered" });
	const outcome = await user.run("shopping", "true");
	expect(outcome).toMatchObject({ status: 125, stdout: "" });
	expect(outcome.stderr).toMatch(/^run-in-vm: the agent in shopping does not answer\n {2}→ ./);
});

it("bounds with --timeout also the wait for a guest that takes the ticket and says no more", async () => {
	user.order("shopping", { session: "mute" });
	expect(await user.run("--timeout", "2", "shopping", "true")).toMatchObject({
		status: 124,
		stdout: "",
		stderr: "run-in-vm: the command did not start in shopping within 2 s\n  → qubes-lite status shopping\n",
	});
	await user.until("the session is closed", async () => (await user.stateOf("shopping")) === "idle");
});

it("bounds with --timeout no command that has started", async () => {
	expect(await user.run("--timeout", "2", "shopping", "sh", "-c", "sleep 3; echo done")).toMatchObject({
		status: 0,
		stdout: "done\n",
	});
});

it("takes no more output from a guest than it has room for", async () => {
	user.order("shopping", { session: "floods" });
	const running = user.start("/bin/sh", ["-c", "run-in-vm shopping true | { read line; }; true"]);
	expect((await running.done).stderr).toBe("run-in-vm: more bytes came than the stream's window allows\n");
	await user.until("the session is closed", async () => (await user.stateOf("shopping")) === "idle");
});
