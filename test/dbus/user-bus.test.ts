import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { firstValueFrom } from "rxjs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeMessage, type IncomingMessage, messageType } from "../../src/dbus/message-codec.ts";
import { BusError, UserBus } from "../../src/dbus/user-bus.ts";
import { findUserBus } from "../../src/dbus/user-bus-place.ts";
import { FakeBus, toError, toReply, toSignal, welcome } from "../fakes/fake-bus.ts";

let directory: string;
let socket: string;

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "bus-"));
	socket = join(directory, "bus");
});

afterEach(() => rmSync(directory, { recursive: true }));

const connect = (address = `unix:path=${socket}`) =>
	UserBus.connect(findUserBus({ DBUS_SESSION_BUS_ADDRESS: address }));
const call = { destination: "a.b", path: "/", interface: "a.b", member: "C" };
const untilNobodyIsConnected = (bus: FakeBus) => vi.waitFor(() => expect(bus.clients).toBe(0));

describe("whatever comes over the bus ends the connection at most, not Node", () => {
	it("a Hello that is refused, with LimitsExceeded", async () => {
		const why = "The maximum number of active connections for UID 0 has been reached";
		await using bus = await FakeBus.listen(socket, ({ serial }, client) => {
			client.write(toError(serial, "org.freedesktop.DBus.Error.LimitsExceeded", why));
		});
		await expect(connect()).rejects.toThrow(why);
		await untilNobodyIsConnected(bus);
	});

	it.each([
		["bytes that are no message", Buffer.alloc(64, "X")],
		["a message that is refused in its middle", corrupt(broadcast("as", [["a"]]))],
	])("%s: calls reject, and its socket does not stay open", async (_, bytes) => {
		await using bus = await FakeBus.listen(socket);
		const connected = await connect();
		const pending = expect(connected.call(call)).rejects.toThrow("the connection to the user's D-Bus is lost: a");
		bus.send(bytes);
		await Promise.all([pending, connected.closed, untilNobodyIsConnected(bus)]);
		await expect(connected.call(call)).rejects.toThrow("closed");
	});

	it("its end, of which each is told once", async () => {
		const bus = await FakeBus.listen(socket);
		const connected = await connect();
		let told = 0;
		connected.onClose(() => told++);
		const forget = connected.onClose(() => told++);
		forget();
		await bus[Symbol.asyncDispose]();
		await connected.closed;
		connected.close();
		expect(told).toBe(1);
	});

	it("signals to us alone and answers to nothing that can't be read, which anybody may send: they are ignored", async () => {
		await using bus = await FakeBus.listen(socket, (message, client) => {
			welcome(message, client);
			if (message.member === "C") client.write(toReply(message.serial, "s", ["done"]));
		});
		const connected = await connect();
		bus.send(corrupt(toSignal("C", "as", [["a"]])));
		bus.send(corrupt(toReply(4711, "as", [["a"]])));
		bus.send(corrupt(toError(4712, "a.b.C", "d")));
		expect(await connected.call(call)).toEqual(["done"]);
		connected.close();
	});

	it("answers to nothing, and messages of types to come, which are ignored", async () => {
		await using bus = await FakeBus.listen(socket, (message, client) => {
			welcome(message, client);
			if (message.member === "C") client.write(toReply(message.serial, "s", ["done"]));
		});
		const connected = await connect();
		bus.send(toReply(4711, "", []));
		bus.send(toError(4712, "a.b.C", "d"));
		bus.send(encodeMessage({ type: 9, serial: 1, destination: ":1.1", signature: "", body: [] }));
		expect(await connected.call(call)).toEqual(["done"]);
		connected.close();
	});
});

describe("a connection", () => {
	it("has signals, and errors with their names", async () => {
		await using bus = await FakeBus.listen(socket, (message, client) => {
			welcome(message, client);
			if (message.member === "C") client.write(toError(message.serial, "a.b.Bad", "no"));
		});
		const connected = await connect();
		const signal = firstValueFrom(connected.signals);
		bus.send(toSignal("Happened", "su", ["a", 7]));
		expect(await signal).toEqual({ sender: "", path: "/a", interface: "a.b", member: "Happened", body: ["a", 7] });
		const refusal = await connected.call(call).catch((cause: unknown) => cause);
		expect(refusal).toBeInstanceOf(BusError);
		expect(refusal).toMatchObject({ errorName: "a.b.Bad", message: "no" });
		connected.close();
		await untilNobodyIsConnected(bus);
	});

	it("refuses whoever calls it, so that nobody waits", async () => {
		const answer = Promise.withResolvers<IncomingMessage>();
		await using bus = await FakeBus.listen(socket, (message, client) => {
			if (message.type === messageType.error) answer.resolve(message);
			else welcome(message, client);
		});
		const connected = await connect();
		bus.send(encodeMessage({ ...call, type: messageType.call, serial: 42, signature: "", body: [] }));
		expect(await answer.promise).toMatchObject({
			...{ replySerial: 42, errorName: "org.freedesktop.DBus.Error.UnknownMethod" },
		});
		connected.close();
	});

	it("waits as long for an answer as the call says", async () => {
		const calls: IncomingMessage[] = [];
		await using _bus = await FakeBus.listen(socket, (message, client) => {
			calls.push(message);
			welcome(message, client);
		});
		const connected = await connect();
		await expect(connected.call({ ...call, withinMs: 30 })).rejects.toThrow("C was not answered within 0.03 s");
		expect(calls.map(({ member }) => member)).toEqual(["Hello", "C"]);
		connected.close();
	});

	it("goes to the first address that answers, where bytes are escaped, and to abstract sockets", async () => {
		const strange = join(directory, "a b,c:d");
		await using _strange = await FakeBus.listen(strange);
		const escaped = strange.replace(" ", "%20").replace(",", "%2c");
		(await connect(`tcp:host=a;unix:path=${directory}/gone;unix:path=${escaped},guid=1`)).close();
		const name = `qubes-lite-test-${process.pid}`;
		await using _abstract = await FakeBus.listen(`\0${name}`);
		(await connect(`unix:abstract=${name}`)).close();
		await expect(connect(`unix:abstract=${name}-gone`)).rejects.toThrow(/^ECONNREFUSED$/);
		await expect(connect("nonsense")).rejects.toThrow("an address begins with its transport, such as unix:");
	});
});

/** To all who have asked for it. */
const broadcast = (signature: string, body: readonly unknown[]): Buffer =>
	encodeMessage({
		...{ type: messageType.signal, serial: 1, path: "/a", interface: "a.b", member: "C" },
		...{ signature, body },
	});

/** The array, or string, in its body claims to be longer than the message. */
function corrupt(bytes: Buffer): Buffer {
	bytes.writeUInt32LE(0xffff_fff0, bytes.length - bytes.readUInt32LE(4));
	return bytes;
}
