import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SessionListing } from "../../src/guest/session-listing.ts";

let listing: SessionListing;
let asked: number;
const send = (): void => {
	asked += 1;
};

beforeEach(() => {
	vi.useFakeTimers();
	listing = new SessionListing();
	asked = 0;
});

afterEach(() => {
	vi.useRealTimers();
});

test("several who ask at once share one question", async () => {
	listing.connected(send);
	const answers = [listing.ask(), listing.ask(), listing.ask()];
	expect(asked).toBe(1);
	expect(listing.answered([])).toBe(true);
	expect(await Promise.all(answers)).toEqual([[], [], []]);
	const next = listing.ask();
	expect(asked).toBe(2);
	listing.answered([]);
	expect(await next).toEqual([]);
});

test("an answer that nobody asked for is noticed", () => {
	listing.connected(send);
	expect(listing.answered([])).toBe(false);
});

test("nobody waits longer than two seconds, and an answer that comes later was asked for", async () => {
	listing.connected(send);
	const answer = listing.ask();
	vi.advanceTimersByTime(2_000);
	expect(await answer).toBeNull();
	const second = listing.ask();
	expect(asked).toBe(1);
	expect(listing.answered([])).toBe(true);
	expect(await second).toEqual([]);
	expect(vi.getTimerCount()).toBe(0);
});

test("an agent that dials meanwhile is asked, and one that dials again is asked again", async () => {
	const answer = listing.ask();
	listing.connected(send);
	listing.disconnected();
	listing.connected(send);
	expect(asked).toBe(2);
	listing.answered([]);
	expect(await answer).toEqual([]);
});
