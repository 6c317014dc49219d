/** QMP, spoken to a QEMU that the test plays on a Unix socket. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import type { VmmControl } from "../../src/vmm-control/vmm-control.ts";

const greeting =
	'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}\r\n';
const event = '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}\r\n';

let directory: string;
let path: string;
let server: Server;
let control: VmmControl;
let asked: string[];
/** What is said to a client that has just connected. */
let greet: (socket: Socket) => void;
/** The answer to a command, which carries its id. */
let answer: (command: string, id: string, socket: Socket) => string;

/** Sockets of this process, which the fake's own ends are among. */
const openSockets = (): number =>
	readdirSync("/proc/self/fd").filter((fd) => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
		} catch {
			return false;
		}
	}).length;

const returned = (id: string, value: string): string => `{"return": ${value}, "id": "${id}"}\r\n`;

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-qmp-"));
	path = join(directory, "qmp.sock");
	asked = [];
	greet = (socket) => socket.write(greeting);
	answer = (command, id) => returned(id, command === "query-status" ? '{"running": true, "status": "running"}' : "{}");
	server = createServer((socket) => {
		socket.on("error", () => {});
		let rest = "";
		socket.setEncoding("utf8").on("data", (text: string) => {
			const lines = (rest + text).split("\n");
			rest = lines.pop() ?? "";
			for (const line of lines) {
				const { execute, id } = JSON.parse(line);
				asked.push(execute);
				socket.write(answer(execute, id, socket));
			}
		});
		greet(socket);
	}).listen(path);
	await once(server, "listening");
	control = toVmmControl({ kind: "qmp", path });
});

afterEach(() => {
	vi.useRealTimers();
	server.close();
	rmSync(directory, { recursive: true });
});

describe("a QEMU that answers", () => {
	it("is told each command on a connection of its own, behind what QMP asks for first", async () => {
		await control.pressPowerButton();
		await control.pause();
		await control.resume();
		expect(await control.isPaused()).toBe(false);
		const commands = ["system_powerdown", "stop", "cont", "query-status"];
		expect(asked).toEqual(commands.flatMap((command) => ["qmp_capabilities", command]));
	});

	it("is paused when it says so, and not when it stands still for another reason", async () => {
		answer = (_, id) => returned(id, '{"running": false, "status": "paused"}');
		expect(await control.isPaused()).toBe(true);
		answer = (_, id) => returned(id, '{"running": false, "status": "io-error"}');
		expect(await control.isPaused()).toBe(false);
	});

	it("is understood byte by byte, with events in between", async () => {
		const trickle = (socket: Socket, text: string): void => {
			for (const byte of text) socket.write(byte);
		};
		greet = (socket) => trickle(socket, greeting + event);
		answer = (_, id, socket) => {
			trickle(socket, event + returned(id, '{"running": false, "status": "paused"}') + event);
			return "";
		};
		expect(await control.isPaused()).toBe(true);
	});

	it("may give us what one that went away would have been told, which is passed over", async () => {
		const others = `{"return": {}, "id": "stop"}\r\n${event}{"return": {}}\r\n{"error": {"desc": "not for us"}}\r\n`;
		greet = (socket) => socket.write(others + greeting + others);
		const ordinary = answer;
		answer = (command, id, socket) => others + ordinary(command, id, socket) + others;
		await control.pause();
		expect(await control.isPaused()).toBe(false);
	});

	it("may have heard one that went away agree on capabilities, after it had greeted us", async () => {
		const ordinary = answer;
		answer = (command, id, socket) =>
			command === "qmp_capabilities"
				? `{"id": "${id}", "error": {"class": "CommandNotFound", "desc": "Capabilities negotiation is already complete, command ignored"}}\r\n`
				: ordinary(command, id, socket);
		expect(await control.isPaused()).toBe(false);
	});

	it("hears one command at a time, and leaves no socket open", async () => {
		let most = 0;
		let clients = 0;
		server.on("connection", (socket) => {
			most = Math.max(most, ++clients);
			socket.once("end", () => clients--);
		});
		const before = openSockets();
		await Promise.all(Array.from({ length: 20 }, () => control.pause()));
		expect(most).toBe(1);
		await vi.waitFor(() => expect(openSockets()).toBeLessThanOrEqual(before));
	});
});

const strange = (): object => ({ code: "Internal", message: `what answers at ${path} does not speak QMP` });

describe("what is no QEMU, or a hostile one", () => {
	it.each([
		["greets with another object", '{"hello": 1}\n'],
		["greets with no JSON", "220 mail ready\r\n"],
		["greets with no object", "null\n"],
		["greets with a line that never ends", `{"QMP": "${"x".repeat(70_000)}`],
		["greets with events for ever", greeting + event.repeat(1_000)],
	])("%s: is refused", async (_what, words) => {
		answer = () => "";
		greet = (socket) => socket.write(words);
		await expect(control.pause()).rejects.toMatchObject(strange());
	});

	it("an answer that is none is refused", async () => {
		answer = (command, id) => (command === "stop" ? `{"id": "${id}"}\n` : returned(id, "{}"));
		await expect(control.pause()).rejects.toMatchObject(strange());
	});

	it("a status that says nothing is refused", async () => {
		for (const value of ["{}", "null", "7"]) {
			answer = (_, id) => returned(id, value);
			await expect(control.isPaused()).rejects.toMatchObject(strange());
		}
	});

	it("an error is told in its own words, as plain ones, and the next command is served", async () => {
		const ordinary = answer;
		answer = (command, id) =>
			command === "cont"
				? `{"id": "${id}", "error": {"class": "GenericError", "desc": "Resetting the \\u001b[31mVirtual Machine\\n is required${"!".repeat(1_000)}"}}\r\n`
				: ordinary(command, id, undefined as never);
		const error = await control.resume().catch((cause) => cause);
		expect(error).toMatchObject({ code: "Internal" });
		expect(error.message).toMatch(/^the vmm refused cont: Resetting the \?\[31mVirtual Machine\? is required!+$/);
		expect(error.message.length).toBeLessThan(250);
		await control.pause();
		answer = (_, id) => `{"id": "${id}", "error": 7}\n`;
		await expect(control.pause()).rejects.toMatchObject({
			message: "the vmm refused qmp_capabilities: no reason given",
		});
	});

	it("one that leaves before its answer has gone away", async () => {
		greet = (socket) => socket.end(greeting);
		await expect(control.pause()).rejects.toMatchObject({ code: "NotRunning" });
		greet = (socket) => socket.destroy();
		await expect(control.pause()).rejects.toMatchObject({ code: "NotRunning" });
	});
});

describe("a QEMU that is not to be heard", () => {
	it("does not answer: bounded, for all who wait for it", async () => {
		greet = () => {};
		const before = openSockets();
		const outcomes = await Promise.allSettled([control.pause(), control.isPaused(), control.resume()]);
		expect(outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason : null))).toMatchObject(
			["stop", "query-status", "cont"].map((command) => ({
				code: "Unresponsive",
				message: `the vmm did not answer ${command} within 2 s`,
			})),
		);
		await vi.waitFor(() => expect(openSockets()).toBeLessThanOrEqual(before));
	});

	it("is not there", async () => {
		const missing = toVmmControl({ kind: "qmp", path: join(directory, "none") });
		await expect(missing.pause()).rejects.toMatchObject({
			code: "NotRunning",
			message: `no vmm serves ${join(directory, "none")}`,
		});
		const long = toVmmControl({ kind: "qmp", path: join(directory, "x".repeat(200)) });
		await expect(long.pause()).rejects.toMatchObject({ name: "QubesLiteError" });
	});
});
