import { expect, it } from "vitest";
import { formatSessions } from "../../src/cli/session-table.ts";

const session = {
	id: "shopping.3.9f3c",
	vm: "shopping",
	session: 3,
	command: "firefox",
	user: "user",
	age: 200,
	tty: false,
	detached: false,
	client: 4711,
	state: "running",
	processes: 2,
};

it("lists sessions in columns, in words", () => {
	const detached = { ...session, id: "vault.10.00aa", command: "make", detached: true, client: null, age: 3 };
	const adopted = { ...detached, client: 0, detached: false, state: "left processes", processes: null };
	expect(formatSessions([session, detached, adopted], { colour: false, now: 0, width: null })).toBe(
		[
			"ID               COMMAND  USER  AGE    CLIENT    PROCESSES  STATE",
			"shopping.3.9f3c  firefox  user  3 min  pid 4711  2          running",
			"vault.10.00aa    make     user  3 s    detached  2          running",
			"vault.10.00aa    make     user  3 s    yes       ?          left processes",
			"",
		].join("\n"),
	);
});
