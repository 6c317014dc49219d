/** What is known of a session's end by its guest's word alone. */
import { beforeEach, describe, expect, it } from "vitest";
import { hasEnded, ToldEnd } from "../../../src/broker/bus/told-end.ts";
import type { SessionListener, Vm } from "../../../src/broker/vm.ts";
import { QubesLiteError } from "../../../src/errors.ts";
import type { CommandEnd } from "../../../src/protocol/session.ts";

const session = { vm: "shopping", session: 3, boot: "9f3c" };
const running = { linked: true, unresponsive: false, paused: false };

let ends: Map<number, CommandEnd | null>;
let listed: { readonly session: number; readonly end: CommandEnd | null }[];
let asked: number;
let context: typeof running;
let tell: SessionListener;
let current: object | undefined;

const instance = {
	bootTag: "9f3c",
	sessions: { endOf: (number: number) => ends.get(number) },
	listSessions: async () => {
		asked += 1;
		return listed;
	},
};
const vm = {
	snapshot: () => ({ instance: current, context }),
	watchSessions: (listener: SessionListener) => {
		tell = listener;
		return () => {};
	},
	endError: async () =>
		new QubesLiteError("NotRunning", "shopping was stopped", { remedy: "qubes-lite start shopping" }),
} as unknown as Vm;
const say = (number: number, end: CommandEnd | null): void =>
	tell({ type: "ended", session: number, end }, instance as unknown as Parameters<SessionListener>[1]);

beforeEach(() => {
	[ends, listed, asked, context, current] = [new Map(), [], 0, running, instance];
});

describe("an end that nobody knows", () => {
	it("has a reason and a remedy, where its guest alone has forgotten it", async () => {
		ends.set(3, null);
		const told = new ToldEnd(vm, session);
		expect(told.known).toBeNull();
		expect(await told.whyUnknown()).toMatchObject({
			message: "session 3 of shopping has ended, and its guest does not say how",
			remedy: expect.stringContaining("capture"),
		});
	});

	it("has its vm's own, where that has ended under it", async () => {
		const told = new ToldEnd(vm, session);
		expect(told.known).toBeUndefined();
		say(4, { code: 0 });
		current = undefined;
		say(3, null);
		expect(await told.next).toBeNull();
		expect(await told.whyUnknown()).toMatchObject({
			message: "shopping was stopped",
			remedy: "qubes-lite start shopping",
		});
	});
});

describe("whether it has ended", () => {
	it("is known from what its guest has told, else asked of it", async () => {
		ends.set(3, { code: 0 });
		expect(await hasEnded(vm, session)).toBe(true);
		expect(asked).toBe(0);
		ends.clear();
		listed = [
			{ session: 3, end: null },
			{ session: 4, end: { code: 1 } },
		];
		expect(await hasEnded(vm, session)).toBe(false);
		expect(await hasEnded(vm, { ...session, session: 4, boot: null })).toBe(true);
		expect(asked).toBe(2);
	});

	it("is not asked of a guest that can't answer, and not of another boot's", async () => {
		context = { ...running, paused: true };
		expect(await hasEnded(vm, session)).toBe(false);
		context = running;
		expect(await hasEnded(vm, { ...session, boot: "0000" })).toBe(false);
		expect(asked).toBe(0);
	});
});
