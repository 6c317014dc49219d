import { describe, expect, it } from "vitest";
import { SessionBook } from "../../src/broker/session-book.ts";
import { type SessionNews, SessionWatch } from "../../src/broker/session-news.ts";
import type { CommandEnd } from "../../src/protocol/session.ts";

const command = { name: "sh", line: "sh" };
function start() {
	const book = new SessionBook();
	const told: SessionNews[] = [];
	const watch = new SessionWatch(
		(number) => book.isGranted(number),
		(news) => told.push(news),
	);
	return {
		...{ book, watch },
		grant: (...sessions: number[]) => {
			for (const session of sessions) book.begun(session, command);
		},
		heard: (sessions: number[], ended: Record<number, CommandEnd> = {}) =>
			watch.heard({
				sessions,
				ended: Object.entries(ended).map(([session, end]) => ({ session: Number(session), end })),
			}),
		/** What was told since the last time. */
		news: () => told.splice(0),
	};
}

const killed = { signal: "SIGKILL", signalNumber: 9 };
const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);
const started = (session: number): SessionNews => ({ type: "started", session });
const ended = (session: number, end: CommandEnd | null): SessionNews => ({ type: "ended", session, end });

describe("a session is told of once", () => {
	it("when it begins and when it ends, however often its guest says so", () => {
		const { grant, heard, news } = start();
		grant(1);
		heard([1]);
		heard([1]);
		expect(news()).toEqual([started(1)]);
		heard([1], { 1: { code: 3 } });
		heard([], { 1: { code: 3 } });
		heard([], { 1: { code: 4 } });
		heard([1]);
		heard([]);
		expect(news()).toEqual([ended(1, { code: 3 })]);
	});

	it("where it has begun and ended between two reports", () => {
		const { grant, heard, news } = start();
		grant(1);
		heard([], { 1: killed });
		heard([], { 1: killed });
		expect(news()).toEqual([started(1), ended(1, killed)]);
	});

	it("with an end that nobody knows, where its guest does not say or its vm has ended", () => {
		const { grant, heard, watch, news } = start();
		grant(1, 2);
		heard([1, 2]);
		heard([2]);
		watch.over();
		expect(news()).toEqual([started(1), started(2), ended(1, null), ended(2, null)]);
		expect([watch.endOf(1), watch.endOf(2), watch.endOf(3)]).toEqual([null, null, undefined]);
	});

	it("also the one that has run longer than the book remembers", () => {
		const { grant, heard, news } = start();
		grant(1);
		heard([1]);
		grant(...numbers(2, 3000));
		heard([], {});
		expect(news()).toEqual([started(1), ended(1, null)]);
	});

	it("with its own end, where it has ended while its guest had to dial again: its hello does not say how", () => {
		const { grant, heard, watch, news } = start();
		grant(1, 2);
		heard([1]);
		news();
		watch.greeted({ sessions: [2] });
		heard([2], { 1: { code: 7 } });
		expect(news()).toEqual([started(2), ended(1, { code: 7 })]);
	});
});

describe("of an earlier broker's sessions", () => {
	it("the beginning is not told again, and their ends are", () => {
		const { watch, heard, news } = start();
		watch.found({ sessions: [1, 2] });
		heard([1], { 2: { code: 5 } });
		watch.over();
		expect(news()).toEqual([ended(2, { code: 5 }), ended(1, null)]);
	});

	it("what has ended while there was none is told as ended only", () => {
		const { watch, heard, news } = start();
		watch.found({ sessions: [] });
		heard([], { 4: { code: 6 } });
		heard([], { 4: { code: 6 } });
		expect(news()).toEqual([ended(4, { code: 6 })]);
	});

	it("what it had granted and had not begun is new", () => {
		const { watch, heard, news } = start();
		watch.found({ sessions: [], tickets: [3] });
		heard([3]);
		expect(news()).toEqual([started(3)]);
	});

	it("other connections to them are none", () => {
		const { watch, heard, news } = start();
		watch.found({ sessions: [1, 2] });
		heard([1]);
		expect(news()).toEqual([]);
	});
});

describe("a guest that lies", () => {
	it("about sessions that nobody has granted, in each report others, is not listened to", () => {
		const { grant, heard, watch, news } = start();
		grant(1);
		for (let beat = 0; beat < 100; beat++) {
			const from = 10 + beat * 1000;
			heard(numbers(from, 500), Object.fromEntries(numbers(from + 400, 128).map((session) => [session, { code: 0 }])));
		}
		watch.over();
		expect(news()).toEqual([]);
	});

	it("about attachments tells of none", () => {
		const { book, heard, news } = start();
		book.begun(1, command);
		book.connected(2, { session: 1, pid: 7 });
		heard([1, 2], { 2: { code: 0 } });
		heard([1], { 2: { code: 0 } });
		expect(news()).toEqual([started(1)]);
	});

	it("by the same ends again and again, after thousands of others, tells each once", () => {
		const { grant, heard, news } = start();
		const all = numbers(1, 2000);
		grant(...all);
		for (let round = 0; round < 3; round++) {
			for (const session of all) heard([], { [session]: { code: round } });
		}
		expect(news()).toHaveLength(2 * all.length);
	});
});
