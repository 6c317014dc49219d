import { beforeEach, describe, expect, it } from "vitest";
import type { InterfaceSpec } from "../../src/dbus/interface-spec.ts";
import { encodeMessage, type IncomingMessage, MessageReader, messageType } from "../../src/dbus/message-codec.ts";
import { type Caller, type ServedInterface, ServedObjects } from "../../src/dbus/served-objects.ts";
import { BusError, UserBus } from "../../src/dbus/user-bus.ts";

const spec: InterfaceSpec = {
	name: "a.b.Thing",
	methods: { Echo: { in: [["words", "as"]], out: [["words", "as"]] } },
	signals: {},
	properties: { Name: { type: "s", changes: "const" }, Size: { type: "t", changes: "true" } },
};
const properties = "org.freedesktop.DBus.Properties";
const caller: Caller = {
	...{ name: ":1.7", gone: new AbortController().signal, begun: () => () => {}, onGone: () => () => {} },
};

class Thing implements ServedInterface {
	readonly spec = spec;
	isHidden = false;
	properties = () => ({ Name: "thing", Size: 7n });
	checkReading(): void {
		if (this.isHidden) throw new BusError("a.b.Denied", "hidden");
	}
	call = (_: string, args: readonly unknown[]): readonly unknown[] => args;
}

let mayList: boolean;

class Root extends Thing {
	checkListing(): void {
		if (!mayList) throw new BusError("a.b.Denied", "not to be listed");
	}
}

let thing: Thing;
let objects: ServedObjects;

beforeEach(() => {
	thing = new Thing();
	mayList = true;
	objects = new ServedObjects("/a/b", [new Root()]);
	objects.add("/a/b/c/thing", [thing]);
});

function toCall(
	path: string,
	name: string,
	member: string,
	signature = "",
	body: readonly unknown[] = [],
): IncomingMessage {
	const named = name === "" ? {} : { interface: name };
	const bytes = encodeMessage({ type: messageType.call, serial: 1, path, member, signature, body, ...named });
	const [message] = new MessageReader().read(bytes);
	if (message === undefined) throw new Error("no message");
	return message;
}

const call = (...words: Parameters<typeof toCall>) => objects.call(toCall(...words), caller);
const errorOf = (...words: Parameters<typeof toCall>): string => {
	try {
		void call(...words);
	} catch (cause) {
		if (cause instanceof BusError) return cause.errorName.replace("org.freedesktop.DBus.Error.", "");
	}
	return "";
};
const at = "/a/b/c/thing";

it("calls the method that is meant, with or without its interface", () => {
	for (const name of ["a.b.Thing", ""]) {
		expect(call(at, name, "Echo", "as", [["x"]])).toEqual({ signature: "as", body: [["x"]] });
	}
});

describe("refuses by the names of the specification", () => {
	it.each([
		["an object that there is not", ["/a/b/c/other", "", "Ping"], "UnknownObject"],
		["an object below one", [`${at}/x`, "", "Ping"], "UnknownObject"],
		["an interface that it has not", [at, "a.b.Other", "Echo"], "UnknownInterface"],
		["the root's own on another", [at, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"], "UnknownInterface"],
		["a method that it has not", [at, "a.b.Thing", "Sing"], "UnknownMethod"],
		["what every JavaScript object has", [at, "a.b.Thing", "constructor"], "UnknownMethod"],
		["the same without an interface", [at, "", "toString"], "UnknownMethod"],
		["other types", [at, "a.b.Thing", "Echo", "s", ["x"]], "InvalidArgs"],
		["no arguments where some are due", [at, "a.b.Thing", "Echo"], "InvalidArgs"],
		["a property that it has not", [at, properties, "Get", "ss", ["a.b.Thing", "__proto__"]], "UnknownProperty"],
		["properties of an interface that it has not", [at, properties, "GetAll", "s", ["a.b.Other"]], "UnknownInterface"],
		[
			"what lies between, asked for properties of its own",
			["/a/b/c", properties, "GetAll", "s", ["a.b.Thing"]],
			"UnknownInterface",
		],
	] as [string, Parameters<typeof toCall>, string][])("%s", (_, words, error) => {
		expect(errorOf(...words)).toBe(error);
	});
});

describe("properties", () => {
	const plain = (value: unknown) =>
		Object.fromEntries(Object.entries(value as object).map(([name, one]) => [name, UserBus.unwrap(one)]));

	it.each(["a.b.Thing", ""])("are read by the interface %j", (name) => {
		const { body } = call(at, properties, "GetAll", "s", [name]) as { body: readonly unknown[] };
		expect(plain(body[0])).toEqual({ Name: "thing", Size: 7n });
		const one = call(at, properties, "Get", "ss", [name, "Size"]) as { body: readonly unknown[] };
		expect(UserBus.unwrap(one.body[0])).toBe(7n);
	});

	it("are not read where that is forbidden, by any of the ways", () => {
		thing.isHidden = true;
		for (const name of ["a.b.Thing", ""]) {
			expect(() => call(at, properties, "GetAll", "s", [name])).toThrow("hidden");
			expect(() => call(at, properties, "Get", "ss", [name, "Name"])).toThrow("hidden");
		}
	});
});

const introspect = (path: string): string =>
	(call(path, "org.freedesktop.DBus.Introspectable", "Introspect") as { body: readonly string[] }).body[0] ?? "";
const nodes = (path: string): string[] =>
	[...introspect(path).matchAll(/<node name="(.*)"/g)].map(([, name]) => name ?? "");

it("names none of its objects to who must not list them, and introspects all the same", () => {
	mayList = false;
	expect(["/", "/a", "/a/b", "/a/b/c", at].map(nodes)).toEqual([["a"], ["b"], ["c"], [], []]);
	expect(introspect("/a/b/c")).toContain("</node>");
	expect(() => call("/a/b", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")).toThrow("not to be listed");
});

it("shows the way to its objects, from the top on, and no longer once they are gone", () => {
	expect(["/", "/a", "/a/b", "/a/b/c", at].map(nodes)).toEqual([["a"], ["b"], ["c"], ["thing"], []]);
	objects.remove(at);
	expect(nodes("/a/b")).toEqual([]);
	expect(errorOf("/a/b/c", "", "Introspect")).toBe("UnknownObject");
});
