import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BusService } from "../../src/dbus/bus-service.ts";
import type { InterfaceSpec } from "../../src/dbus/interface-spec.ts";
import { encodeMessage, type IncomingMessage, messageType } from "../../src/dbus/message-codec.ts";
import { type Caller, ServedObjects } from "../../src/dbus/served-objects.ts";
import { BusError } from "../../src/dbus/user-bus.ts";
import { findUserBus } from "../../src/dbus/user-bus-place.ts";
import { FakeBus, toReply } from "../fakes/fake-bus.ts";

const spec: InterfaceSpec = {
	name: "a.b.Thing",
	methods: {
		Wait: { in: [], out: [["answer", "s"]] },
		Throw: { in: [], out: [] },
		Read: { in: [], out: [["long", "s"]] },
	},
	signals: { Happened: [["what", "s"]] },
	properties: {},
};

const long = "x".repeat(512 * 1024);

let directory: string;
let bus: FakeBus;
let service: BusService;
/** What the service has sent: answers and signals. */
let sent: IncomingMessage[];
let waiting: { readonly caller: Caller; answer(word: string): void; fail(cause: unknown): void }[];
let quiets: number;
let reads: number;
let losses: number;
let failures: unknown[];

function hear(message: IncomingMessage, client: Socket): void {
	if (message.type !== messageType.call) sent.push(message);
	else if (message.member === "Hello") client.write(toReply(message.serial, "s", [":1.1"]));
	else
		client.write(
			toReply(message.serial, message.member === "AddMatch" ? "" : "u", message.member === "AddMatch" ? [] : [1]),
		);
	if (message.member === "RequestName") bus.send(fromBus("NameAcquired", "s", ["a.b"]));
}

const fromBus = (member: string, signature: string, body: readonly unknown[]): Buffer =>
	encodeMessage({
		...{
			type: messageType.signal,
			serial: 1,
			path: "/org/freedesktop/DBus",
			interface: "org.freedesktop.DBus",
			member,
		},
		...{ signature, body, sender: "org.freedesktop.DBus" },
	} as Parameters<typeof encodeMessage>[0]);

let serial = 0;
function call(sender: string, member: string, flags = 0): number {
	serial += 1;
	const bytes = encodeMessage({
		...{ type: messageType.call, serial, path: "/a", interface: "a.b.Thing", member, signature: "", body: [], sender },
	} as Parameters<typeof encodeMessage>[0]);
	bytes[2] = flags;
	bus.send(bytes);
	return serial;
}
const leaves = (name: string): void => bus.send(fromBus("NameOwnerChanged", "sss", [name, name, ""]));

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "bus-"));
	[sent, waiting, failures] = [[], [], []];
	[quiets, reads, losses] = [0, 0, 0];
	bus = await FakeBus.listen(join(directory, "bus"), hear);
	const acquired = Promise.withResolvers<void>();
	const place = findUserBus({ DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(directory, "bus")}` });
	if (place === undefined) throw new Error("no place");
	const objects = new ServedObjects("/a", [
		{
			...{ spec, properties: () => ({}), checkReading: () => {} },
			call(method, _, caller) {
				if (method === "Throw") throw new BusError("a.b.Bad", "no\0!");
				if (method === "Read") {
					reads += 1;
					return [long];
				}
				return new Promise((resolve, fail) => {
					waiting.push({ caller, answer: (word) => resolve([word]), fail });
				});
			},
		},
	]);
	service = BusService.start(place, {
		...{
			name: "a.b",
			objects,
			quiet: () => quiets++,
			acquired: acquired.resolve,
			absent: () => losses++,
			called: () => {},
		},
		leaves: () => new Error("we leave"),
		failed: (cause) => failures.push(cause),
		toError: (cause) => {
			failures.push(cause);
			return cause instanceof BusError ? cause : new BusError("a.b.Failed", String(cause));
		},
	});
	await acquired.promise;
});

afterEach(async () => {
	await service.leave();
	await bus[Symbol.asyncDispose]();
	rmSync(directory, { recursive: true });
});

const until = (look: () => void) => vi.waitFor(look, { timeout: 5000, interval: 5 });

it("answers each call once, and says so when nobody waits any more", async () => {
	const number = call(":1.7", "Wait");
	await until(() => expect(waiting).toHaveLength(1));
	expect([service.pending, quiets]).toEqual([1, 0]);
	waiting[0]?.answer("done");
	await until(() =>
		expect(sent.map(({ replySerial, destination }) => [replySerial, destination])).toEqual([[number, ":1.7"]]),
	);
	expect(sent[0]?.read()).toEqual(["done"]);
	await until(() => expect([service.pending, quiets]).toEqual([0, 1]));
});

it("sends no answer to who wants none, and no NUL in the words of an error", async () => {
	call(":1.7", "Throw", 1);
	call(":1.7", "Nothing", 1);
	const number = call(":1.7", "Throw");
	await until(() => expect(sent).toHaveLength(1));
	expect(sent[0]).toMatchObject({ type: messageType.error, replySerial: number, errorName: "a.b.Bad" });
	expect(sent[0]?.read()).toEqual(["no!"]);
});

it("tells a call that its caller has left, and nobody why it fails then", async () => {
	call(":1.7", "Wait");
	call(":1.8", "Wait");
	await until(() => expect(waiting).toHaveLength(2));
	leaves(":1.7");
	await until(() => expect(waiting.map(({ caller }) => caller.gone.aborted)).toEqual([true, false]));
	waiting[0]?.fail(new Error("gone"));
	waiting[1]?.answer("here");
	await until(() => expect(sent).toHaveLength(1));
	expect(sent[0]).toMatchObject({ destination: ":1.8" });
	expect(failures).toEqual([]);
	await until(() => expect(service.pending).toBe(0));
});

it("lets no caller's calls keep the others from asking, and forgets those of who has left", async () => {
	for (let index = 0; index < 300; index++) call(":1.7", "Wait");
	await until(() => expect(sent).toHaveLength(44));
	expect(sent[0]).toMatchObject({ errorName: "org.freedesktop.DBus.Error.LimitsExceeded", destination: ":1.7" });
	call(":1.8", "Wait");
	await until(() => expect(waiting).toHaveLength(257));
	leaves(":1.7");
	call(":1.7", "Wait");
	await until(() => expect(waiting).toHaveLength(258));
	expect(sent).toHaveLength(44);
});

it("believes only the bus that somebody has left", async () => {
	call(":1.7", "Wait");
	await until(() => expect(waiting).toHaveLength(1));
	bus.send(
		encodeMessage({
			...{ type: messageType.signal, serial: 1, path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" },
			...{ member: "NameOwnerChanged", signature: "sss", body: [":1.7", ":1.7", ""], sender: ":1.9" },
		} as Parameters<typeof encodeMessage>[0]),
	);
	call(":1.7", "Throw");
	await until(() => expect(sent).toHaveLength(1));
	expect(waiting[0]?.caller.gone.aborted).toBe(false);
});

it("takes what is lost with the bus for left, and serves again on the next one", async () => {
	call(":1.7", "Wait");
	await until(() => expect(waiting).toHaveLength(1));
	bus.send(Buffer.alloc(64, "X"));
	await until(() => expect(waiting[0]?.caller.gone.aborted).toBe(true));
	service.emit("/a", { spec }, "Happened", ["nobody hears it"]);
	await until(() => expect(bus.clients).toBe(1));
});

describe("answers that are long", () => {
	const answered = (): number => sent.filter(({ type }) => type === messageType.reply).length;

	it("may be a hundred at once, of half a MiB each: a bus that reads gets them all", async () => {
		for (let index = 0; index < 100; index++) call(`:1.${index}`, "Wait");
		await until(() => expect(waiting).toHaveLength(100));
		for (const { answer } of waiting) answer(long);
		await until(() => expect(answered()).toBe(100));
		expect(sent.map(({ destination }) => destination)).toEqual(waiting.map(({ caller }) => caller.name));
		await until(() => expect([service.pending, losses]).toEqual([0, 0]));
	});

	it("wait for a bus that does not read for a while, and nobody is heard who asks for more meanwhile", async () => {
		for (let index = 0; index < 60; index++) call(":1.7", "Wait");
		await until(() => expect(waiting).toHaveLength(60));
		bus.stopReading();
		for (const { answer } of waiting) answer(long);
		for (let index = 0; index < 200; index++) call(":1.8", "Read");
		const happened = (what: string) => service.emit("/a", { spec }, "Happened", [what]);
		happened("a signal waits for nothing else");
		await delay(100);
		expect(reads).toBeLessThan(10);
		expect(service.pending).toBeGreaterThan(40);
		bus.readOn();
		await until(() => expect(answered()).toBe(260));
		happened("later");
		await until(() => expect(sent.at(-1)?.member).toBe("Happened"));
		expect([service.pending, reads, losses]).toEqual([0, 200, 0]);
	});

	it("are no reason to grow for ever: a bus that reads nothing of many signals is given up", async () => {
		call(":1.7", "Wait");
		await until(() => expect(waiting).toHaveLength(1));
		bus.stopReading();
		for (let index = 0; index < 200; index++) service.emit("/a", { spec }, "Happened", [long]);
		expect(waiting[0]?.caller.gone.aborted).toBe(true);
		bus.readOn();
		await until(() => expect(losses).toBe(1));
	});
});

describe("a service that leaves", () => {
	const busy = { type: messageType.error, errorName: "a.b.Failed" };

	it("refuses who waits, who is told that before their call is told that nobody wants it any more", async () => {
		const number = call(":1.7", "Wait");
		await until(() => expect(waiting).toHaveLength(1));
		const [first] = waiting;
		first?.caller.gone.addEventListener("abort", () => first.fail(new Error("nobody waits")));
		await service.leave();
		expect(first?.caller.gone.aborted).toBe(true);
		expect(sent).toMatchObject([{ ...busy, replySerial: number }]);
		expect(sent[0]?.read()).toEqual(["Error: we leave"]);
		expect(failures).toHaveLength(1);
	});

	it("waits for what can't be taken back, and tells what has come of it", async () => {
		call(":1.7", "Wait");
		call(":1.8", "Wait");
		call(":1.9", "Wait");
		await until(() => expect(waiting).toHaveLength(3));
		waiting[0]?.caller.begun();
		const vain = waiting[1]?.caller.begun();
		const left = service.leave();
		await until(() => expect(sent).toMatchObject([{ ...busy, destination: ":1.9" }]));
		expect(waiting.map(({ caller }) => caller.gone.aborted)).toEqual([false, false, true]);
		/** It has come to nothing, and is not begun with again. */
		vain?.();
		vain?.();
		await until(() => expect(sent.slice(1)).toMatchObject([{ ...busy, destination: ":1.8" }]));
		waiting[0]?.answer("done");
		await left;
		expect(sent.slice(2).map((message) => [message.destination, ...message.read()])).toEqual([[":1.7", "done"]]);
	});
});
