import { expect, it } from "vitest";
import { systemClock } from "../../src/broker/clock.ts";
import { Silence } from "../../src/broker/silence.ts";
import { TestClock } from "../statemachines/vm-harness.ts";

/** Its timers can begin anew, as Node's can. */
class RestartingClock extends TestClock {
	readonly #timers = new Map<number, { readonly act: () => void; readonly ms: number; id: number }>();

	override setTimeout(act: () => void, ms: number): number {
		const id = super.setTimeout(act, ms);
		this.#timers.set(id, { act, ms, id });
		return id;
	}

	override clearTimeout(id: number): void {
		super.clearTimeout(this.#timers.get(id)?.id ?? id);
	}

	restart(id: number): void {
		const timer = this.#timers.get(id);
		if (timer === undefined) throw new Error("there is no such timer");
		this.clearTimeout(id);
		timer.id = super.setTimeout(timer.act, timer.ms);
	}
}

it.each([new TestClock(), new RestartingClock()])(
	"is too long after 15 s in which a guest of this boot says nothing",
	(clock) => {
		const told: number[] = [];
		const silence = new Silence(clock, (boot) => told.push(boot));
		silence.count(3);
		clock.advance(10_000);
		silence.heard(3);
		clock.advance(14_999);
		expect(told).toEqual([]);
		silence.heard(2);
		clock.advance(1);
		expect(told).toEqual([3]);
		silence.heard(3);
		clock.advance(60_000);
		expect(told).toEqual([3]);
		silence.count(4);
		silence.ignore();
		silence.heard(4);
		clock.advance(60_000);
		expect(told).toEqual([3]);
		expect(clock.pending).toBe(0);
	},
);

it("keeps no process alive", () => {
	const timer = systemClock.setTimeout(() => {}, 1_000_000) as NodeJS.Timeout;
	systemClock.restart?.(timer);
	expect(timer.hasRef()).toBe(false);
	systemClock.clearTimeout(timer);
});
