import { describe, expect, it } from "vitest";
import { parseBusAddresses } from "../../src/dbus/bus-address.ts";

describe("an address", () => {
	it.each([
		["unix:path=/run/user/1000/bus", "/run/user/1000/bus"],
		["unix:path=/tmp/a,guid=0123", "/tmp/a"],
		["unix:guid=0123,path=/tmp/a", "/tmp/a"],
		["unix:abstract=/tmp/dbus-7Xr,guid=1", "\0/tmp/dbus-7Xr"],
		["unix:path=/tmp/a%20b%2cc%3Bd%3a%25", "/tmp/a b,c;d:%"],
		["unix:path=/tmp/%c3%a4", "/tmp/ä"],
		["unix:path=/tmp/a:b=c", "/tmp/a:b=c"],
	])("%s is a socket", (text, path) => {
		expect(parseBusAddresses(text)).toEqual([{ text, path }]);
	});

	it.each([
		["nonsense", "an address begins with its transport, such as unix:"],
		[":path=/a", "an address begins with its transport, such as unix:"],
		["", "it holds no address"],
		[";", "it holds no address"],
		["tcp:host=localhost,port=1", "only unix: is supported, not tcp:"],
		["autolaunch:", "only unix: is supported, not autolaunch:"],
		["unix:", 'expected KEY=VALUE, found ""'],
		["unix:path", 'expected KEY=VALUE, found "path"'],
		["unix:path=/a,path=/b", "path= is there twice"],
		["unix:tmpdir=/tmp", "expected either path= or abstract="],
		["unix:path=/a,abstract=b", "expected either path= or abstract="],
		["unix:path=a", "path= is not absolute: a"],
		["unix:path=", "a socket's name has at least one byte, and no NUL"],
		["unix:path=/a%00b", "a socket's name has at least one byte, and no NUL"],
		["unix:path=/a%2", "not a name in UTF-8 with % and two hex digits for other bytes: /a%2"],
		["unix:path=/a%zz", "not a name in UTF-8 with % and two hex digits for other bytes: /a%zz"],
		["unix:path=/a%ff", "not a name in UTF-8 with % and two hex digits for other bytes: /a%ff"],
	])("%j is none that we can take, and the reason is said", (text, problem) => {
		expect(parseBusAddresses(text)).toEqual([{ text, problem }]);
	});

	it("is one of several, which keep their order", () => {
		expect(parseBusAddresses("tcp:port=1;unix:path=/a;;unix:path=/b;")).toEqual([
			{ text: "tcp:port=1", problem: "only unix: is supported, not tcp:" },
			{ text: "unix:path=/a", path: "/a" },
			{ text: "unix:path=/b", path: "/b" },
		]);
	});
});
