import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	callMaxBytes,
	encodeMessage,
	MessageReader,
	messageFlags,
	messageType,
	toVariant,
} from "../../src/dbus/message-codec.ts";

const toBytes = (signature: string, body: readonly unknown[]): Buffer =>
	encodeMessage({
		...{ type: messageType.signal, serial: 7, destination: ":1.1", path: "/a/b", interface: "a.b", member: "C" },
		...{ signature, body },
	});

/** Where the body of a message with `signature` begins. */
const bodyOf = (bytes: Buffer): number => bytes.length - bytes.readUInt32LE(4);

describe("messages", () => {
	it("come out as they went in, however their bytes are cut", () => {
		const bodies = [["one"], ["two"], ["three"]];
		const bytes = Buffer.concat(bodies.map((body) => toBytes("s", body)));
		fc.assert(
			fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
				const reader = new MessageReader();
				const ends = [...cuts.sort((one, other) => one - other), bytes.length];
				const messages = ends.flatMap((end, index) => [...reader.read(bytes.subarray(ends[index - 1] ?? 0, end))]);
				expect(messages.map((message) => message.read())).toEqual(bodies);
			}),
		);
	});

	it("have their flags, at the place where the specification has them", () => {
		const call = { ...{ type: messageType.call, serial: 7, destination: "a.b", signature: "", body: [] }, member: "C" };
		expect(encodeMessage(call)[2]).toBe(0);
		expect(encodeMessage({ ...call, flags: messageFlags.noAutoStart })[2]).toBe(2);
	});

	it("have their fields, and plain values as bodies", () => {
		const [message] = new MessageReader().read(toBytes("uasa(so)ay", [7, ["a", "b"], [["c", "/d"]], Buffer.of(1, 2)]));
		expect(message).toMatchObject({
			...{ type: messageType.signal, serial: 7, path: "/a/b", interface: "a.b", member: "C" },
			...{ errorName: "", replySerial: 0, sender: "", signature: "uasa(so)ay" },
		});
		expect(message?.read()).toEqual([7, ["a", "b"], [["c", "/d"]], Buffer.of(1, 2)]);
	});

	it("may come in the other byte order", () => {
		const header = "42040001" + "00000004" + "00000007" + "00000007";
		const signature = "08016700" + "017500" + "00";
		const [message] = new MessageReader().read(Buffer.from(`${header}${signature}0000002a`, "hex"));
		expect(message).toMatchObject({ type: messageType.signal, serial: 7 });
		expect(message?.read()).toEqual([42]);
	});
});

describe("a call that is longer than any of ours", () => {
	const toCall = (member: string, words: string): Buffer =>
		encodeMessage({
			...{ type: messageType.call, serial: 9, destination: ":1.1", path: "/a", interface: "a.b", member },
			...{ signature: "s", body: [words] },
		});

	it("is given out by its header before it has come, is skipped, and what follows is read", () => {
		const long = toCall("Long", "x".repeat(callMaxBytes));
		const bytes = Buffer.concat([long, toCall("Next", "y")]);
		fc.assert(
			fc.property(fc.array(fc.nat(bytes.length), { maxLength: 5 }), (cuts) => {
				const reader = new MessageReader();
				const ends = [...cuts.sort((one, other) => one - other), bytes.length];
				const messages = ends.flatMap((end, index) => [...reader.read(bytes.subarray(ends[index - 1] ?? 0, end))]);
				expect(messages.map(({ member }) => member)).toEqual(["Long", "Next"]);
				expect(() => messages[0]?.read()).toThrow(`more than ${callMaxBytes}`);
				expect(messages[1]?.read()).toEqual(["y"]);
			}),
			{ numRuns: 20 },
		);
		const reader = new MessageReader();
		expect([...reader.read(long.subarray(0, 1024))].map(({ member }) => member)).toEqual(["Long"]);
	});

	it("is refused where nobody who speaks D-Bus would make it", () => {
		const bytes = toCall("Long", "x");
		bytes.writeUInt32LE(0xffff_fff0, 4);
		expect(() => [...new MessageReader().read(bytes)]).toThrow("more than 134217728");
	});
});

describe("what anybody on the bus may send us is outlived:", () => {
	const next = toBytes("s", ["next"]);
	const membersOf = (bytes: Buffer, reader = new MessageReader()) =>
		[...reader.read(bytes)].map(({ member, destination }) => [member, destination]);

	it("a signal that is longer than any of ours is given out by its header, and skipped", () => {
		const long = toBytes("ay", [Buffer.alloc(16 * 1024 * 1024)]);
		const [message, after] = new MessageReader().read(Buffer.concat([long, next]));
		expect(() => message?.read()).toThrow("more than 16777216");
		expect(after?.read()).toEqual(["next"]);
	});

	it("a message whose fields alone are longer than all names is skipped whole", () => {
		const long = toBytes("s", ["x".repeat(100_000)]);
		const body = bodyOf(long);
		/** What was its body is the end of its fields. */
		const fields = Math.floor((long.length - 16) / 8) * 8;
		long.writeUInt32LE(fields, 12);
		long.writeUInt32LE(long.length - 16 - fields, 4);
		expect(body).toBeLessThan(1000);
		const reader = new MessageReader();
		expect(membersOf(long.subarray(0, 50_000), reader)).toEqual([]);
		expect(membersOf(Buffer.concat([long.subarray(50_000), next]), reader)).toEqual([["C", ":1.1"]]);
	});

	it("a file descriptor, which we never take, is its index", () => {
		const bytes = toBytes("u", [7]);
		bytes.write("h", bytes.lastIndexOf("u", bodyOf(bytes)));
		const [message] = new MessageReader().read(bytes);
		expect(message).toMatchObject({ signature: "h", destination: ":1.1" });
		expect(message?.read()).toEqual([7]);
	});

	it.each([
		["words of nothing", "as", [Array.from({ length: 300_000 }, () => "")]],
		["variants, which cost a KiB each", "av", [Array.from({ length: 5000 }, () => toVariant("y", 0))]],
		["words of bytes", "aay", [Array.from({ length: 300_000 }, () => Buffer.alloc(0))]],
	])("%s are read up to a bound, whatever they cost on the bus", (_, signature, body) => {
		const [message] = new MessageReader().read(toBytes(signature, body));
		expect(() => message?.read()).toThrow("more than 262144 values");
	});

	it("variants may be as deep in each other as the bus lets through", () => {
		let value = toVariant("u", 7);
		for (let depth = 0; depth < 60; depth++) value = toVariant("v", value);
		const [message] = new MessageReader().read(toBytes("v", [value]));
		expect(message?.read()).toHaveLength(1);
	});
});

describe("bytes that are no message are refused", () => {
	const read = (bytes: Buffer) =>
		[...new MessageReader().read(bytes)].map((message) => ({ body: message.read(), path: message.path }));
	const change = (bytes: Buffer, at: number, value: number, write: "writeUInt8" | "writeUInt32LE"): Buffer => {
		bytes[write](value, at);
		return bytes;
	};

	it("of an unknown byte order, or version of the protocol", () => {
		expect(() => read(Buffer.alloc(64, "X"))).toThrow("a message of no known byte order");
		expect(() => read(change(toBytes("s", ["a"]), 3, 2, "writeUInt8"))).toThrow("a message of version 2");
	});

	it("that claim to be longer than any message of ours, before those bytes are there", () => {
		expect(() => read(change(toBytes("s", ["a"]), 4, 0xffff_ffff, "writeUInt32LE"))).toThrow(/more than 134217728/);
		expect(() => read(change(toBytes("s", ["a"]), 12, 0xffff_ffff, "writeUInt32LE"))).toThrow(/more than 134217728/);
	});

	it("with an array that is longer than they are, whose elements would fill the memory", () => {
		const bytes = toBytes("a(y)", [[[1], [2]]]);
		expect(() => read(change(bytes, bodyOf(bytes), 0xffff_fff0, "writeUInt32LE"))).toThrow(
			"an array that is longer than its message",
		);
	});

	it("with an array of structs of nothing, which would never end", () => {
		const bytes = toBytes("a(y)ay", [[[1]], Buffer.alloc(8)]);
		const at = bytes.indexOf("a(y)ay");
		bytes.write("a()ayy", at);
		expect(() => read(bytes)).toThrow("a struct of nothing");
	});

	it("with a string that ends after them", () => {
		const bytes = toBytes("s", ["abc"]);
		expect(() => read(change(bytes, bodyOf(bytes), 4000, "writeUInt32LE"))).toThrow(
			"a message whose length is not that of its parts",
		);
	});

	it("whatever is changed in them: either they are refused, or they are a message", () => {
		const bytes = toBytes("sa(so)aya{ss}u", ["a", [["b", "/c"]], Buffer.of(1), { d: "e" }, 7]);
		const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
		fc.assert(
			fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
				const changed = Buffer.from(bytes);
				for (const [at, value] of changes) changed[at] = value;
				try {
					for (const { body, path } of read(changed))
						expect([Array.isArray(body), typeof path]).toEqual([true, "string"]);
				} catch (cause) {
					expect(cause).toBeInstanceOf(Error);
				}
			}),
			{ numRuns: 2000 },
		);
	});
});
