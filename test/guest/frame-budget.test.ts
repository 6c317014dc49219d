import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FrameBudget, type Reader } from "../../src/guest/frame-budget.ts";

class FakeReader implements Reader {
	isPaused = false;
	pause(): void {
		this.isPaused = true;
	}
	resume(): void {
		this.isPaused = false;
	}
}

let budget: FrameBudget;

beforeEach(() => {
	vi.useFakeTimers();
	budget = new FrameBudget();
});

afterEach(() => {
	budget.close();
	vi.useRealTimers();
});

describe("a budget of 256 frames a second", () => {
	it("is for all connections together, and a new one brings none of its own", () => {
		const [first, second] = [new FakeReader(), new FakeReader()];
		budget.spend(first, 200, 0);
		budget.spend(second, 55, 0);
		expect([first.isPaused, second.isPaused]).toEqual([false, false]);
		budget.spend(second, 1, 0);
		expect([first.isPaused, second.isPaused]).toEqual([false, true]);
		budget.spend(first, 1, 0);
		expect(first.isPaused).toBe(true);
		vi.advanceTimersByTime(1000);
		expect([first.isPaused, second.isPaused]).toEqual([false, false]);
	});

	it("admits 64 connections a second, and then none before the next", () => {
		const admitted = () => Array.from({ length: 100 }, () => budget.admit()).filter((isIn) => isIn).length;
		expect(admitted()).toBe(64);
		expect(admitted()).toBe(0);
		vi.advanceTimersByTime(1000);
		expect(admitted()).toBe(64);
	});

	it("counts 4,096 bytes as a frame, and has a debt worked off before more is read", () => {
		const reader = new FakeReader();
		budget.spend(reader, 1, 3 * 256 * 4096);
		vi.advanceTimersByTime(2000);
		expect(reader.isPaused).toBe(true);
		vi.advanceTimersByTime(1000);
		expect(reader.isPaused).toBe(false);
	});

	it("resumes nothing that has closed meanwhile", () => {
		const reader = new FakeReader();
		budget.spend(reader, 256, 0);
		budget.forget(reader);
		vi.advanceTimersByTime(1000);
		expect(reader.isPaused).toBe(true);
	});
});
