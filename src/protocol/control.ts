/**
 * The control connection: the agent dials the host's port 5001, says hello once everything behind the guest's port
 * 5000 listens, and is answered with welcome. Afterwards the agent beats and the broker announces tickets.
 *
 *   agent → broker   hello, heartbeat, expected
 *   broker → agent   welcome, expect, clientGone, poweroff
 */

import { Fields } from "./fields.ts";
import { encodeJsonFrame, type FrameLimits } from "./frame.ts";
import { hashBytes, messageMaxBytes, sessionsMax, ticketLifeMs } from "./limits.ts";

export const controlFrame = {
	hello: 0x21,
	heartbeat: 0x22,
	expected: 0x23,
	welcome: 0x31,
	expect: 0x32,
	clientGone: 0x33,
	poweroff: 0x34,
} as const;

export const fromAgentLimits: FrameLimits = new Map([
	/** A hello lists as many sessions as a heartbeat does. */
	[controlFrame.hello, messageMaxBytes],
	[controlFrame.heartbeat, messageMaxBytes],
	[controlFrame.expected, 256],
]);

export const toAgentLimits: FrameLimits = new Map([
	[controlFrame.welcome, 256],
	[controlFrame.expect, 1024],
	[controlFrame.clientGone, 256],
	[controlFrame.poweroff, 256],
]);

/** Random per boot; a re-hello of the same boot carries the same one. */
export const nonceBytes = 16;

/** Seconds of uptime are enough for a phase that began: a year in milliseconds. */
const uptimeMaxMs = 366 * 24 * 3600 * 1000;

export interface AgentHello {
	readonly version: number;
	readonly nonce: string;
	/** What the agent says it serves; the broker knows better (the vm's directory) and only compares. */
	readonly vm: string;
	/** Guest uptime at which each phase began, in ms. */
	readonly phases: readonly { readonly name: string; readonly uptimeMs: number }[];
	/** Sessions and living cgroups, as in a heartbeat: an adopting broker learns them at once. */
	readonly sessions: readonly number[];
	readonly cgroups: readonly number[];
	/** The highest session number ever used in this boot. */
	readonly lastSession: number;
}

/** Sent every heartbeatIntervalMs, and at once when a session begins or ends or its cgroup empties. */
export interface Heartbeat {
	/** From 1 up, by one each; a reordered or repeated one is dropped by the host. */
	readonly seq: number;
	/** Sessions whose command has not ended, or whose streams are not yet drained. */
	readonly sessions: readonly number[];
	/** Ended sessions whose cgroup still has processes: double forks count. */
	readonly cgroups: readonly number[];
	readonly memory: { readonly totalKiB: number; readonly availableKiB: number };
}

/** Announces the one session that a ticket opens. */
export interface Expect {
	readonly session: number;
	/** SHA-256 of the ticket, hex. */
	readonly ticketHash: string;
	/** SHA-256 of the exec bytes, hex. */
	readonly execHash: string;
	readonly lifeMs: number;
}

export interface Expected {
	readonly session: number;
	readonly accepted: boolean;
}

/** The broker counts on from here: a guest must not be able to exhaust the numbers. */
const sessionNumberMax = 2 ** 31;

const kiBMax = 2 ** 40;

export const encodeHello = (hello: AgentHello): Buffer => encodeJsonFrame(controlFrame.hello, hello);
export const encodeHeartbeat = (beat: Heartbeat): Buffer => encodeJsonFrame(controlFrame.heartbeat, beat);
/** `accepted` is false where the agent holds too many tickets. */
export const encodeExpected = (expected: Expected): Buffer => encodeJsonFrame(controlFrame.expected, expected);
export const encodeWelcome = (version: number): Buffer => encodeJsonFrame(controlFrame.welcome, { version });
export const encodeExpect = (expect: Expect): Buffer => encodeJsonFrame(controlFrame.expect, expect);
export const encodeClientGone = (session: number): Buffer => encodeJsonFrame(controlFrame.clientGone, { session });
/** Within `graceMs` commands may end by themselves (TERM), then they are killed and the guest powers off. */
export const encodePoweroff = (graceMs: number): Buffer => encodeJsonFrame(controlFrame.poweroff, { graceMs });

export function parseHello(payload: Uint8Array): AgentHello {
	const fields = Fields.parse("hello", payload);
	return {
		version: fields.integer("version", 1, 0xffff),
		nonce: fields.hex("nonce", nonceBytes),
		vm: fields.string("vm", 64),
		phases: fields.list("phases", 8, (item) => {
			const phase = Fields.of("hello.phases", item);
			return { name: phase.string("name", 16), uptimeMs: phase.integer("uptimeMs", 0, uptimeMaxMs) };
		}),
		sessions: fields.ids("sessions", sessionsMax),
		cgroups: fields.ids("cgroups", sessionsMax),
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
		memory: {
			totalKiB: memory.integer("totalKiB", 0, kiBMax),
			availableKiB: memory.integer("availableKiB", 0, kiBMax),
		},
	};
}

export const parseVersion = (what: string, payload: Uint8Array): number =>
	Fields.parse(what, payload).integer("version", 1, 0xffff);

export function parseExpected(payload: Uint8Array): Expected {
	const fields = Fields.parse("expected", payload);
	return {
		session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER),
		accepted: fields.boolean("accepted"),
	};
}

export const parseSessionId = (what: string, payload: Uint8Array): number =>
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

export const parsePoweroff = (payload: Uint8Array): number =>
	Fields.parse("poweroff", payload).integer("graceMs", 0, 3_600_000);
