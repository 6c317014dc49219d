/** What a person sees of qubes-lite at a terminal: progress that leaves no trace, and lines that fit. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";
import { FakeUser } from "./fake-user.ts";

const names = ["shopping", "vault"];
let user: FakeUser;
let terminal: Terminal;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 13, name: "vault", idleTimeout: 600 },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(names)).toEqual(nothingLeft);
});

beforeEach(() => {
	terminal = new Terminal(user);
});

afterEach(async () => {
	terminal.close();
	for (const name of names) user.order(name, {});
	await user.sh(`qubes-lite stop --force ${names.join(" ")}`);
});

describe("progress", () => {
	it("of a start is shown for each vm until it is there, and then erased", async () => {
		for (const name of names) user.order(name, { hello: "never" });
		terminal.type("qubes-lite start shopping vault; echo status-$?");
		await terminal.shows(/^Starting shopping \(\w+\), vault \(\w+\)… \d\.\d s$/m);
		user.order("vault", {});
		await terminal.shows(/^Starting shopping… \w+ \d\.\d s$/m);
		user.order("shopping", {});
		expect(await terminal.shows(/^status-0$/m)).not.toContain("Starting");
	});

	it("of a stop is shown, and then erased", async () => {
		user.order("vault", { powerOffDelayMs: 4000 });
		await user.sh("qubes-lite start vault");
		terminal.type("qubes-lite stop vault; echo status-$?");
		await terminal.shows(/^Stopping vault… shutting down \d\.\d s$/m);
		expect(await terminal.shows(/^status-0$/m)).not.toContain("Stopping");
	});

	it("is erased before a failure is told, and when it is given up by Ctrl-C", async () => {
		user.order("shopping", { helloDelayMs: 1500, hello: "ofAnotherVersion" });
		user.order("vault", { hello: "never" });
		terminal.type("qubes-lite start vault");
		await terminal.shows(/^Starting vault…/m);
		terminal.press("C-c");
		terminal.type("echo status-$?");
		expect(await terminal.shows(/^status-130$/m)).not.toContain("Starting");
		expect(await user.stateOf("vault")).toBe("booting");
		terminal.type("qubes-lite stop vault; qubes-lite start nothing; echo status-$?");
		expect(await terminal.shows(/^status-1$/m)).toMatch(/^qubes-lite: there is no vm 'nothing'$/m);
	});

	it("is not shown where nobody wants it", async () => {
		user.order("shopping", { helloDelayMs: 1000 });
		terminal.type(
			"NO_COLOR=1 qubes-lite start shopping 2>&1 | cat -v; TERM=dumb qubes-lite stop shopping; echo is-over",
		);
		expect(await terminal.shows(/^is-over$/m)).not.toMatch(/Starting|\^\[/);
	});
});

describe("a table", () => {
	it("is cut to the width of the terminal, and whole in a pipe", async () => {
		await user.sh("qubes-lite start vault");
		const whole = (await user.sh("qubes-lite ls")).stdout;
		expect(whole).toMatch(/^vault .* stops in \d+ \w+$/m);
		terminal.resize(40, 30);
		terminal.type("clear; qubes-lite ls; echo is-over");
		const screen = await terminal.shows(/^is-over$/m);
		expect(screen).toMatch(/^vault {5}13 {2}idle .*…$/m);
		expect(screen.split("\n").slice(0, 4)).toEqual([
			...[/^NAME .*…$/, /^shopping /, /^vault .*…$/].map((line) => expect.stringMatching(line)),
			"is-over",
		]);
	});
});
