import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dataMaxBytes } from "../../src/protocol/limits.ts";
import { ReceiveWindow, SendWindow, streamWindowBytes } from "../../src/protocol/stream-window.ts";

const badRequest = (message: string) => expect.objectContaining({ code: "BadRequest", message });

describe("a sender", () => {
	test("may send while any of its window is left, one whole frame at the end of it, too", () => {
		const sender = new SendWindow();
		expect(sender.isOpen).toBe(true);
		sender.sent(streamWindowBytes - 1);
		expect(sender.isOpen).toBe(true);
		sender.sent(dataMaxBytes);
		expect(sender.isOpen).toBe(false);
	});

	test("is told when credit opens its window, and only then", () => {
		const sender = new SendWindow();
		sender.sent(streamWindowBytes);
		sender.sent(10);
		expect(sender.credited(10)).toBe(false);
		expect(sender.isOpen).toBe(false);
		expect(sender.credited(1)).toBe(true);
		expect(sender.credited(1)).toBe(false);
	});

	test("takes no credit for what it never sent", () => {
		const sender = new SendWindow();
		sender.sent(5);
		expect(sender.credited(5)).toBe(false);
		expect(() => sender.credited(1)).toThrow(badRequest("credit came for bytes that were not sent"));
	});
});

describe("a receiver", () => {
	test("holds a window and a frame, and refuses a sender that sends more", () => {
		const receiver = new ReceiveWindow();
		receiver.received(streamWindowBytes + dataMaxBytes);
		expect(() => receiver.received(1)).toThrow(badRequest("more bytes came than the stream's window allows"));
	});

	test("gives credit back in large pieces, and all of it", () => {
		const receiver = new ReceiveWindow();
		receiver.received(streamWindowBytes);
		expect(receiver.consumed(streamWindowBytes / 4 - 1)).toBe(0);
		expect(receiver.consumed(1)).toBe(streamWindowBytes / 4);
		expect(receiver.consumed((streamWindowBytes / 4) * 3)).toBe((streamWindowBytes / 4) * 3);
	});

	test("counts what is consumed and not yet credited against the sender: it has no right to it yet", () => {
		const receiver = new ReceiveWindow();
		receiver.received(streamWindowBytes + dataMaxBytes);
		expect(receiver.consumed(1)).toBe(0);
		expect(() => receiver.received(1)).toThrow(/more bytes came/);
	});
});

test("an honest sender and receiver, however their steps interleave, never stall and never accuse each other", () => {
	const size = fc.integer({ min: 1, max: dataMaxBytes });
	const step = fc.oneof(
		fc.record({ kind: fc.constant("send" as const), bytes: size }),
		fc.record({ kind: fc.constantFrom("arrive", "consume", "credit"), bytes: fc.constant(0) }),
	);
	fc.assert(
		fc.property(fc.array(step, { size: "max", maxLength: 300 }), (steps) => {
			const sender = new SendWindow();
			const receiver = new ReceiveWindow();
			const onTheWay: number[] = [];
			const held: number[] = [];
			const credits: number[] = [];
			const go = (kind: (typeof steps)[number]["kind"], bytes: number): void => {
				if (kind === "send" && sender.isOpen) {
					sender.sent(bytes);
					onTheWay.push(bytes);
				} else if (kind === "arrive") {
					const arrived = onTheWay.shift();
					if (arrived === undefined) return;
					receiver.received(arrived);
					held.push(arrived);
				} else if (kind === "consume") {
					const consumed = held.shift();
					const credit = consumed === undefined ? 0 : receiver.consumed(consumed);
					if (credit > 0) credits.push(credit);
				} else if (kind === "credit") {
					const credit = credits.shift();
					if (credit !== undefined) sender.credited(credit);
				}
			};
			for (const { kind, bytes } of steps) go(kind, bytes);
			while (onTheWay.length > 0) go("arrive", 0);
			while (held.length > 0) go("consume", 0);
			while (credits.length > 0) go("credit", 0);
			expect(sender.isOpen).toBe(true);
		}),
	);
});
