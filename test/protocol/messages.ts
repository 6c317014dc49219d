/** Every JSON message that a socket of ours carries: how it is made, read and bounded, and samples of it. */
import { QubesLiteError } from "../../src/errors.ts";
import * as broker from "../../src/protocol/broker.ts";
import * as events from "../../src/protocol/broker-events.ts";
import * as replies from "../../src/protocol/broker-replies.ts";
import * as control from "../../src/protocol/control.ts";
import * as display from "../../src/protocol/display.ts";
import type { TerminalSize } from "../../src/protocol/exec.ts";
import { encodeJsonFrame, type FrameLimits } from "../../src/protocol/frame.ts";
import {
	clipboardMaxBytes,
	commandLineMaxChars,
	endedKeptMax,
	endedToldMax,
	noticeMaxChars,
	sessionsMax,
	ticketLifeMs,
	ticketsMax,
	titleMaxChars,
	windowsMax,
} from "../../src/protocol/limits.ts";
import * as session from "../../src/protocol/session.ts";
import { signalNames } from "../../src/protocol/signals.ts";
import type { Versions } from "../../src/protocol/version.ts";

export interface Message {
	readonly name: string;
	readonly type: number;
	readonly limits: FrameLimits;
	readonly parse: (payload: Buffer) => unknown;
	/** The frame of a value that `parse` has given. */
	readonly encode: (value: unknown) => Buffer;
	/** The values that arrive as they were sent; the last one is the largest that its parser takes. */
	readonly samples: readonly { readonly frame: Buffer; readonly value: unknown }[];
	/** Fields that may be missing. */
	readonly optional?: readonly string[];
}

interface MessageOf<T> extends Pick<Message, "name" | "type" | "limits" | "optional"> {
	readonly parse: (payload: Buffer) => T;
	readonly encode: (value: T) => Buffer;
	readonly values: readonly T[];
}

function messageOf<T>({ encode, values, ...facts }: MessageOf<T>): Message {
	return {
		...facts,
		encode: (value) => encode(value as T),
		samples: values.map((value) => ({ frame: encode(value), value })),
	};
}

const huge = Number.MAX_SAFE_INTEGER;
const hex = (bytes: number): string => "0f".repeat(bytes);
const manyIds = Array.from({ length: sessionsMax }, (_, index) => huge - index);

const versions: readonly Versions[] = [
	{ version: 1, oldest: 1 },
	{ version: 0xffff, oldest: 0xffff },
];
const sizes: readonly TerminalSize[] = [
	{ rows: 24, columns: 80 },
	{ rows: 0xffff, columns: 0xffff },
];

const hello: control.AgentHello = {
	version: 3,
	oldest: 2,
	nonce: hex(control.nonceBytes),
	vm: "shopping",
	phases: [{ name: "init", uptimeMs: 0 }],
	sessions: [],
	cgroups: [7],
	lastSession: 7,
};
const largestHello: control.AgentHello = {
	version: 0xffff,
	oldest: 0xffff,
	nonce: hex(control.nonceBytes),
	vm: "\0".repeat(64),
	phases: Array.from({ length: 8 }, () => ({ name: "\0".repeat(16), uptimeMs: 366 * 24 * 3600 * 1000 })),
	sessions: manyIds,
	cgroups: manyIds,
	tickets: manyIds.slice(0, ticketsMax),
	lastSession: 2 ** 31,
};
const beat: control.Heartbeat = { seq: 1, sessions: [], cgroups: [], memory: { totalKiB: 0, availableKiB: 0 } };
const largestBeat: control.Heartbeat = {
	seq: huge,
	sessions: manyIds,
	cgroups: manyIds,
	tickets: manyIds.slice(0, ticketsMax),
	ended: manyIds
		.slice(0, endedToldMax)
		.map((session) => ({ session, end: { signal: "\0".repeat(16), signalNumber: 64 } })),
	memory: { totalKiB: 2 ** 40, availableKiB: 2 ** 40 },
};

const sessionFacts: control.SessionFacts = {
	session: 1,
	command: "firefox",
	user: "user",
	ageMs: 0,
	isTerminal: false,
	isDetached: false,
	hasClient: true,
	end: null,
	leftProcesses: false,
};
const largestFacts: control.SessionFacts = {
	...sessionFacts,
	session: huge,
	command: "\0".repeat(64),
	user: "\0".repeat(64),
	ageMs: huge,
	end: { signal: "\0".repeat(16), signalNumber: 64 },
	processes: 2 ** 22,
};

const sessionStatus: replies.SessionStatus = {
	id: "shopping.3.9f3c",
	vm: "shopping",
	session: 3,
	command: "firefox",
	commandLine: null,
	user: "user",
	age: 0,
	tty: false,
	detached: true,
	client: null,
	state: "running",
	processes: null,
};
const largestStatus: replies.SessionStatus = {
	id: "\u{10ffff}".repeat(32),
	vm: "\u{10ffff}".repeat(32),
	session: huge,
	command: "\u{10ffff}".repeat(32),
	commandLine: "\u{10ffff}".repeat(commandLineMaxChars / 2),
	user: "\u{10ffff}".repeat(32),
	age: huge,
	tty: true,
	detached: true,
	client: 2 ** 31 - 1,
	state: "\u{10ffff}".repeat(32),
	processes: 2 ** 22,
};

const refusal = (code: string, message: string, remedy?: string) => ({ code, message, remedy });
const status: replies.VmStatus = {
	name: "shopping",
	id: 5,
	state: "idle",
	flags: ["reconnecting"],
	since: "2026-11-23T21:00:00.000Z",
	reason: null,
	remedy: null,
	leases: [],
	sessions: 0,
	stopsAt: null,
	pausesAt: null,
	coolsUntil: null,
	disposable: false,
	network: true,
	idleTimeout: 600,
	idleAction: "stop",
	pauseTimeout: 0,
	maxLifetime: 0,
	dependsOn: [],
	preload: 0,
	color: null,
	set: {},
	memoryMiB: 1024,
	availableMiB: null,
	displayCut: null,
	cpus: 2,
	next: null,
	hypervisor: null,
	supervisor: null,
	pid: null,
	phase: null,
	phases: {},
	bootMs: null,
	usualBootMs: null,
};
const fullStatus: replies.VmStatus = {
	...status,
	state: "booting",
	reason: "its vmm ended with status 1",
	leases: [{ kind: "session", words: "firefox (session shopping.3.9f3c)", since: "2026-11-23T21:00:00.000Z" }],
	stopsAt: "2026-11-23T21:10:00.000Z",
	displayCut: "the display of shopping was cut: it has more than 200 windows",
	pausesAt: "2026-11-23T21:05:00.000Z",
	coolsUntil: "2026-11-23T21:06:00.000Z",
	set: { idleTimeout: 600, idleAction: "pause" },
	idleAction: "pause",
	dependsOn: ["net"],
	next: { memoryMiB: 2048, cpus: 4, network: false, others: [] },
	hypervisor: "qemu",
	pid: 4711,
	phase: "init",
	phases: { init: 0, root: huge, agent: 700 },
	bootMs: 1_500,
	usualBootMs: 2_600,
};

/** A broker of before does not say them, and no console tells of each phase. */
const phases = ["phases", "phases.init", "phases.root", "phases.agent"];
const statusOptional = [
	"cpus",
	"next",
	"next.others",
	"pausesAt",
	"coolsUntil",
	"remedy",
	"usualBootMs",
	"availableMiB",
	"displayCut",
	"set",
	"set.idleTimeout",
	...["idleAction", "pauseTimeout", "maxLifetime", "dependsOn", "preload", "color"],
	"set.idleAction",
	...phases,
];

const fromAgent: Message[] = [
	messageOf({
		name: "hello",
		type: control.controlFrame.hello,
		limits: control.fromAgentLimits,
		parse: control.parseHello,
		encode: control.encodeHello,
		values: [hello, largestHello],
		optional: ["oldest", "tickets"],
	}),
	messageOf({
		name: "heartbeat",
		type: control.controlFrame.heartbeat,
		limits: control.fromAgentLimits,
		parse: control.parseHeartbeat,
		encode: control.encodeHeartbeat,
		values: [beat, largestBeat, { ...beat, ended: [{ session: 1, end: { code: 255 } }] }],
		optional: ["tickets", "ended"],
	}),
	messageOf({
		name: "expected",
		type: control.controlFrame.expected,
		limits: control.fromAgentLimits,
		parse: control.parseExpected,
		encode: control.encodeExpected,
		values: [
			{ session: 1, accepted: true },
			{ session: huge, accepted: false },
		],
	}),
	messageOf<readonly control.SessionFacts[]>({
		name: "sessions",
		type: control.controlFrame.sessions,
		limits: control.fromAgentLimits,
		parse: control.parseSessions,
		encode: control.encodeSessions,
		values: [
			[sessionFacts],
			[{ ...sessionFacts, end: { code: 255 } }],
			Array(sessionsMax + endedKeptMax).fill(largestFacts),
		],
	}),
];

const toAgent: Message[] = [
	messageOf({
		name: "welcome",
		type: control.controlFrame.welcome,
		limits: control.toAgentLimits,
		parse: control.parseWelcome,
		encode: control.encodeWelcome,
		values: versions,
		optional: ["oldest"],
	}),
	messageOf({
		name: "expect",
		type: control.controlFrame.expect,
		limits: control.toAgentLimits,
		parse: control.parseExpect,
		encode: control.encodeExpect,
		values: [
			{ session: 1, ticketHash: hex(32), execHash: hex(32), lifeMs: 1 },
			{ session: huge, ticketHash: hex(32), execHash: hex(32), lifeMs: ticketLifeMs },
		],
	}),
	messageOf({
		name: "clientGone",
		type: control.controlFrame.clientGone,
		limits: control.toAgentLimits,
		parse: (payload) => control.parseSessionNumber("clientGone", payload),
		encode: control.encodeClientGone,
		values: [1, huge],
	}),
	messageOf({
		name: "resumed",
		type: control.controlFrame.resumed,
		limits: control.toAgentLimits,
		parse: control.parseResumed,
		encode: control.encodeResumed,
		values: [
			{ wallMs: Date.UTC(2020), entropy: hex(control.entropyBytes) },
			{ wallMs: Date.UTC(2100), entropy: hex(control.entropyBytes) },
		],
	}),
	messageOf({
		name: "poweroff",
		type: control.controlFrame.poweroff,
		limits: control.toAgentLimits,
		parse: control.parsePoweroff,
		encode: control.encodePoweroff,
		values: [0, 3_600_000],
	}),
];

const toClientOrAgent: Message[] = (
	[
		["agent", session.fromClientLimits],
		["client", session.toClientLimits],
	] as const
).flatMap(([receiver, limits]) => [
	messageOf({
		name: `session hello to the ${receiver}`,
		type: session.sessionFrame.hello,
		limits,
		parse: session.parseSessionHello,
		encode: session.encodeSessionHello,
		values: versions,
		optional: ["oldest"],
	}),
	messageOf<ReturnType<typeof session.parseCredit>>({
		name: `credit to the ${receiver}`,
		type: session.sessionFrame.credit,
		limits,
		parse: session.parseCredit,
		encode: ({ stream, bytes }) => session.encodeCredit(stream, bytes),
		values: [
			{ stream: "stdin", bytes: 1 },
			{ stream: "stdout", bytes: 2 ** 31 },
			{ stream: "stderr", bytes: 65_536 },
		],
	}),
]);

const fromClient: Message[] = [
	messageOf({
		name: "resize",
		type: session.sessionFrame.resize,
		limits: session.fromClientLimits,
		parse: session.parseResize,
		encode: session.encodeResize,
		values: sizes,
	}),
	messageOf({
		name: "signal",
		type: session.sessionFrame.signal,
		limits: session.fromClientLimits,
		parse: session.parseSignal,
		encode: session.encodeSignal,
		values: signalNames,
	}),
];

const toClient: Message[] = [
	messageOf({
		name: "started",
		type: session.sessionFrame.started,
		limits: session.toClientLimits,
		parse: session.parseStarted,
		encode: session.encodeStarted,
		values: [1, 2 ** 31 - 1],
	}),
	messageOf<session.Attached>({
		name: "attached",
		type: session.sessionFrame.attached,
		limits: session.toClientLimits,
		parse: session.parseAttached,
		encode: session.encodeAttached,
		values: [
			{ pid: 1, isTerminal: true, lost: { stdout: 0, stderr: 0 } },
			{ pid: 2 ** 31 - 1, isTerminal: false, lost: { stdout: huge, stderr: huge } },
		],
	}),
	messageOf<session.Exit>({
		name: "exit with a code",
		type: session.sessionFrame.exit,
		limits: session.toClientLimits,
		parse: session.parseExit,
		encode: session.encodeExit,
		values: [
			{ end: { code: 0 }, guestMicros: 0 },
			{ end: { code: 255 }, guestMicros: huge },
		],
	}),
	messageOf<session.Exit>({
		name: "exit by a signal",
		type: session.sessionFrame.exit,
		limits: session.toClientLimits,
		parse: session.parseExit,
		encode: session.encodeExit,
		values: [
			{ end: { signal: "SIGKILL", signalNumber: 9 }, guestMicros: 1 },
			{ end: { signal: "\0".repeat(16), signalNumber: 64 }, guestMicros: huge },
		],
	}),
	messageOf<ReturnType<typeof session.parseFailed>>({
		name: "failed",
		type: session.sessionFrame.failed,
		limits: session.toClientLimits,
		parse: session.parseFailed,
		encode: (value) => encodeJsonFrame(session.sessionFrame.failed, value),
		values: [
			...session.failures.map((failure) => ({ failure, message: "why" })),
			{ failure: "notExecutable", message: "\0".repeat(1024) },
		],
	}),
];

const request = (name: string, values: readonly broker.BrokerRequest[], optional: readonly string[] = []): Message =>
	messageOf({
		name: `${name} request`,
		type: broker.brokerFrame.request,
		limits: broker.toBrokerLimits,
		parse: broker.parseRequest,
		encode: broker.encodeRequest,
		values,
		optional: ["oldest", ...optional],
	});

const longKey = "x".repeat(64);
const longName = "\0".repeat(4096);
const pidMax = 2 ** 31 - 1;
const toBroker: Message[] = [
	request(
		"run",
		[
			{ method: "run", vm: "shopping", disposable: false, start: true, timeoutMs: 0, pid: 1, askedAt: 0 },
			{
				...{ method: "run", vm: longName, disposable: true, start: false, timeoutMs: 86_400_000, pid: pidMax },
				askedAt: huge,
				instance: longName,
				wayland: "\0".repeat(107),
			},
		],
		["askedAt", "instance", "wayland"],
	),
	request("attach", [
		{ method: "attach", vm: "shopping", boot: "9f3c", timeoutMs: 0, pid: 1 },
		{ method: "attach", vm: "shopping", boot: null, timeoutMs: 0, pid: 1 },
		{ method: "attach", vm: longName, boot: "ffff", timeoutMs: 86_400_000, pid: pidMax },
	]),
	request("hold", [
		{ method: "hold", vm: "shopping", boot: "9f3c", session: 1, pid: 1 },
		{ method: "hold", vm: longName, boot: "ffff", session: huge, pid: pidMax },
	]),
	request("sessions", [
		{ method: "sessions", vm: null },
		{ method: "sessions", vm: "shopping" },
		{ method: "sessions", vm: longName },
	]),
	request("events", [
		{ method: "events", vm: null },
		{ method: "events", vm: longName },
	]),
	request("broker", [{ method: "broker" }]),
	request("list", [{ method: "list" }]),
	...(["status", "console", "start"] as const).map((method) =>
		request(method, [
			{ method, vm: "" },
			{ method, vm: longName },
		]),
	),
	request(
		"stop",
		[
			{ method: "stop", vm: "shopping", force: false, askedAt: 0 },
			{ method: "stop", vm: longName, force: true, askedAt: huge },
		],
		["askedAt"],
	),
	request("clip", [
		{ method: "clip", vm: "shopping", way: "copy" },
		{ method: "clip", vm: longName, way: "paste" },
	]),
	request("inhibit", [
		{ method: "inhibit", vm: "shopping", label: "rsync", pid: 1 },
		{ method: "inhibit", vm: longName, label: "\0".repeat(64), pid: pidMax },
	]),
	request(
		"set",
		[
			{ method: "set", vm: "shopping", settings: { idleTimeout: 600, idleAction: "pause" } },
			{ method: "set", vm: longName, settings: { [longKey]: huge, [`${longKey.slice(1)}y`]: "\0".repeat(64) } },
		],
		["settings.idleTimeout", "settings.idleAction", `settings.${longKey}`, `settings.${longKey.slice(1)}y`],
	),
];

const at = "2026-11-23T21:00:00.000Z";
const vm = "shopping";
const facts = { flags: ["paused"], reason: "idle for 10 min", remedy: null };
const manyWords = { flags: [], reason: "\0".repeat(events.eventWordsMax), remedy: "qubes-lite logs shopping" };
const eventSamples: readonly (readonly [string, readonly events.BrokerEvent[]])[] = [
	["broker", [{ at, type: "broker", pid: 4711, vms: [vm, "vault"] }]],
	[
		"is",
		[
			{ at, type: "is", vm, state: "idle", ...facts },
			{ at, type: "is", vm: "\0".repeat(64), state: "failed", ...manyWords },
		],
	],
	[
		"state",
		[
			{ at, type: "state", vm, from: "ready", to: "idle", ...facts },
			{ at, type: "state", vm, from: "booting", to: "failed", ...manyWords },
		],
	],
	["stop-announced", [{ at, type: "stop-announced", vm, stopsAt: at, sentence: "idle for 10 min" }]],
	["boot", [{ at, type: "boot", vm, ms: 1_500, phases: { vmm: 0, init: 700 } }]],
	["another", [{ at, type: "stop-averted", vm }]],
	["vm-added", [{ at, type: "vm-added", vm }]],
	["vm-gone", [{ at, type: "vm-gone", vm }]],
	["unknown", [{ at, type: "unknown" }]],
];

const longNotice = "\0".repeat(noticeMaxChars);
const notices = [
	{ message: "there is no Wayland session on this host", remedy: null },
	{ message: longNotice, remedy: longNotice },
];

const fromBroker: Message[] = [
	messageOf({
		name: "progress",
		type: broker.brokerFrame.progress,
		limits: broker.fromBrokerLimits,
		parse: broker.parseProgress,
		encode: broker.encodeProgress,
		values: [
			{ phase: "vmm", elapsedMs: 0 },
			{ phase: "\0".repeat(64), elapsedMs: huge, expectedMs: huge, instance: "disp-1a2b" },
		],
		optional: ["instance", "expectedMs"],
	}),
	messageOf({
		name: "ready",
		type: broker.brokerFrame.ready,
		limits: broker.fromBrokerLimits,
		parse: broker.parseReady,
		encode: broker.encodeReady,
		values: [
			{ vm: "shopping", boot: "9f3c", vsock: "/run/user/1000/qubes-lite/shopping/vsock" },
			{ vm: "\0".repeat(64), boot: "ffff", vsock: "\0".repeat(4096) },
		],
	}),
	messageOf({
		name: "granted",
		type: broker.brokerFrame.granted,
		limits: broker.fromBrokerLimits,
		parse: broker.parseGranted,
		encode: broker.encodeGranted,
		values: [
			{ ticket: Buffer.alloc(32, 0xa5), session: 1 },
			{ ticket: Buffer.alloc(32), session: huge },
		],
	}),
	messageOf({
		name: "refused",
		type: broker.brokerFrame.refused,
		limits: broker.fromBrokerLimits,
		parse: broker.parseRefused,
		encode: (value) => encodeJsonFrame(broker.brokerFrame.refused, value),
		values: [
			refusal("NoSuchVm", 'there is no vm called "shoping"', "qubes-lite ls"),
			refusal("Internal", "no remedy\nand two lines"),
		],
		optional: ["remedy"],
	}),
	messageOf({
		name: "notice",
		type: broker.brokerFrame.notice,
		limits: broker.fromBrokerLimits,
		parse: broker.parseNotice,
		encode: broker.encodeNotice,
		values: notices,
	}),
	...eventSamples.map(([name, values]) =>
		messageOf<events.BrokerEvent>({
			name: `${name} event`,
			type: broker.brokerFrame.event,
			limits: broker.fromBrokerLimits,
			parse: events.parseEvent,
			encode: events.encodeEvent,
			values,
			optional: ["phases.vmm", "phases.init"],
		}),
	),
	messageOf<readonly replies.VmStatus[]>({
		name: "list reply",
		type: broker.brokerFrame.reply,
		limits: broker.fromBrokerLimits,
		parse: (payload) => replies.parseStatusList(parseJson(payload)),
		encode: (vms) => broker.encodeReply({ vms }),
		values: [[], [status], [status, fullStatus]],
		optional: [0, 1].flatMap((n) => statusOptional.map((name) => `vms.${n}.${name}`)),
	}),
	messageOf({
		name: "status reply",
		type: broker.brokerFrame.reply,
		limits: broker.fromBrokerLimits,
		parse: (payload) => replies.parseStatusReply(parseJson(payload)),
		encode: (vm) => broker.encodeReply({ vm }),
		values: [status, fullStatus],
		optional: statusOptional.map((name) => `vm.${name}`),
	}),
	messageOf<readonly replies.SessionStatus[]>({
		name: "sessions reply",
		type: broker.brokerFrame.reply,
		limits: broker.fromBrokerLimits,
		parse: (payload) => replies.parseSessionList(parseJson(payload)),
		encode: (sessions) => broker.encodeReply({ sessions }),
		optional: [0, 1].flatMap((n) => [`sessions.${n}.processes`, `sessions.${n}.commandLine`]),
		/** In a full list nobody's names are that long, and only the first have room for their arguments. */
		values: [[sessionStatus], [largestStatus], Array(4_500).fill({ ...largestStatus, commandLine: null })],
	}),
];

const longTitle = "\0".repeat(titleMaxChars);
const ofDisplay: Message[] = [
	messageOf({
		name: "watch",
		type: display.displayFrame.watch,
		limits: display.toDisplayLimits,
		parse: display.parseWatch,
		encode: display.encodeWatch,
		values: [{ wayland: null }, { wayland: "\0".repeat(4096) }],
	}),
	messageOf({
		name: "state of a display",
		type: display.displayFrame.state,
		limits: display.fromDisplayLimits,
		parse: display.parseState,
		encode: display.encodeState,
		values: [
			{ helper: 1, windows: [{ id: 1, title: "Maps", app: "firefox" }], cut: null },
			{
				helper: 4_194_304,
				windows: Array(windowsMax).fill({ id: huge, title: longTitle, app: longTitle }),
				cut: longNotice,
			},
		],
	}),
	messageOf({
		name: "notice of a display",
		type: display.displayFrame.notice,
		limits: display.fromDisplayLimits,
		parse: display.parseNotice,
		encode: display.encodeNotice,
		values: notices,
	}),
	messageOf<display.ClipMove>({
		name: "moved",
		type: display.displayFrame.moved,
		limits: display.fromDisplayLimits,
		parse: display.parseMoved,
		encode: display.encodeMoved,
		values: [
			{ way: "copy", kind: "text", bytes: 0 },
			{ way: "paste", kind: "png", bytes: clipboardMaxBytes },
		],
	}),
];

/** As broker-client.ts reads a reply before it knows which. */
function parseJson(payload: Buffer): unknown {
	try {
		return JSON.parse(payload.toString("utf8"));
	} catch (cause) {
		throw new QubesLiteError("BadRequest", "the reply is not JSON", { cause });
	}
}

export const messages: readonly Message[] = [
	...fromAgent,
	...toAgent,
	...toClientOrAgent,
	...fromClient,
	...toClient,
	...toBroker,
	...fromBroker,
	...ofDisplay,
];
