/** Every JSON message that a socket of ours carries: how it is made, read and bounded, and samples of it. */
import { QubesLiteError } from "../../src/errors.ts";
import * as broker from "../../src/protocol/broker.ts";
import * as control from "../../src/protocol/control.ts";
import { encodeJsonFrame, type FrameLimits } from "../../src/protocol/frame.ts";
import { sessionsMax, ticketLifeMs } from "../../src/protocol/limits.ts";
import * as session from "../../src/protocol/session.ts";

export interface Message {
	readonly name: string;
	readonly type: number;
	readonly limits: FrameLimits;
	readonly parse: (payload: Buffer) => unknown;
	/** The values that arrive as they were sent; the last one is the largest that its parser takes. */
	readonly samples: readonly { readonly frame: Buffer; readonly value: unknown }[];
	/** Fields that may be missing. */
	readonly optional?: readonly string[];
}

const huge = Number.MAX_SAFE_INTEGER;
const hex = (bytes: number): string => "0f".repeat(bytes);
const manyIds = Array.from({ length: sessionsMax }, (_, index) => huge - index);

function samplesOf<T>(encode: (value: T) => Buffer, values: readonly T[]): Message["samples"] {
	return values.map((value) => ({ frame: encode(value), value }));
}

const hello: control.AgentHello = {
	version: 1,
	nonce: hex(control.nonceBytes),
	vm: "shopping",
	phases: [{ name: "init", uptimeMs: 0 }],
	sessions: [],
	cgroups: [7],
	lastSession: 7,
};
const largestHello: control.AgentHello = {
	version: 0xffff,
	nonce: hex(control.nonceBytes),
	vm: "\0".repeat(64),
	phases: Array.from({ length: 8 }, () => ({ name: "\0".repeat(16), uptimeMs: 366 * 24 * 3600 * 1000 })),
	sessions: manyIds,
	cgroups: manyIds,
	lastSession: 2 ** 31,
};
const beat: control.Heartbeat = { seq: 1, sessions: [], cgroups: [], memory: { totalKiB: 0, availableKiB: 0 } };
const largestBeat: control.Heartbeat = {
	seq: huge,
	sessions: manyIds,
	cgroups: manyIds,
	memory: { totalKiB: 2 ** 40, availableKiB: 2 ** 40 },
};

const refusal = (code: string, message: string, remedy?: string) => ({ code, message, remedy });
const status: broker.VmStatus = {
	name: "shopping",
	id: 5,
	state: "idle",
	flags: ["reconnecting"],
	since: "2026-11-23T21:00:00.000Z",
	reason: null,
	leases: [],
	sessions: 0,
	stopsAt: null,
	disposable: false,
	network: true,
	idleTimeout: 600,
	memoryMiB: 1024,
	hypervisor: null,
	pid: null,
	phase: null,
	bootMs: null,
};
const fullStatus: broker.VmStatus = {
	...status,
	state: "booting",
	reason: "its vmm ended with status 1",
	leases: ["firefox (session 3)", "x".repeat(256)],
	stopsAt: "2026-11-23T21:10:00.000Z",
	hypervisor: "qemu",
	pid: 4711,
	phase: "init",
	bootMs: 1_500,
};

const fromAgent: Message[] = [
	{
		name: "hello",
		type: control.controlFrame.hello,
		limits: control.fromAgentLimits,
		parse: control.parseHello,
		samples: samplesOf(control.encodeHello, [hello, largestHello]),
	},
	{
		name: "heartbeat",
		type: control.controlFrame.heartbeat,
		limits: control.fromAgentLimits,
		parse: control.parseHeartbeat,
		samples: samplesOf(control.encodeHeartbeat, [beat, largestBeat]),
	},
	{
		name: "expected",
		type: control.controlFrame.expected,
		limits: control.fromAgentLimits,
		parse: control.parseExpected,
		samples: samplesOf(control.encodeExpected, [
			{ session: 1, accepted: true },
			{ session: huge, accepted: false },
		]),
	},
];

const toAgent: Message[] = [
	{
		name: "welcome",
		type: control.controlFrame.welcome,
		limits: control.toAgentLimits,
		parse: (payload) => control.parseVersion("welcome", payload),
		samples: samplesOf(control.encodeWelcome, [1, 0xffff]),
	},
	{
		name: "expect",
		type: control.controlFrame.expect,
		limits: control.toAgentLimits,
		parse: control.parseExpect,
		samples: samplesOf(control.encodeExpect, [
			{ session: 1, ticketHash: hex(32), execHash: hex(32), lifeMs: 1 },
			{ session: huge, ticketHash: hex(32), execHash: hex(32), lifeMs: ticketLifeMs },
		]),
	},
	{
		name: "clientGone",
		type: control.controlFrame.clientGone,
		limits: control.toAgentLimits,
		parse: (payload) => control.parseSessionId("clientGone", payload),
		samples: samplesOf(control.encodeClientGone, [1, huge]),
	},
	{
		name: "poweroff",
		type: control.controlFrame.poweroff,
		limits: control.toAgentLimits,
		parse: control.parsePoweroff,
		samples: samplesOf(control.encodePoweroff, [0, 3_600_000]),
	},
];

const sessionMessages: Message[] = [
	{
		name: "session hello to the agent",
		type: session.sessionFrame.hello,
		limits: session.fromClientLimits,
		parse: (payload) => control.parseVersion("hello", payload),
		samples: samplesOf(session.encodeSessionHello, [1, 0xffff]),
	},
	{
		name: "session hello to the client",
		type: session.sessionFrame.hello,
		limits: session.toClientLimits,
		parse: (payload) => control.parseVersion("hello", payload),
		samples: samplesOf(session.encodeSessionHello, [1, 0xffff]),
	},
	{
		name: "started",
		type: session.sessionFrame.started,
		limits: session.toClientLimits,
		parse: session.parseStarted,
		samples: samplesOf(session.encodeStarted, [1, 2 ** 31 - 1]),
	},
	...[session.fromClientLimits, session.toClientLimits].map((limits, index) => ({
		name: `credit to the ${index === 0 ? "agent" : "client"}`,
		type: session.sessionFrame.credit,
		limits,
		parse: session.parseCredit,
		samples: samplesOf<ReturnType<typeof session.parseCredit>>(
			({ stream, bytes }) => session.encodeCredit(stream, bytes),
			[
				{ stream: "stdin", bytes: 1 },
				{ stream: "stdout", bytes: 2 ** 31 },
				{ stream: "stderr", bytes: 65_536 },
			],
		),
	})),
	{
		name: "exit with a code",
		type: session.sessionFrame.exit,
		limits: session.toClientLimits,
		parse: session.parseExit,
		samples: samplesOf<session.Exit>(session.encodeExit, [
			{ end: { code: 0 }, guestMicros: 0 },
			{ end: { code: 255 }, guestMicros: huge },
		]),
	},
	{
		name: "exit by a signal",
		type: session.sessionFrame.exit,
		limits: session.toClientLimits,
		parse: session.parseExit,
		samples: samplesOf<session.Exit>(session.encodeExit, [
			{ end: { signal: "SIGKILL", signalNumber: 9 }, guestMicros: 1 },
			{ end: { signal: "\0".repeat(16), signalNumber: 64 }, guestMicros: huge },
		]),
	},
	{
		name: "failed",
		type: session.sessionFrame.failed,
		limits: session.toClientLimits,
		parse: session.parseFailed,
		samples: [...session.failures.map((failure) => ({ failure, message: "why" }))]
			.concat({ failure: "notExecutable", message: "\0".repeat(1024) })
			.map((value) => ({ frame: session.encodeFailed(value.failure, value.message), value })),
	},
];

const toBroker: Message[] = [
	{
		name: "run request",
		type: broker.brokerFrame.request,
		limits: broker.toBrokerLimits,
		parse: broker.parseRequest,
		samples: samplesOf<broker.BrokerRequest>(broker.encodeRequest, [
			{ method: "run", vm: "shopping", start: true, timeoutMs: 0 },
			{ method: "run", vm: "\0".repeat(4096), start: false, timeoutMs: 86_400_000 },
		]),
	},
	{
		name: "list request",
		type: broker.brokerFrame.request,
		limits: broker.toBrokerLimits,
		parse: broker.parseRequest,
		samples: samplesOf<broker.BrokerRequest>(broker.encodeRequest, [{ method: "list" }]),
	},
	...(["status", "start"] as const).map((method) => ({
		name: `${method} request`,
		type: broker.brokerFrame.request,
		limits: broker.toBrokerLimits,
		parse: broker.parseRequest,
		samples: samplesOf<broker.BrokerRequest>(broker.encodeRequest, [
			{ method, vm: "" },
			{ method, vm: "\0".repeat(4096) },
		]),
	})),
	{
		name: "stop request",
		type: broker.brokerFrame.request,
		limits: broker.toBrokerLimits,
		parse: broker.parseRequest,
		samples: samplesOf<broker.BrokerRequest>(broker.encodeRequest, [
			{ method: "stop", vm: "shopping", force: false },
			{ method: "stop", vm: "shopping", force: true },
		]),
	},
];

const fromBroker: Message[] = [
	{
		name: "progress",
		type: broker.brokerFrame.progress,
		limits: broker.fromBrokerLimits,
		parse: broker.parseProgress,
		samples: samplesOf(broker.encodeProgress, [
			{ phase: "vmm", elapsedMs: 0 },
			{ phase: "\0".repeat(64), elapsedMs: huge },
		]),
	},
	{
		name: "ready",
		type: broker.brokerFrame.ready,
		limits: broker.fromBrokerLimits,
		parse: broker.parseReady,
		samples: samplesOf(broker.encodeReady, ["/run/user/1000/qubes-lite/shopping/vsock", "\0".repeat(4096)]),
	},
	{
		name: "granted",
		type: broker.brokerFrame.granted,
		limits: broker.fromBrokerLimits,
		parse: broker.parseGranted,
		samples: samplesOf(broker.encodeGranted, [
			{ ticket: Buffer.alloc(32, 0xa5), session: 1 },
			{ ticket: Buffer.alloc(32), session: huge },
		]),
	},
	{
		name: "refused",
		type: broker.brokerFrame.refused,
		limits: broker.fromBrokerLimits,
		parse: broker.parseRefused,
		samples: [
			refusal("NoSuchVm", 'there is no vm called "shoping"', "qubes-lite ls"),
			refusal("Internal", "no remedy\nand two lines"),
		].map((value) => ({
			frame: encodeJsonFrame(broker.brokerFrame.refused, QubesLiteError.fromFacts(value).toFacts()),
			value,
		})),
		optional: ["remedy"],
	},
	{
		name: "list reply",
		type: broker.brokerFrame.reply,
		limits: broker.fromBrokerLimits,
		parse: (payload) => broker.parseStatusList(parseJson(payload)),
		samples: [[], [status], [status, fullStatus]].map((vms) => ({ frame: broker.encodeReply({ vms }), value: vms })),
	},
	{
		name: "status reply",
		type: broker.brokerFrame.reply,
		limits: broker.fromBrokerLimits,
		parse: (payload) => broker.parseStatusReply(parseJson(payload)),
		samples: [status, fullStatus].map((vm) => ({ frame: broker.encodeReply({ vm }), value: vm })),
	},
];

/** As broker-client.ts reads a reply before it knows which. */
function parseJson(payload: Buffer): unknown {
	try {
		return JSON.parse(payload.toString("utf8"));
	} catch (cause) {
		throw new QubesLiteError("BadRequest", "the reply is not JSON", { cause });
	}
}

export const messages: readonly Message[] = [...fromAgent, ...toAgent, ...sessionMessages, ...toBroker, ...fromBroker];
