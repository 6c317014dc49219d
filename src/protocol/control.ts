/**
 * The control connection: the agent dials the host's port 5001, says hello once everything behind the guest's port
 * 5000 listens, and is answered with welcome. Afterwards the agent beats and the broker announces tickets.
 *
 *   agent → broker   hello, heartbeat, expected, sessions
 *   broker → agent   welcome, seen, expect, clientGone, list, resumed, poweroff
 */

import { Fields } from "./fields.ts";
import { encodeJsonFrame, type FrameLimits } from "./frame.ts";
import {
	endedKeptMax,
	endedToldMax,
	hashBytes,
	messageMaxBytes,
	sessionsMax,
	ticketLifeMs,
	ticketsMax,
} from "./limits.ts";
import { type CommandEnd, parseCommandEnd } from "./session.ts";
import { ourVersions, parseVersions, type Versions } from "./version.ts";

export const controlFrame = {
	hello: 0x21,
	heartbeat: 0x22,
	expected: 0x23,
	sessions: 0x24,
	welcome: 0x31,
	expect: 0x32,
	clientGone: 0x33,
	poweroff: 0x34,
	list: 0x35,
	/** Answers a heartbeat: an agent that gets none has lost its broker, whatever the transport says. */
	seen: 0x36,
	/** From version 3 on: its vm stood still, and runs again. */
	resumed: 0x37,
} as const;

/** One session in the list: most have 200 bytes, but JSON writes some characters of its names in six. */
const sessionListedMaxBytes = 1100;
const sessionListMaxBytes = (sessionsMax + endedKeptMax) * sessionListedMaxBytes;

export const fromAgentLimits: FrameLimits = new Map([
	/** A hello lists as many sessions as a heartbeat does. */
	[controlFrame.hello, messageMaxBytes],
	[controlFrame.heartbeat, messageMaxBytes],
	[controlFrame.expected, 256],
	[controlFrame.sessions, sessionListMaxBytes],
]);

export const toAgentLimits: FrameLimits = new Map([
	[controlFrame.welcome, 256],
	[controlFrame.expect, 1024],
	[controlFrame.clientGone, 256],
	[controlFrame.poweroff, 256],
	[controlFrame.list, 256],
	[controlFrame.seen, 256],
	[controlFrame.resumed, 256],
]);

/** Random per boot; a re-hello of the same boot carries the same one. */
export const nonceBytes = 16;

/** Mixed into the guest's random pool after a pause: as much as the kernel's own seed. */
export const entropyBytes = 32;

/** What a clock may be set to: 2020 to 2100, in ms since 1970. */
const wallMinMs = Date.UTC(2020);
const wallMaxMs = Date.UTC(2100);

/** Seconds of uptime are enough for a phase that began: a year in milliseconds. */
const uptimeMaxMs = 366 * 24 * 3600 * 1000;

export interface AgentHello extends Versions {
	readonly nonce: string;
	/** What the agent says it serves; the broker knows better (the vm's directory) and only compares. */
	readonly vm: string;
	/** Guest uptime at which each phase began, in ms. */
	readonly phases: readonly { readonly name: string; readonly uptimeMs: number }[];
	/** Sessions, living cgroups and tickets, as in a heartbeat: an adopting broker learns them at once. */
	readonly sessions: readonly number[];
	readonly cgroups: readonly number[];
	readonly tickets?: readonly number[];
	/** The highest session number ever used in this boot. */
	readonly lastSession: number;
}

/** Sent every heartbeatIntervalMs, and at once when a ticket, a session or a cgroup comes or goes. */
export interface Heartbeat {
	/** From 1 up, by one each; a reordered or repeated one is dropped by the host. */
	readonly seq: number;
	/** Sessions whose command has not ended, or whose streams are not yet drained. */
	readonly sessions: readonly number[];
	/** Ended sessions whose cgroup still has processes: double forks count. */
	readonly cgroups: readonly number[];
	/** Announced, not shown yet, and not expired. Absent: none. */
	readonly tickets?: readonly number[];
	/** Sessions whose command has ended, and how: in each heartbeat until one that had it was answered. Absent: none. */
	readonly ended?: readonly EndedSession[];
	readonly memory: { readonly totalKiB: number; readonly availableKiB: number };
}

export interface EndedSession {
	readonly session: number;
	readonly end: CommandEnd;
}

/** One session, as the agent lists it on request. Guest-derived: for people to read, never to decide by. */
export interface SessionFacts {
	readonly session: number;
	/** The last part of the command's path. */
	readonly command: string;
	readonly user: string;
	/** Since the command was started, on the guest's monotonic clock. */
	readonly ageMs: number;
	readonly isTerminal: boolean;
	/** It may go on without a client, and be attached to. */
	readonly isDetached: boolean;
	readonly hasClient: boolean;
	/** null while it runs. */
	readonly end: CommandEnd | null;
	/** It has ended, but processes that it left behind have not. */
	readonly leftProcesses: boolean;
	/** How many it has now, those it left behind included. Absent: by an agent that does not say. */
	readonly processes?: number;
}

/** Announces the one session that a ticket opens, or the one attachment: an attachment has a number of its own. */
export interface Expect {
	readonly session: number;
	/** SHA-256 of the ticket, hex. */
	readonly ticketHash: string;
	/** SHA-256 of the exec or attach bytes, hex. */
	readonly execHash: string;
	readonly lifeMs: number;
}

export interface Expected {
	readonly session: number;
	readonly accepted: boolean;
	/** Where it is not: the guest is powering off, as an earlier broker asked it to. Absent: no. */
	readonly goingDown?: boolean;
}

/** Its clock has fallen behind by the pause, and whoever saw its memory meanwhile knows what its random pool will give. */
export interface Resumed {
	/** Now, by the host's clock, in ms since 1970. */
	readonly wallMs: number;
	/** Fresh, hex. */
	readonly entropy: string;
}

/** The broker counts on from here: a guest must not be able to exhaust the numbers. */
const sessionNumberMax = 2 ** 31;

const kiBMax = 2 ** 40;

/** PID_MAX_LIMIT of a 64-bit kernel. */
const processesMax = 2 ** 22;

export const encodeHello = (hello: AgentHello): Buffer => encodeJsonFrame(controlFrame.hello, hello);
export const encodeHeartbeat = (beat: Heartbeat): Buffer => encodeJsonFrame(controlFrame.heartbeat, beat);
/** `accepted` is false where the agent holds too many tickets, or is going down. */
export const encodeExpected = (expected: Expected): Buffer => encodeJsonFrame(controlFrame.expected, expected);
export const encodeSessions = (sessions: readonly SessionFacts[]): Buffer =>
	encodeJsonFrame(controlFrame.sessions, { sessions });
export const encodeWelcome = (versions: Versions = ourVersions): Buffer =>
	encodeJsonFrame(controlFrame.welcome, versions);
/** Answered with sessions. */
export const encodeList = (): Buffer => encodeJsonFrame(controlFrame.list, {});
export const encodeExpect = (expect: Expect): Buffer => encodeJsonFrame(controlFrame.expect, expect);
export const encodeClientGone = (session: number): Buffer => encodeJsonFrame(controlFrame.clientGone, { session });
export const encodeSeen = (seq: number): Buffer => encodeJsonFrame(controlFrame.seen, { seq });
/** Answered with a heartbeat. */
export const encodeResumed = (resumed: Resumed): Buffer => encodeJsonFrame(controlFrame.resumed, resumed);
/** Within `graceMs` commands may end by themselves (TERM), then they are killed and the guest powers off. */
export const encodePoweroff = (graceMs: number): Buffer => encodeJsonFrame(controlFrame.poweroff, { graceMs });

export function parseHello(payload: Uint8Array): AgentHello {
	const fields = Fields.parse("hello", payload);
	return {
		...parseVersions(fields),
		nonce: fields.hex("nonce", nonceBytes),
		vm: fields.string("vm", 64),
		phases: fields.list("phases", 8, (item) => {
			const phase = Fields.of("hello.phases", item);
			return { name: phase.string("name", 16), uptimeMs: phase.integer("uptimeMs", 0, uptimeMaxMs) };
		}),
		sessions: fields.ids("sessions", sessionsMax),
		cgroups: fields.ids("cgroups", sessionsMax),
		...parseTickets(fields),
		lastSession: fields.integer("lastSession", 0, sessionNumberMax),
	};
}

export function parseHeartbeat(payload: Uint8Array): Heartbeat {
	const fields = Fields.parse("heartbeat", payload);
	const memory = fields.object("memory");
	return {
		seq: fields.integer("seq", 1, Number.MAX_SAFE_INTEGER),
		sessions: fields.ids("sessions", sessionsMax),
		cgroups: fields.ids("cgroups", sessionsMax),
		...parseTickets(fields),
		...parseEnded(fields),
		memory: {
			totalKiB: memory.integer("totalKiB", 0, kiBMax),
			availableKiB: memory.integer("availableKiB", 0, kiBMax),
		},
	};
}

const parseTickets = (fields: Fields): Pick<Heartbeat, "tickets"> =>
	fields.has("tickets") ? { tickets: fields.ids("tickets", ticketsMax) } : {};

const parseEnded = (fields: Fields): Pick<Heartbeat, "ended"> =>
	fields.has("ended")
		? {
				ended: fields.list("ended", endedToldMax, (item) => {
					const ended = Fields.of("heartbeat.ended", item);
					const session = ended.integer("session", 1, Number.MAX_SAFE_INTEGER);
					return { session, end: parseCommandEnd(ended.object("end")) };
				}),
			}
		: {};

export const parseWelcome = (payload: Uint8Array): Versions => parseVersions(Fields.parse("welcome", payload));

export const parseSessions = (payload: Uint8Array): SessionFacts[] =>
	Fields.parse("sessions", payload).list("sessions", sessionsMax + endedKeptMax, (item) => {
		const fields = Fields.of("sessions", item);
		return {
			session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER),
			command: fields.string("command", 64),
			user: fields.string("user", 64),
			ageMs: fields.integer("ageMs", 0, Number.MAX_SAFE_INTEGER),
			isTerminal: fields.boolean("isTerminal"),
			isDetached: fields.boolean("isDetached"),
			hasClient: fields.boolean("hasClient"),
			end: fields.isNull("end") ? null : parseCommandEnd(fields.object("end")),
			leftProcesses: fields.boolean("leftProcesses"),
			...(fields.has("processes") ? { processes: fields.integer("processes", 0, processesMax) } : {}),
		};
	});

export function parseExpected(payload: Uint8Array): Expected {
	const fields = Fields.parse("expected", payload);
	return {
		session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER),
		accepted: fields.boolean("accepted"),
		...(fields.has("goingDown") ? { goingDown: fields.boolean("goingDown") } : {}),
	};
}

export const parseSessionNumber = (what: string, payload: Uint8Array): number =>
	Fields.parse(what, payload).integer("session", 1, Number.MAX_SAFE_INTEGER);

export function parseExpect(payload: Uint8Array): Expect {
	const fields = Fields.parse("expect", payload);
	return {
		session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER),
		ticketHash: fields.hex("ticketHash", hashBytes),
		execHash: fields.hex("execHash", hashBytes),
		lifeMs: fields.integer("lifeMs", 1, ticketLifeMs),
	};
}

export const parseSeen = (payload: Uint8Array): number =>
	Fields.parse("seen", payload).integer("seq", 1, Number.MAX_SAFE_INTEGER);

export function parseResumed(payload: Uint8Array): Resumed {
	const fields = Fields.parse("resumed", payload);
	return { wallMs: fields.integer("wallMs", wallMinMs, wallMaxMs), entropy: fields.hex("entropy", entropyBytes) };
}

export const parsePoweroff = (payload: Uint8Array): number =>
	Fields.parse("poweroff", payload).integer("graceMs", 0, 3_600_000);
