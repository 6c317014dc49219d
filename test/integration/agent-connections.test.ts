/** The agent's ends of its connections, over sockets of this machine: the test is the broker, or the client. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BrokerConnection, type BrokerConnectionHost } from "../../src/guest/agent/broker-connection.ts";
import { Connection, type SessionHost } from "../../src/guest/agent/connection.ts";
import {
	controlFrame,
	encodeExpect,
	encodeResumed,
	encodeSeen,
	encodeWelcome,
	fromAgentLimits,
	parseHeartbeat,
} from "../../src/protocol/control.ts";
import { type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { heartbeatIntervalMs } from "../../src/protocol/limits.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import { readSocket } from "../fakes/read-socket.ts";

let directory: string;
let server: Server;
const opened: Socket[] = [];

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-agent-"));
	server = createServer({ allowHalfOpen: true });
	server.listen(join(directory, "socket"));
	await once(server, "listening");
});

afterEach(() => {
	vi.useRealTimers();
	for (const socket of opened.splice(0)) socket.destroy();
	server.close();
	rmSync(directory, { recursive: true });
});

/** Both ends of a connection, the agent's as it is in a guest. */
async function pair(): Promise<{ ours: Socket; theirs: Socket }> {
	const accepted = once(server, "connection");
	const ours = connect(join(directory, "socket"));
	await once(ours, "connect");
	const [theirs] = (await accepted) as [Socket];
	opened.push(ours, theirs);
	return { ours, theirs };
}

/** More than any socket's buffers hold. */
const muchOutput = Buffer.alloc(8 * 1024 * 1024);

const nobody: SessionHost = {
	redeem: () => ({ session: null, refusal: "refused" }),
	connected: () => {},
	disconnected: () => {},
	start: () => {
		throw new Error("nothing is started here");
	},
	find: () => {
		throw new Error("nothing is found here");
	},
	nowMicros: () => 0,
	knocked: () => {},
	refused: () => {},
};

const nothing = { sessions: [], cgroups: [] };

/** A broker connection over `socket`, which is dialled once; `did` is what it was told to do, in order. */
function connectAgent(socket: Socket, did: unknown[] = []): void {
	let dial: BrokerConnectionHost["connect"] = async () => {
		dial = () => new Promise(() => {});
		return socket;
	};
	const tickets: number[] = [];
	const hello = { ...ourVersions, ...nothing, nonce: "0".repeat(32), vm: "shopping", phases: [], lastSession: 0 };
	const connection = new BrokerConnection({
		connect: () => dial(),
		hello: () => hello,
		report: () => ({ ...nothing, tickets, memory: { totalKiB: 1, availableKiB: 1 } }),
		isGoingDown: () => false,
		endsTold: () => {},
		announce: ({ session }) => did.push(session) + tickets.push(session) > 0,
		list: () => [],
		clientGone: () => {},
		resumed: (resumed) => did.push(resumed),
		powerOff: () => {},
		log: () => {},
	});
	connection.dial();
}

/** Sooner than a connection without a ticket, or without an answer, is closed anyway. */
describe("a peer that has closed its end, and reads no more", { timeout: 5_000 }, () => {
	it("is a client that has left, though output waits for it", async () => {
		const { ours, theirs } = await pair();
		const closed = once(ours, "close");
		new Connection(readSocket(ours), nobody);
		ours.write(muchOutput);
		theirs.end();
		await closed;
	});

	it("is a broker that has left, though a frame waits for it", async () => {
		const { ours, theirs } = await pair();
		const closed = once(ours, "close");
		connectAgent(ours);
		ours.write(muchOutput);
		theirs.end();
		await closed;
	});
});

describe("a broker that answers heartbeats", { timeout: 5_000 }, () => {
	/** The agent has beaten for the first time. */
	async function welcomed(): Promise<{
		ours: Socket;
		theirs: Socket;
		did: unknown[];
		say: (frame: Buffer) => Promise<unknown>;
		seen: (seq: number) => Promise<unknown>;
	}> {
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
		const { ours, theirs } = await pair();
		const did: unknown[] = [];
		connectAgent(ours, did);
		await once(theirs, "data");
		const say = (frame: Buffer): Promise<unknown> => {
			const heard = once(ours, "data");
			theirs.write(frame);
			return heard;
		};
		await say(encodeWelcome());
		return { ours, theirs, did, say, seen: (seq) => say(encodeSeen(seq)) };
	}

	it("hears of a ticket in a heartbeat before it hears that the ticket is there", async () => {
		const { theirs, say } = await welcomed();
		const frames: Frame[] = [];
		const decoder = new FrameDecoder(fromAgentLimits);
		theirs.on("data", (chunk: Buffer) => decoder.push(chunk, (frame) => frames.push(frame)));
		const hash = "0".repeat(64);
		await say(encodeExpect({ session: 7, ticketHash: hash, execHash: hash, lifeMs: 1 }));
		while (frames.at(-1)?.type !== controlFrame.expected) await once(theirs, "data");
		expect(frames.slice(-2).map(({ type }) => type)).toEqual([controlFrame.heartbeat, controlFrame.expected]);
		expect(parseHeartbeat(frames.at(-2)?.payload ?? Buffer.of()).tickets).toEqual([7]);
	});

	it("is heard about a pause before anything that comes behind it, and answered with a heartbeat", async () => {
		const { theirs, did, say } = await welcomed();
		const frames: Frame[] = [];
		const decoder = new FrameDecoder(fromAgentLimits);
		theirs.on("data", (chunk: Buffer) => decoder.push(chunk, (frame) => frames.push(frame)));
		const hash = "0".repeat(64);
		const resumed = { wallMs: Date.UTC(2026), entropy: "0f".repeat(32) };
		const expected = encodeExpect({ session: 7, ticketHash: hash, execHash: hash, lifeMs: 1 });
		await say(Buffer.concat([encodeResumed(resumed), expected]));
		while (frames.at(-1)?.type !== controlFrame.expected) await once(theirs, "data");
		expect(did).toEqual([resumed, 7]);
		const { heartbeat } = controlFrame;
		expect(frames.slice(-3).map(({ type }) => type)).toEqual([heartbeat, heartbeat, controlFrame.expected]);
	});

	it("is cut off when it says that it is another century", async () => {
		const { ours, did, say } = await welcomed();
		await say(encodeResumed({ wallMs: Date.UTC(1970), entropy: "0f".repeat(32) }));
		expect(ours.destroyed).toBe(true);
		expect(did).toEqual([]);
	});

	it("is not given up, although it is always some behind", async () => {
		const { ours, seen } = await welcomed();
		for (let seq = 1; seq <= 10; seq++) {
			vi.advanceTimersByTime(heartbeatIntervalMs);
			expect(ours.destroyed).toBe(false);
			await seen(seq);
		}
	});

	it("is given up when no answer comes to one for 10 s", async () => {
		const { ours, seen } = await welcomed();
		await seen(1);
		vi.advanceTimersByTime(heartbeatIntervalMs);
		await seen(1);
		vi.advanceTimersByTime(9_999);
		expect(ours.destroyed).toBe(false);
		vi.advanceTimersByTime(1);
		expect(ours.destroyed).toBe(true);
	});
});
