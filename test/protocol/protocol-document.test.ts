/** docs/protocol.md is what another agent is written from: its numbers, words and example are the code's. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as broker from "../../src/protocol/broker.ts";
import * as replies from "../../src/protocol/broker-replies.ts";
import * as control from "../../src/protocol/control.ts";
import * as display from "../../src/protocol/display.ts";
import { encodeExec, sha256Hex } from "../../src/protocol/exec.ts";
import { encodeFrame, FrameDecoder, type FrameLimits } from "../../src/protocol/frame.ts";
import * as limits from "../../src/protocol/limits.ts";
import { guestCommandPort, hostControlPort } from "../../src/protocol/ports.ts";
import * as session from "../../src/protocol/session.ts";
import { signalNames } from "../../src/protocol/signals.ts";
import { stdinWindowBytes, streamWindowBytes } from "../../src/protocol/stream-window.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import { framesOf } from "./frames-of.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const text = read("docs/protocol.md");

/** The rows of all tables below a heading, as cells, without the head. */
function rowsOf(heading: string): string[][] {
	const [, rest = ""] = text.split(`\n## ${heading}\n`);
	const [section = ""] = rest.split("\n## ");
	const lines = section.split("\n").filter((line) => line.startsWith("|"));
	const isHead = (index: number): boolean => /^\|[-|]+\|$/.test(lines[index] ?? "");
	return lines
		.filter((_line, index) => !isHead(index) && !isHead(index + 1))
		.map((line) => line.slice(1, -1).split("|"))
		.map((cells) => cells.map((cell) => cell.trim()));
}

const toNumber = (cell = ""): number => Number(cell.replaceAll(",", ""));

/** A constant that a program keeps to itself. */
function constantIn(path: string, name: string): number {
	const value = new RegExp(`\\b${name}(?: =|:) ([0-9_]+)[;,\\s]`).exec(read(path))?.[1];
	return value === undefined ? Number.NaN : Number(value.replaceAll("_", ""));
}

interface Direction {
	readonly name: string;
	readonly limits: FrameLimits;
}

describe.each<[string, Record<string, number>, Direction, Direction]>([
	[
		"Control connection",
		control.controlFrame,
		{ name: "agent → broker", limits: control.fromAgentLimits },
		{ name: "broker → agent", limits: control.toAgentLimits },
	],
	[
		"Session",
		session.sessionFrame,
		{ name: "client → agent", limits: session.fromClientLimits },
		{ name: "agent → client", limits: session.toClientLimits },
	],
	[
		"broker.sock",
		broker.brokerFrame,
		{ name: "client → broker", limits: broker.toBrokerLimits },
		{ name: "broker → client", limits: broker.fromBrokerLimits },
	],
	[
		"display.sock",
		display.displayFrame,
		{ name: "client → display", limits: display.toDisplayLimits },
		{ name: "display → client", limits: display.fromDisplayLimits },
	],
])("the frames of %s", (heading, frames, there, back) => {
	test("are in the document with their numbers, directions and limits, and no others", () => {
		const directionOf = (type: number): string => {
			if (there.limits.has(type) && back.limits.has(type)) return "both";
			return there.limits.has(type) ? there.name : back.name;
		};
		const expected = Object.entries(frames).map(([name, type]) => ({
			type,
			name,
			direction: directionOf(type),
			limit: there.limits.get(type) ?? back.limits.get(type),
		}));
		const documented = rowsOf(heading)
			.filter(([type]) => type?.startsWith("0x"))
			.map(([type, name, direction, limit]) => ({ type: Number(type), name, direction, limit: toNumber(limit) }));
		expect(documented).toEqual(expected.sort((a, b) => a.type - b.type));
	});

	test("that go both ways have one limit", () => {
		for (const type of there.limits.keys()) {
			if (back.limits.has(type)) expect(back.limits.get(type)).toBe(there.limits.get(type));
		}
	});
});

test("every limit in the document is the code's, and every one of the code's is in the document", () => {
	const goneMs = [...read("src/guest/agent/cgroup.ts").matchAll(/waitMs: ([0-9_]+)/g)].map(([, ms = ""]) => ms);
	expect(new Set(goneMs)).toEqual(new Set(["1_500"]));
	const words: Record<string, number> = {
		"message on the control connection or broker.sock, bytes, where its table does not say otherwise":
			limits.messageMaxBytes,
		"data in one stdin, stdout or stderr frame, bytes": limits.dataMaxBytes,
		"exec bytes": limits.execMaxBytes,
		"ticket, bytes": limits.ticketBytes,
		"hash (SHA-256), bytes": limits.hashBytes,
		"boot nonce, bytes": control.nonceBytes,
		"life of a ticket, ms": limits.ticketLifeMs,
		"tickets outstanding at one agent": limits.ticketsMax,
		"sessions, and as many cgroups, in one hello or heartbeat": limits.sessionsMax,
		"ends of sessions in one heartbeat": limits.endedToldMax,
		"detached sessions alive": limits.detachedMax,
		"ended detached sessions that are remembered": limits.endedKeptMax,
		"output kept of each stream of a detached session, bytes": limits.outputKeptBytes,
		"window of stdout, and of stderr, bytes": streamWindowBytes,
		"window of stdin, bytes": stdinWindowBytes,
		"connections with a session at one agent": constantIn("src/guest/agent/sessions.ts", "clientsMax"),
		"clients connected to the broker": constantIn("src/broker/server.ts", "clientsMax"),
		"time between heartbeats, ms": limits.heartbeatIntervalMs,
		"one copied text or picture, bytes": limits.clipboardMaxBytes,
		"characters of a notice's message, and of its remedy": limits.noticeMaxChars,
		"windows of one vm at a time": limits.windowsMax,
		"characters of a window's title": limits.titleMaxChars,
		"heartbeats missed until a vm is unresponsive": limits.heartbeatsMissedMax,
		"sessions in one reply of the broker": replies.sessionsListedMax,
		"characters of a command with its arguments in it": limits.commandLineMaxChars,
		"a connection to port 5001 must have said hello within, ms": constantIn("src/guest/guest-door.ts", "helloWithinMs"),
		"the broker waits for `expected` at most, ms": constantIn("src/guest/guest-link.ts", "expectWithinMs"),
		"the broker waits for `sessions` at most, ms": constantIn("src/guest/session-listing.ts", "answerWithinMs"),
		"the agent dials again after a loss, after ms": constantIn("src/guest/agent/broker-connection.ts", "redialMs"),
		"a connection to port 5000 must have shown a ticket within, ms": constantIn(
			"src/guest/agent/connection.ts",
			"execWithinMs",
		),
		"the agent closes a connection that was told failed after, ms": constantIn(
			"src/guest/agent/connection.ts",
			"leaveWithinMs",
		),
		"a connection to broker.sock must have made its request within, ms": constantIn(
			"src/broker/client-connection.ts",
			"requestWithinMs",
		),
		"outputs quiet after the command's end, ms": constantIn("src/guest/agent/output.ts", "quietMs"),
		"from HUP to TERM, and from TERM to KILL, ms": 1_500,
	};
	expect(Object.fromEntries(rowsOf("Limits").map(([name, value]) => [name, toNumber(value)]))).toEqual(words);
	const documented = new Set(Object.values(words));
	for (const [name, value] of Object.entries(limits)) expect(documented, name).toContain(value);
});

describe("the words of the document", () => {
	test("are this version, and these ports", () => {
		expect(text).toContain(`This is version ${ourVersions.version}, and the oldest is ${ourVersions.oldest}.`);
		expect(text).toContain(`say to each other, version ${ourVersions.version},`);
		expect(text).toContain(`CONNECT ${guestCommandPort}\\n`);
		expect(text).toContain(`CID 2, port ${hostControlPort}`);
	});

	test("are the codes that a refusal may have", () => {
		const [, list = ""] = /const errorCodes = \[([^\]]*)\]/.exec(read("src/errors.ts")) ?? [];
		const codes = [...list.matchAll(/"(\w+)"/g)].map(([, code]) => code ?? "");
		expect(text.replaceAll(/\s+/g, " ")).toContain(`\`code\`: ${codes.slice(0, -1).join(", ")} or ${codes.at(-1)}.`);
	});

	test("are the signals, failures and methods that there are", () => {
		expect(text.replaceAll(/\s+/g, " ")).toContain(`One of ${signalNames.join(", ")}.`);
		const words = (heading: string): string[] =>
			rowsOf(heading).flatMap(([word]) => (word?.startsWith("0x") ? [] : [word ?? ""]));
		expect(words("Session")).toEqual(session.failures);
		const methods = words("broker.sock");
		for (const method of [...methods, "nonsense"]) {
			const request = Buffer.from(JSON.stringify({ ...ourVersions, method }));
			let said = "";
			try {
				broker.parseRequest(request);
			} catch (error) {
				said = String(error);
			}
			if (method === "nonsense") expect(said).toContain(`one of ${methods.join(", ")}`);
			else expect(said).not.toContain("one of");
		}
	});

	test("are at most 360 lines", () => {
		expect(text.split("\n").length - 1).toBeLessThanOrEqual(360);
	});
});

describe("the example in the document", () => {
	const ticket = Buffer.from(Array.from({ length: limits.ticketBytes }, (_, index) => index));
	const exec = encodeExec({ argv: ["true"], env: {}, cwd: null, user: null, tty: null, detach: false });
	const empty = (type: number): Buffer => encodeFrame(type);

	/** What each line of the example is, made anew. */
	const made: [string, FrameLimits, Buffer][] = [
		[
			"broker → agent expect",
			control.toAgentLimits,
			control.encodeExpect({
				session: 1,
				ticketHash: sha256Hex(ticket),
				execHash: sha256Hex(exec),
				lifeMs: limits.ticketLifeMs,
			}),
		],
		["agent → broker expected", control.fromAgentLimits, control.encodeExpected({ session: 1, accepted: true })],
		["agent → client hello", session.toClientLimits, session.encodeSessionHello()],
		["client → agent hello", session.fromClientLimits, session.encodeSessionHello()],
		["client → agent exec", session.fromClientLimits, session.encodeTicketedExec(ticket, exec)],
		["agent → client started", session.toClientLimits, session.encodeStarted(412)],
		["client → agent stdinEof", session.fromClientLimits, empty(session.sessionFrame.stdinEof)],
		["agent → client stdoutEof", session.toClientLimits, empty(session.sessionFrame.stdoutEof)],
		["agent → client stderrEof", session.toClientLimits, empty(session.sessionFrame.stderrEof)],
		["agent → client exit", session.toClientLimits, session.encodeExit({ end: { code: 0 }, guestMicros: 5_120 })],
		["broker → agent clientGone", control.toAgentLimits, control.encodeClientGone(1)],
	];

	function readExample(): [string, Buffer][] {
		const block = /```hex\n(.*?)```/s.exec(text)?.[1] ?? "";
		return block
			.split(/\n(?=\S)/)
			.filter((entry) => entry.trim() !== "")
			.map((entry) => {
				const [title = "", ...hex] = entry.split("\n");
				return [title, Buffer.from(hex.join("").replaceAll(/\s/g, ""), "hex")];
			});
	}

	test("is what the code sends, byte for byte", () => {
		expect(readExample().map(([title, bytes]) => [title, bytes.toString("hex")])).toEqual(
			made.map(([title, , bytes]) => [title, bytes.toString("hex")]),
		);
	});

	test("is whole frames of the types that it names, within their limits", () => {
		const types: Record<string, number> = { ...control.controlFrame, ...session.sessionFrame };
		for (const [index, [title, bytes]] of readExample().entries()) {
			const decoder = new FrameDecoder(made[index]?.[1] ?? new Map());
			const [frame, ...more] = framesOf(decoder, bytes);
			expect([more.length, decoder.atBoundary]).toEqual([0, true]);
			const name = title.slice(title.lastIndexOf(" ") + 1);
			expect(frame?.type, title).toBe(name === "hello" ? session.sessionFrame.hello : types[name]);
		}
	});
});
