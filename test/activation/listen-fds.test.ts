import { describe, expect, it } from "vitest";
import { parseListenFds, takeListenFds } from "../../src/activation/listen-fds.ts";

const passed = { LISTEN_PID: "42", LISTEN_FDS: "1", LISTEN_FDNAMES: "broker" };
const parse = (env: Parameters<typeof parseListenFds>[0]): number | null => parseListenFds(env, "broker", 42);

describe("parseListenFds", () => {
	it("takes the one socket that has our name", () => {
		expect(parse(passed)).toBe(3);
	});

	it.each([
		["nothing was passed", {}],
		["only names are there", { LISTEN_FDNAMES: "broker" }],
		["the count is missing", { LISTEN_PID: "42", LISTEN_FDNAMES: "broker" }],
		["the process is missing", { LISTEN_FDS: "1", LISTEN_FDNAMES: "broker" }],
		["no socket was passed", { ...passed, LISTEN_FDS: "0", LISTEN_FDNAMES: "" }],
		["they are another process's", { ...passed, LISTEN_PID: "41" }],
		["another process's are more than we could take", { LISTEN_PID: "41", LISTEN_FDS: "7" }],
	])("says that there is none where %s", (_, env) => {
		expect(parse(env)).toBeNull();
	});

	it.each([
		["two where one is served", "2", "broker:broker", '2 sockets named "broker" were passed, where one is served'],
		["one of another name", "1", "control", 'a socket was passed that nobody here serves: "control"'],
		["one that is left over", "2", "broker:control", 'a socket was passed that nobody here serves: "control"'],
		["one without a name", "2", "broker:", 'a socket was passed that nobody here serves: ""'],
		["one more than names", "2", "broker", "2 sockets were passed with 1 names (LISTEN_FDNAMES)"],
		["one name more", "1", "broker:control", "1 sockets were passed with 2 names (LISTEN_FDNAMES)"],
		["no names at all", "1", undefined, "1 sockets were passed with 0 names (LISTEN_FDNAMES)"],
	])("refuses %s", (_, count, names, why) => {
		expect(() => parse({ LISTEN_PID: "42", LISTEN_FDS: count, LISTEN_FDNAMES: names })).toThrow(
			`the service manager's sockets are not ours: ${why}`,
		);
	});

	it.each(["", "x", "-1", "1.0", "0x2a", " 42", "99999999999"])("refuses %j as a process or a count", (value) => {
		expect(() => parse({ ...passed, LISTEN_PID: value })).toThrow(`LISTEN_PID is ${JSON.stringify(value)}`);
		expect(() => parse({ ...passed, LISTEN_FDS: value })).toThrow(`LISTEN_FDS is ${JSON.stringify(value)}`);
	});
});

describe("takeListenFds", () => {
	it.each([
		["takes", "broker", 3],
		["refuses", "control", undefined],
	])("leaves nothing in the environment of what it %s", (_, name, fd) => {
		Object.assign(process.env, passed, { LISTEN_PID: String(process.pid), LISTEN_FDNAMES: name });
		let taken: number | null | undefined;
		try {
			taken = takeListenFds("broker");
		} catch {}
		expect(taken).toBe(fd);
		expect(Object.keys(process.env).filter((variable) => variable.startsWith("LISTEN_"))).toEqual([]);
	});
});
