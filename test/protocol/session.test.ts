import { describe, expect, test } from "vitest";
import { encodeAttach, encodeExec } from "../../src/protocol/exec.ts";
import { FrameDecoder, frameHeaderBytes } from "../../src/protocol/frame.ts";
import { execMaxBytes, ticketBytes } from "../../src/protocol/limits.ts";
import {
	encodeExit,
	encodeFailed,
	encodeTicketedAttach,
	encodeTicketedExec,
	failures,
	fromClientLimits,
	parseAttached,
	parseCredit,
	parseExit,
	parseFailed,
	parseResize,
	parseSessionHello,
	parseSignal,
	parseStarted,
	sessionFrame,
	splitTicketed,
	streamedFromClient,
	toClientLimits,
} from "../../src/protocol/session.ts";
import { framesOf } from "./frames-of.ts";

const payload = (value: object): Buffer => Buffer.from(JSON.stringify(value));
const ticket = Buffer.alloc(ticketBytes, 7);

test("the frames of a session are those of its two directions, and only hello and credit go both ways", () => {
	const types = [...fromClientLimits.keys(), ...toClientLimits.keys()];
	expect(new Set(types)).toEqual(new Set<number>(Object.values(sessionFrame)));
	expect(types.filter((type, index) => types.indexOf(type) !== index)).toEqual([
		sessionFrame.hello,
		sessionFrame.credit,
	]);
});

test("the ends of streams carry nothing", () => {
	expect(fromClientLimits.get(sessionFrame.stdinEof)).toBe(0);
	expect(toClientLimits.get(sessionFrame.stdoutEof)).toBe(0);
	expect(toClientLimits.get(sessionFrame.stderrEof)).toBe(0);
});

describe("a command with its ticket", () => {
	test("comes apart as it was put together", () => {
		const exec = encodeExec({ argv: ["true"], env: {}, cwd: null, user: null, tty: null, detach: false });
		const [frame] = framesOf(new FrameDecoder(fromClientLimits), encodeTicketedExec(ticket, exec));
		expect(frame?.type).toBe(sessionFrame.exec);
		expect(splitTicketed(frame?.payload ?? Buffer.alloc(0))).toEqual({ ticket, bytes: exec });
	});

	test("fits its frame when the command is as large as it may be", () => {
		const frame = encodeTicketedExec(ticket, Buffer.alloc(execMaxBytes));
		expect(framesOf(new FrameDecoder(fromClientLimits), frame)).toHaveLength(1);
		const larger = encodeTicketedExec(ticket, Buffer.alloc(execMaxBytes + 1));
		expect(() => framesOf(new FrameDecoder(fromClientLimits), larger)).toThrow(/the limit is/);
	});

	test("that is shorter than a ticket has a short ticket, and no command", () => {
		expect(splitTicketed(Buffer.from("short"))).toEqual({ ticket: Buffer.from("short"), bytes: Buffer.alloc(0) });
		expect(splitTicketed(Buffer.alloc(0))).toEqual({ ticket: Buffer.alloc(0), bytes: Buffer.alloc(0) });
	});

	test("is no attachment with its ticket, which also comes apart as it was put together", () => {
		const attach = encodeAttach({ session: Number.MAX_SAFE_INTEGER, tty: { rows: 65_535, columns: 65_535 } });
		const [frame] = framesOf(new FrameDecoder(fromClientLimits), encodeTicketedAttach(ticket, attach));
		expect(frame?.type).toBe(sessionFrame.attach);
		expect(splitTicketed(frame?.payload ?? Buffer.alloc(0))).toEqual({ ticket, bytes: attach });
	});
});

describe("an exit", () => {
	test("has any code of a byte, exactly", () => {
		for (let code = 0; code <= 255; code++) {
			const sent = { end: { code }, guestMicros: 12 };
			expect(parseExit(encodeExit(sent).subarray(frameHeaderBytes))).toEqual(sent);
		}
	});

	test("has any signal, by name and number", () => {
		for (let signalNumber = 1; signalNumber <= 64; signalNumber++) {
			const sent = { end: { signal: "SIGTERM", signalNumber }, guestMicros: 0 };
			expect(parseExit(encodeExit(sent).subarray(frameHeaderBytes))).toEqual(sent);
		}
	});

	test.each([
		["a code of 256", { code: 256, guestMicros: 0 }],
		["a code of -1", { code: -1, guestMicros: 0 }],
		["a code of null beside a signal", { code: null, signal: "SIGKILL", signalNumber: 9, guestMicros: 0 }],
		["neither code nor signal", { guestMicros: 0 }],
		["a signal without its number", { signal: "SIGKILL", guestMicros: 0 }],
		["signal 0", { signal: "SIGKILL", signalNumber: 0, guestMicros: 0 }],
		["signal 65", { signal: "SIGKILL", signalNumber: 65, guestMicros: 0 }],
		["a novel for a signal", { signal: "S".repeat(17), signalNumber: 9, guestMicros: 0 }],
		["a negative time", { code: 0, guestMicros: -1 }],
	])("with %s is refused: never taken for success", (_what, value) => {
		expect(() => parseExit(payload(value))).toThrow(expect.objectContaining({ code: "BadRequest" }));
	});
});

describe("a failure", () => {
	test.each([
		["a path of 128 KiB", `/${"d".repeat(131_070)}: no such file`],
		["characters that JSON writes in six bytes", "\0".repeat(10_000)],
		["characters of four bytes", "🦊".repeat(10_000)],
		["a surrogate pair that the cut would halve", `${"x".repeat(1_023)}🦊`],
	])("that quotes %s still arrives, cut", (_what, message) => {
		const [frame] = framesOf(new FrameDecoder(toClientLimits), encodeFailed("notFound", message));
		const failed = parseFailed(frame?.payload ?? Buffer.alloc(0));
		expect(failed.failure).toBe("notFound");
		expect(message.startsWith(failed.message)).toBe(true);
		expect(failed.message.length).toBeGreaterThan(1_000);
	});

	test("is one of those we know", () => {
		expect(() => parseFailed(payload({ failure: "tired", message: "" }))).toThrow(
			"the failed message needs failure: one of notFound, notExecutable, refused, expired, limit, internal, noSession, busy",
		);
	});

	test("of any kind fits its frame, however long the message", () => {
		for (const failure of failures) {
			const [frame] = framesOf(new FrameDecoder(toClientLimits), encodeFailed(failure, "\0".repeat(9_999)));
			expect(parseFailed(frame?.payload ?? Buffer.alloc(0)).failure).toBe(failure);
		}
	});
});

test.each([
	["no stream of ours", { stream: "stdlog", bytes: 1 }, "stream: one of stdin, stdout, stderr"],
	["nothing", { stream: "stdin", bytes: 0 }, "bytes: a whole number from 1 to 2147483648"],
	["bytes that were taken back", { stream: "stdin", bytes: -1 }, "bytes: a whole number from 1 to 2147483648"],
])("credit for %s is refused", (_what, value, needs) => {
	expect(() => parseCredit(payload(value))).toThrow(`the credit message needs ${needs}`);
});

test.each([0, -1, 2 ** 31, 1.5, "1"])("a process id is never %j", (pid) => {
	expect(() => parseStarted(payload({ pid }))).toThrow(
		"the started message needs pid: a whole number from 1 to 2147483647",
	);
});

test("only input comes in pieces, for where it is cut means nothing", () => {
	expect([...streamedFromClient]).toEqual([sessionFrame.stdin]);
});

test.each(["SIGKILL", "SIGSTOP", "INT", "2", 2, "", "toString"])(
	"%j is no signal that a client passes on",
	(signal) => {
		expect(() => parseSignal(payload({ signal }))).toThrow(
			"the signal message needs signal: one of SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT",
		);
	},
);

test.each([0, -1, 65_536, 1.5, "80", null])("no terminal has %j columns", (columns) => {
	expect(() => parseResize(payload({ rows: 24, columns }))).toThrow(
		"the resize message needs columns: a whole number from 1 to 65535",
	);
});

describe("an attachment", () => {
	const attached = { pid: 7, isTerminal: false, lost: { stdout: 0, stderr: 3 } };

	test("says how much is lost of each output", () => {
		expect(parseAttached(payload(attached))).toEqual(attached);
	});

	test.each([
		["no process", { pid: 0 }, "the attached message needs pid: a whole number from 1 to 2147483647"],
		["nothing lost", { lost: null }, "the attached.lost message is not a JSON object"],
		["less than nothing lost", { lost: { stdout: -1, stderr: 0 } }, "the attached.lost message needs stdout"],
		["a loss on one output only", { lost: { stdout: 0 } }, "the attached.lost message needs stderr"],
		["a terminal that may be", { isTerminal: 1 }, "the attached message needs isTerminal: true or false"],
	])("with %s is refused", (_what, facts, message) => {
		expect(() => parseAttached(payload({ ...attached, ...facts }))).toThrow(message);
	});
});

test("a hello says the newest version and the oldest", () => {
	expect(parseSessionHello(payload({ version: 5, oldest: 3, later: {} }))).toEqual({ version: 5, oldest: 3 });
	expect(parseSessionHello(payload({ version: 5 }))).toEqual({ version: 5, oldest: 5 });
	expect(() => parseSessionHello(payload({ version: 5, oldest: 6 }))).toThrow(
		"the hello message needs oldest: a whole number from 1 to 5",
	);
});
