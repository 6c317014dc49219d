import { expect, it } from "vitest";
import { onAbort, orAborted } from "../../src/session-client/on-abort.ts";

it("hears of a signal that aborted before anybody listened", async () => {
	const reasons: unknown[] = [];
	onAbort(AbortSignal.abort("late"), (reason) => reasons.push(reason));
	expect(reasons).toEqual(["late"]);
	await expect(orAborted(AbortSignal.abort("late"), new Promise(() => {}))).rejects.toBe("late");
});

it("gives what comes first, the promise or the reason", async () => {
	const controller = new AbortController();
	expect(await orAborted(controller.signal, Promise.resolve(1))).toBe(1);
	const waiting = orAborted(controller.signal, new Promise(() => {}));
	controller.abort("enough");
	await expect(waiting).rejects.toBe("enough");
});

it("hears nothing any more once that was taken back", () => {
	const controller = new AbortController();
	const reasons: unknown[] = [];
	onAbort(controller.signal, (reason) => reasons.push(reason))();
	controller.abort("late");
	expect(reasons).toEqual([]);
});
