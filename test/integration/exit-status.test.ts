/** How a command ended is told exactly, whatever else happens to its connection. */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { rounds } from "../rounds.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping" }] });
});

afterEach(() => user.order("shopping", {}));

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

/** One shell, many runs: what a test waits for is the runs, not the shells. */
const loop = (list: string, run: string) => `for n in ${list}; do run-in-vm shopping ${run}; echo "$n $?"; done`;

it("passes every exit status of a command, without a word", async () => {
	const statuses = [0, 1, 2, 42, 100, 124, 125, 126, 127, 128, 129, 130, 137, 143, 192, 254, 255];
	const outcome = await user.sh(loop(statuses.join(" "), "sh -c 'exit $0' $n"));
	expect(outcome.stderr).toBe("");
	expect(outcome.stdout.trim().split("\n")).toEqual(statuses.map((status) => `${status} ${status}`));
});

it("says 128 + N for a command that signal N ended", async () => {
	const signals = [1, 2, 3, 6, 9, 10, 11, 12, 13, 14, 15];
	const outcome = await user.sh(loop(signals.join(" "), "sh -c 'kill -$0 $$' $n"));
	expect(outcome.stderr).toBe("");
	expect(outcome.stdout.trim().split("\n")).toEqual(signals.map((signal) => `${signal} ${128 + signal}`));
});

it("says 127 for a command that is not there, 126 for one that can't be executed", async () => {
	expect(await user.run("shopping", "no-such")).toMatchObject({ status: 127 });
	expect(await user.run("shopping", "/etc")).toMatchObject({ status: 126 });
});

const each = rounds(8, 2_500);

it(`gets the status and the whole output each time, ${4 * each} times, four at once`, async () => {
	const command = `sh -c 'echo "$0"; exit $(($0 % 256))' $n`;
	const shells = await Promise.all(
		[0, 1, 2, 3].map((shell) => user.sh(loop(`$(seq ${shell * each + 1} ${shell * each + each})`, command))),
	);
	const expected = Array.from({ length: 4 * each }, (_, index) => `${index + 1}\n${index + 1} ${(index + 1) % 256}\n`);
	expect(shells.map(({ stdout }) => stdout).join("")).toBe(expected.join(""));
	expect(shells.map(({ stderr }) => stderr).join("")).toBe("");
});

it("never takes a missing exit status for success", async () => {
	user.order("shopping", { session: "noExit" });
	expect(await user.run("shopping", "echo", "all of it")).toMatchObject({
		status: 125,
		stderr:
			"run-in-vm: shopping closed the connection before the command's exit status came\n  → qubes-lite status shopping\n",
	});
});
