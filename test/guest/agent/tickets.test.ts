import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Tickets } from "../../../src/guest/agent/tickets.ts";
import { sha256Hex } from "../../../src/protocol/exec.ts";
import { ticketLifeMs, ticketsMax } from "../../../src/protocol/limits.ts";

const ticket = (session: number): Buffer => Buffer.alloc(32, session);
const exec = Buffer.from("exec");
const expectOf = (session: number) => ({
	...{ session, lifeMs: ticketLifeMs },
	...{ ticketHash: sha256Hex(ticket(session)), execHash: sha256Hex(exec) },
});

const ended = vi.fn();
let tickets: Tickets;

beforeEach(() => {
	vi.useFakeTimers();
	ended.mockClear();
	tickets = new Tickets(() => performance.now(), ended);
});

afterEach(() => {
	vi.useRealTimers();
});

describe("a ticket", () => {
	it("is live from its announcement until it is shown, right or wrong", () => {
		for (const session of [1, 2]) expect(tickets.announce(expectOf(session))).toBe(true);
		expect(tickets.live()).toEqual([1, 2]);
		expect(tickets.redeem(ticket(1), exec)).toEqual({ session: 1, refusal: null });
		expect([tickets.live(), ended.mock.calls.length]).toEqual([[2], 1]);
		expect(tickets.redeem(ticket(2), Buffer.from("other"))).toEqual({ session: null, refusal: "refused" });
		expect([tickets.live(), ended.mock.calls.length]).toEqual([[], 2]);
	});

	it("is live until it is withdrawn", () => {
		tickets.announce(expectOf(1));
		tickets.withdraw(1);
		tickets.withdraw(1);
		expect([tickets.live(), ended.mock.calls.length]).toEqual([[], 1]);
	});

	it("says by itself when it expires, and is remembered as expired", () => {
		tickets.announce(expectOf(1));
		vi.advanceTimersByTime(ticketLifeMs - 1);
		expect([tickets.live(), ended.mock.calls.length]).toEqual([[1], 0]);
		vi.advanceTimersByTime(2);
		expect([tickets.live(), ended.mock.calls.length]).toEqual([[], 1]);
		expect(tickets.redeem(ticket(1), exec)).toEqual({ session: null, refusal: "expired" });
		expect(ended.mock.calls.length).toBe(1);
	});

	it("is not taken in beside as many as there may be, and is once one has expired", () => {
		for (let session = 1; session <= ticketsMax; session++) expect(tickets.announce(expectOf(session))).toBe(true);
		expect(tickets.announce(expectOf(ticketsMax + 1))).toBe(false);
		vi.advanceTimersByTime(ticketLifeMs + 1);
		expect(tickets.announce(expectOf(ticketsMax + 2))).toBe(true);
	});
});
