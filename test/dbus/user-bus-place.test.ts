import { describe, expect, it } from "vitest";
import { findUserBus, openFirst, toBusProblem } from "../../src/dbus/user-bus-place.ts";

const runtime = { XDG_RUNTIME_DIR: "/run/user/7" };
const cures = { install: "sudo install-it", hasManager: true };

describe("the user's bus", () => {
	it("is where DBUS_SESSION_BUS_ADDRESS says, else in the runtime directory, whose path is no address and has no escapes", () => {
		expect(findUserBus({ ...runtime, DBUS_SESSION_BUS_ADDRESS: "unix:path=/a" })).toEqual({
			...{ name: "unix:path=/a", isNamed: true, addresses: [{ text: "unix:path=/a", path: "/a" }] },
		});
		const path = "/run/a%20;b/bus";
		const usual = { name: path, isNamed: false, addresses: [{ text: path, path }] };
		expect(findUserBus({ XDG_RUNTIME_DIR: "/run/a%20;b" })).toEqual(usual);
		expect(findUserBus({ XDG_RUNTIME_DIR: "/run/a%20;b", DBUS_SESSION_BUS_ADDRESS: "" })).toEqual(usual);
	});

	it("is the usual one where the variable says no other, so that nobody is told to unset it", () => {
		const address = "unix:path=/run/user/7/bus";
		expect(findUserBus({ ...runtime, DBUS_SESSION_BUS_ADDRESS: address })?.isNamed).toBe(false);
		expect(findUserBus({ ...runtime, DBUS_SESSION_BUS_ADDRESS: `${address};unix:path=/a` })?.isNamed).toBe(true);
	});

	it("is nowhere without either, or with a runtime directory that is not absolute", () => {
		expect(findUserBus({})).toBeUndefined();
		expect(findUserBus({ XDG_RUNTIME_DIR: "run" })).toBeUndefined();
	});
});

describe("addresses", () => {
	const place = findUserBus({ DBUS_SESSION_BUS_ADDRESS: "tcp:port=1;unix:path=/a;unix:path=/b;unix:path=/c" });
	const gone = Object.assign(new Error("connect ENOENT /a"), { code: "ENOENT" });

	it("are tried in their order, until one works", async () => {
		const tried: string[] = [];
		const opened = openFirst(place, async ({ path }) => {
			tried.push(path);
			if (path === "/a") throw gone;
			return path;
		});
		expect(await opened).toBe("/b");
		expect(tried).toEqual(["/a", "/b"]);
	});

	it("of which none works give the reason of each; a single one gives its own", async () => {
		const open = () => Promise.reject(gone);
		await expect(openFirst(place, open)).rejects.toThrow(
			"tcp:port=1: only unix: is supported, not tcp:; unix:path=/a: ENOENT; unix:path=/b: ENOENT; unix:path=/c: ENOENT",
		);
		await expect(openFirst(findUserBus(runtime), open)).rejects.toThrow(/^ENOENT$/);
	});
});

describe("a bus that is not to be had is told, with what helps", () => {
	it.each([
		[
			{ DBUS_SESSION_BUS_ADDRESS: "nonsense" },
			"an address begins with its transport, such as unix:",
			"DBUS_SESSION_BUS_ADDRESS leads to no bus (an address begins with its transport, such as unix:): nonsense",
			"unset DBUS_SESSION_BUS_ADDRESS && systemctl --user start dbus.socket",
		],
		[
			runtime,
			"ENOENT",
			"the user's D-Bus does not answer (ENOENT): /run/user/7/bus",
			"sudo install-it && systemctl --user start dbus.socket",
		],
		[
			runtime,
			"it hangs up",
			"the user's D-Bus does not answer (it hangs up): /run/user/7/bus",
			"systemctl --user status dbus.service",
		],
		[
			{},
			"",
			"neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR says where the user's D-Bus is",
			'export XDG_RUNTIME_DIR="/run/user/$(id -u)"',
		],
	])("in %j", (env, why, sentence, remedy) => {
		expect(toBusProblem(findUserBus(env), new Error(why), cures)).toEqual({ sentence, remedy });
	});

	it("without a user manager, which nobody is sent to then", () => {
		const place = findUserBus({ DBUS_SESSION_BUS_ADDRESS: "nonsense" });
		expect(toBusProblem(place, new Error("x"), { ...cures, hasManager: false }).remedy).toBe(
			"unset DBUS_SESSION_BUS_ADDRESS",
		);
	});
});
