import { expect, test } from "vitest";
import { SessionBook } from "../../src/broker/session-book.ts";
import { joinLists, toSessionList } from "../../src/broker/session-list.ts";
import { parseSessionList, sessionsListedMax } from "../../src/protocol/broker-replies.ts";
import type { SessionFacts } from "../../src/protocol/control.ts";

const facts = (changes: Partial<SessionFacts> = {}): SessionFacts => ({
	session: 3,
	command: "sh",
	user: "user",
	ageMs: 12_999,
	isTerminal: false,
	isDetached: false,
	hasClient: false,
	end: null,
	leftProcesses: false,
	...changes,
});

const firefox = { name: "firefox", line: "firefox --new-window" };

const list = (sessions: readonly SessionFacts[], book = new SessionBook()) =>
	toSessionList("shopping", "9f3c", sessions, book);

test("a session has its id, and what its guest says of it", () => {
	expect(list([facts({ isTerminal: true, isDetached: true })])).toEqual([
		{
			id: "shopping.3.9f3c",
			vm: "shopping",
			session: 3,
			command: "sh",
			commandLine: null,
			user: "user",
			age: 12,
			tty: true,
			detached: true,
			client: null,
			state: "running",
			processes: null,
		},
	]);
});

test("a session has as many processes as its guest says", () => {
	expect(list([facts({ processes: 2 })])).toMatchObject([{ processes: 2 }]);
});

test("what the broker has granted wins over the guest's word", () => {
	const book = new SessionBook();
	book.begun(3, firefox);
	book.connected(3, { session: 3, pid: 4711 });
	const [session] = list([facts({ command: "harmless" })], book);
	expect(session).toMatchObject({ command: "firefox", commandLine: "firefox --new-window", client: 4711 });
	book.disconnected(3);
	expect(list([facts()], book)).toMatchObject([{ command: "firefox", client: null }]);
	expect(list([facts({ hasClient: true })], book)).toMatchObject([{ client: 0 }]);
});

test("who has attached is the client of the session, not a session", () => {
	const book = new SessionBook();
	book.connected(8, { session: 3, pid: 4712 });
	expect(list([facts(), facts({ session: 4 })], book)).toMatchObject([
		{ session: 3, client: 4712 },
		{ session: 4, client: null },
	]);
});

test.each<[Partial<SessionFacts>, string]>([
	[{}, "running"],
	[{ end: { code: 3 } }, "exited 3"],
	[{ end: { signal: "SIGTERM", signalNumber: 15 } }, "ended by SIGTERM"],
	[{ end: { code: 0 }, leftProcesses: true }, "left processes"],
])("%j is '%s'", (changes, state) => {
	expect(list([facts(changes)])).toMatchObject([{ state }]);
});

test("nothing that a guest says breaks a line or reaches a terminal as more than text", () => {
	const evil = "\x1b]0;x\x07\n\t\r\n\u202e\u2028";
	const end = { signal: "\x1b[2J\n", signalNumber: 9 };
	const sessions = list([facts({ command: evil, user: evil, end })]);
	expect(JSON.stringify(sessions)).not.toMatch(/\\[ntrub]/);
	expect(parseSessionList({ sessions })).toEqual(sessions);
});

test("a session that is named twice is one, and they come by vm and number, no more than a reply takes", () => {
	expect(list([facts({ session: 9 }), facts(), facts({ session: 9 })]).map(({ session }) => session)).toEqual([3, 9]);
	const other = toSessionList("banking", "0000", [facts({ session: 4 })], new SessionBook());
	expect(joinLists([list([facts()]), other]).map(({ vm }) => vm)).toEqual(["banking", "shopping"]);
	const many = list(Array.from({ length: 1056 }, (_, index) => facts({ session: index + 1 })));
	expect(joinLists(Array(20).fill(many)).length).toBe(sessionsListedMax);
});

test("a command from before this broker has the guest's name for it, made safe, until the broker knows better", () => {
	const book = new SessionBook();
	book.heard([facts({ command: "sh\n\x1b[2J" })]);
	expect([book.commandOf(3), book.nameOf(3)]).toEqual([undefined, "sh\uFFFD\uFFFD[2J"]);
	book.begun(3, firefox);
	expect(book.nameOf(3)).toBe("firefox");
});

test("a book forgets the oldest command beyond 2048", () => {
	const book = new SessionBook();
	for (let session = 1; session <= 2049; session++) book.begun(session, firefox);
	expect([book.commandOf(1), book.commandOf(2)]).toEqual([undefined, firefox]);
});

test("a reply that has no room for the arguments of all has those of the first", () => {
	const book = new SessionBook();
	const many = Array.from({ length: 1500 }, (_, index) => facts({ session: index + 1 }));
	for (const { session } of many) book.begun(session, { name: "sh", line: "\u{20000}".repeat(512) });
	const joined = joinLists([list(many, book)]);
	expect(joined).toHaveLength(1500);
	expect(joined[0]?.commandLine).not.toBeNull();
	expect(joined.at(-1)).toMatchObject({ command: "sh", commandLine: null });
	expect(Buffer.byteLength(JSON.stringify(joined))).toBeLessThan(2 * 1024 * 1024);
});
