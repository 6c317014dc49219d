/** The client's end of a session against guests that say what they like, in pieces of any size. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BrokerConnection } from "../../src/cli/broker-connection.ts";
import { BrokerHold } from "../../src/cli/broker-hold.ts";
import { QubesLiteError } from "../../src/errors.ts";
import { brokerFrame, encodeGranted } from "../../src/protocol/broker.ts";
import { encodeFrame, encodeJsonFrame } from "../../src/protocol/frame.ts";
import {
	encodeAttached,
	encodeCredit,
	encodeExit,
	encodeFailed,
	encodeSessionHello,
	encodeStarted,
	sessionFrame,
} from "../../src/protocol/session.ts";
import { runSession, type SessionEnd } from "../../src/session-client/client-session.ts";
import { rounds } from "../rounds.ts";

const directory = mkdtempSync(join(tmpdir(), "ql-session-"));
const path = join(directory, "guest");
let server: Server;
let behave: (socket: Socket) => void;

beforeAll(async () => {
	server = createServer((socket) => {
		socket.on("error", () => {});
		socket.once("data", () => behave(socket));
		socket.resume();
	});
	await new Promise<void>((resolve) => server.listen(path, resolve));
});

afterAll(() => {
	server.close();
	rmSync(directory, { recursive: true });
});

interface Seen {
	readonly end: SessionEnd | string;
	readonly stdout: string;
	readonly stderr: string;
	readonly starts: number;
}

async function session(kind: "exec" | "attach" = "exec"): Promise<Seen> {
	const seen = { stdout: "", stderr: "", starts: 0 };
	const sink = (name: "stdout" | "stderr") => ({
		write(bytes: Buffer, written: () => void): void {
			seen[name] += seen.starts === 1 ? bytes.toString() : "(not started) ";
			written();
		},
		end: (written: () => void): void => written(),
	});
	const grant = { ticket: Buffer.alloc(32), kind, bytes: Buffer.alloc(0), startBy: new AbortController().signal };
	const streams = {
		...{
			stdin: null,
			mayRead: Promise.resolve(),
			stdout: sink("stdout"),
			stderr: sink("stderr"),
			leave: new AbortController().signal,
		},
		onStarted: () => {
			seen.starts += 1;
		},
	};
	const end = await runSession(connect(path), grant, streams).catch((cause: Error) => cause.message);
	return { end, ...seen };
}

const hello = encodeSessionHello();
const started = encodeStarted(7);
const attached = encodeAttached({ pid: 7, isTerminal: false, lost: { stdout: 0, stderr: 0 } });
const out = encodeFrame(sessionFrame.stdout, Buffer.from("out"));
const [outEnd, errEnd] = [encodeFrame(sessionFrame.stdoutEof), encodeFrame(sessionFrame.stderrEof)];
const exit = encodeExit({ end: { code: 3 }, guestMicros: 1 });

const says = (...frames: Buffer[]): void => {
	behave = (socket) => socket.write(Buffer.concat(frames));
};

describe("a guest that breaks the protocol", () => {
	it.each([
		["no hello", [started, out], 0x15],
		["a second hello", [hello, hello, out], 0x01],
		["output before it has started", [hello, out, started], 0x11],
		["an exit before it has started", [hello, exit], 0x16],
		["credit before it has started", [hello, encodeCredit("stdin", 1)], 0x07],
		["an attachment that nobody asked for", [hello, attached, out], 0x18],
		["a second start", [hello, started, started, out], 0x15],
		["a failure after the start", [hello, started, encodeFailed("notFound", "no"), out], 0x17],
	])("by %s shows nothing of it", async (_what, frames, type) => {
		says(...frames, outEnd, errEnd, exit);
		const { end, stdout } = await session();
		expect(end).toBe(`the guest broke the protocol: a frame of type ${type} has no place there`);
		expect(stdout).toBe("");
	});

	it("by a start where an attachment was asked for", async () => {
		says(hello, started, out, exit);
		expect(await session("attach")).toMatchObject({ starts: 0, stdout: "" });
		says(hello, attached, out, outEnd, errEnd, exit);
		expect(await session("attach")).toMatchObject({ end: { kind: "ended", end: { code: 3 } }, stdout: "out" });
	});

	it("by output after the end of the output", async () => {
		says(hello, started, outEnd, out, exit);
		expect(await session()).toMatchObject({ end: "the guest broke the protocol: stdout had ended", stdout: "" });
	});

	it("by an exit before the ends of both outputs, which would pass for a whole output", async () => {
		says(hello, started, out, outEnd, exit);
		expect(await session()).toMatchObject({
			end: "the guest broke the protocol: a frame of type 22 has no place there",
		});
	});

	it("by output without a byte, of which no window would bound how much", async () => {
		says(hello, started, encodeFrame(sessionFrame.stdout), outEnd, errEnd, exit);
		expect(await session()).toMatchObject({ end: "the guest broke the protocol: it sent stdout without a byte" });
	});

	it("by a start of what is no process", async () => {
		says(hello, encodeJsonFrame(sessionFrame.started, { pid: 0 }), outEnd, errEnd, exit);
		expect(await session()).toMatchObject({ end: expect.stringContaining("pid"), starts: 0 });
	});

	it("by credit for what was never sent", async () => {
		says(hello, started, encodeCredit("stdin", 1));
		expect(await session()).toMatchObject({ end: "credit came for bytes that were not sent" });
	});

	it("by words after the exit, which nobody hears", async () => {
		says(hello, started, out, outEnd, errEnd, exit, out, started);
		const { end, stdout } = await session();
		expect([stdout, typeof end === "string" || end.kind]).toEqual(["out", "ended"]);
	});

	it("by garbage behind the exit, in the same write, which takes nothing from it", async () => {
		says(hello, started, out, outEnd, errEnd, exit, Buffer.from("HTTP/1.1 200 OK"));
		expect(await session()).toMatchObject({ end: { kind: "ended", end: { code: 3 } }, stdout: "out" });
	});
});

describe("the end of a session", () => {
	/** The connection closes behind the exit, or in its place, and arrives in pieces cut anywhere. */
	it("is exact in thousands of rounds of exits that race the close", async () => {
		let random = 1;
		const next = (below: number): number => {
			random = (random * 48_271) % 0x7fffffff;
			return random % below;
		};
		for (let round = 0; round < rounds(2_000, 10_000); round++) {
			const code = next(256);
			const isLost = next(4) === 0;
			const words = Buffer.concat([
				...[hello, started, out, outEnd, errEnd],
				isLost
					? encodeExit({ end: { code }, guestMicros: 1 }).subarray(0, -1 - next(8))
					: encodeExit({ end: { code }, guestMicros: 1 }),
			]);
			behave = (socket) => {
				for (let at = 0; at < words.length; ) {
					const size = 1 + next(40);
					socket.write(words.subarray(at, at + size));
					at += size;
				}
				socket.end();
			};
			const { end, stdout } = await session();
			expect(end).toEqual(isLost ? { kind: "lost" } : { kind: "ended", end: { code }, guestMicros: 1 });
			expect(stdout).toBe("out");
		}
	});
});

describe("the broker's word", () => {
	/** `refused` right behind `granted`, in one write, while nobody listens yet. */
	it("that comes before anybody listens is kept for who does", async () => {
		behave = (socket) => {
			socket.write(
				Buffer.concat([
					encodeGranted({ ticket: Buffer.alloc(32), session: 1 }),
					encodeJsonFrame(brokerFrame.refused, new QubesLiteError("NotRunning", "its vmm was killed").toFacts()),
				]),
			);
		};
		const connection = new BrokerConnection(connect(path));
		await new Promise<void>((resolve) => {
			connection.listen({
				frame: () => {
					connection.listen(null);
					resolve();
				},
				failed: () => {},
				closed: () => {},
			});
			connection.send(Buffer.of(0));
		});
		await new Promise((resolve) => setImmediate(resolve));
		const hold = new BrokerHold(connection, { method: "hold", vm: "shopping", boot: "0000", session: 1, pid: 1 }, {});
		expect(await hold.reason()).toMatchObject({ code: "NotRunning", message: "its vmm was killed" });
		hold.end();
	});
});
