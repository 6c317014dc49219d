import { expect, it } from "vitest";
import { formatSessions } from "../../src/cli/session-table.ts";

const session = {
	id: "shopping.3.9f3c",
	vm: "shopping",
	session: 3,
	command: "firefox",
	commandLine: "firefox --new-window 'a b'",
	user: "user",
	age: 200,
	tty: false,
	detached: false,
	client: 4711,
	state: "running",
	processes: 2,
};

it("lists sessions in columns, in words", () => {
	const detached = {
		...session,
		id: "vault.10.00aa",
		command: "make",
		commandLine: null,
		detached: true,
		client: null,
		age: 3,
	};
	const adopted = { ...detached, client: 0, detached: false, state: "left processes", processes: null };
	expect(formatSessions([session, detached, adopted], { colour: false, now: 0, width: null })).toBe(
		[
			"ID               USER  AGE    CLIENT    PROCESSES  STATE           COMMAND",
			"shopping.3.9f3c  user  3 min  pid 4711  2          running         firefox --new-window 'a b'",
			"vault.10.00aa    user  3 s    detached  2          running         make",
			"vault.10.00aa    user  3 s    yes       ?          left processes  make",
			"",
		].join("\n"),
	);
});

it("cuts a command that a terminal has no room for, and nothing else", () => {
	const [, line] = formatSessions([session], { colour: false, now: 0, width: 70 }).split("\n");
	expect(line).toBe("shopping.3.9f3c  user  3 min  pid 4711  2          running  firefox -…");
});
