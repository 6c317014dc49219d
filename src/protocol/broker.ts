/**
 * What clients and the broker say to each other on broker.sock: one request per connection, then answers.
 *
 *   client → broker   request [exec]      the exec bytes follow a run request, the attach bytes an attach request
 *   broker → client   progress…, ready, granted | reply | event… | refused
 *
 * `inhibit` is answered by a reply, and holds the vm until the connection ends.
 * `hold` has no answer while all is well: a client whose broker was replaced during its session tells the next one that it
 * is there, so that its end is seen; it and a run hear notices meanwhile: what keeps the vm's windows from being shown. After `granted` the connection stays open for as long as the session runs: its end tells
 * the broker that the client is gone. A connection that closes before granted, reply or refused means that the broker went
 * away (it may leave when nothing runs, or be restarted); nothing has been run then, and the client asks again.
 */

import { socketPathMaxBytes } from "../launch-plan.ts";
import { Fields, pidMax } from "./fields.ts";
import { encodeFrame, encodeJsonFrame, type FrameLimits } from "./frame.ts";
import { execMaxBytes, labelMaxChars, messageMaxBytes, noticeMaxChars, ticketBytes } from "./limits.ts";
import { bootTagBytes } from "./session-id.ts";
import { parseWireSettings, type WireSettings } from "./settings.ts";
import { agreeOnVersion, ourVersions, parseVersions } from "./version.ts";

export const brokerFrame = {
	request: 0x41,
	exec: 0x42,
	progress: 0x51,
	ready: 0x52,
	granted: 0x53,
	reply: 0x54,
	refused: 0x55,
	event: 0x56,
	notice: 0x57,
} as const;

export const toBrokerLimits: FrameLimits = new Map([
	[brokerFrame.request, messageMaxBytes],
	[brokerFrame.exec, execMaxBytes],
]);

/** A reply lists at most the 127 vms of a configuration with their sessions. */
const replyMaxBytes = 4 * 1024 * 1024;

export const fromBrokerLimits: FrameLimits = new Map([
	[brokerFrame.progress, messageMaxBytes],
	[brokerFrame.ready, messageMaxBytes],
	[brokerFrame.granted, messageMaxBytes],
	[brokerFrame.reply, replyMaxBytes],
	[brokerFrame.refused, messageMaxBytes],
	[brokerFrame.event, messageMaxBytes],
	[brokerFrame.notice, messageMaxBytes],
]);

/** When the user asked, however often it is sent: CLOCK_MONOTONIC, ms. Absent: by a client that does not say; now. */
interface Asked {
	readonly askedAt?: number | undefined;
}

export type BrokerRequest =
	| RunRequest
	/** Opens a connection to a session that has none. `boot` as in SessionId; null where the user did not say. */
	| {
			readonly method: "attach";
			readonly vm: string;
			readonly boot: string | null;
			readonly timeoutMs: number;
			readonly pid: number;
	  }
	| {
			readonly method: "hold";
			readonly vm: string;
			readonly boot: string;
			readonly session: number;
			readonly pid: number;
	  }
	/** Of one vm, or of all that run. */
	| { readonly method: "sessions"; readonly vm: string | null }
	/** What a vm is at and what happens to it, or all of them, for as long as the connection is open. */
	| { readonly method: "events"; readonly vm: string | null }
	/** Of the broker itself. */
	| { readonly method: "broker" }
	| { readonly method: "list" }
	| { readonly method: "status"; readonly vm: string }
	/** Where the console of a vm is that is up; boots none. */
	| { readonly method: "console"; readonly vm: string }
	/** Where what is copied in a vm that is up can be read, or put. */
	| { readonly method: "clip"; readonly vm: string; readonly way: ClipWay }
	/** Keeps it from stopping by idleness for as long as the connection is open; boots nothing. */
	| {
			readonly method: "inhibit";
			readonly vm: string;
			/** Who does, for people. */
			readonly label: string;
			readonly pid: number;
	  }
	/** Of one that runs, until its stop. */
	| { readonly method: "set"; readonly vm: string; readonly settings: WireSettings }
	| (Asked & { readonly method: "start"; readonly vm: string })
	| (Asked & { readonly method: "stop"; readonly vm: string; readonly force: boolean });

/** copy: from the vm to the host; paste: the other way. */
export const clipWays = ["copy", "paste"] as const;
export type ClipWay = (typeof clipWays)[number];

/** Opens a session. */
export interface RunRequest extends Asked {
	readonly method: "run";
	readonly vm: string;
	/** In a fresh instance of `vm` that is gone afterwards. "" as `vm` is the default one. */
	readonly disposable: boolean;
	/** The instance that an earlier broker has made for this very request; another one where there is none of that name any more. */
	readonly instance?: string | undefined;
	readonly start: boolean;
	/** Bounds the wait until the command may start, ms; 0 is no bound but bootTimeout. */
	readonly timeoutMs: number;
	/** The client's process, for people to find. */
	readonly pid: number;
	/** Path of the compositor's socket that its user has. Absent: it has none. */
	readonly wayland?: string | undefined;
}

export interface Progress {
	/**
	 * "asked" at once; then where the boot is: "vmm", "init", "root", "agent", or the vm's state: "shutdown" for a stop, or where
	 * a start waits for it.
	 */
	readonly phase: string;
	readonly elapsedMs: number;
	/** What elapsedMs will be when it is ready, if this boot takes as long as they usually do. Absent: nobody knows. */
	readonly expectedMs?: number | undefined;
	/** The instance that was made for the request. */
	readonly instance?: string | undefined;
}

/** The vm is up: the way to it. */
export interface Ready {
	/** An instance of a disposable has a name of its own. */
	readonly vm: string;
	readonly boot: string;
	/** Path of its hybrid vsock. */
	readonly vsock: string;
}

/** While a session runs: something that whoever looks at it should know. */
export interface Notice {
	readonly message: string;
	readonly remedy: string | null;
}

export interface Granted {
	readonly ticket: Buffer;
	readonly session: number;
}

export const encodeRequest = (request: BrokerRequest): Buffer =>
	encodeJsonFrame(brokerFrame.request, { ...ourVersions, ...request });
export const encodeExecBytes = (exec: Buffer): Buffer => encodeFrame(brokerFrame.exec, exec);
export const encodeProgress = (progress: Progress): Buffer => encodeJsonFrame(brokerFrame.progress, progress);
export const encodeReady = (ready: Ready): Buffer => encodeJsonFrame(brokerFrame.ready, ready);
export const encodeGranted = (granted: Granted): Buffer =>
	encodeJsonFrame(brokerFrame.granted, { ticket: granted.ticket.toString("hex"), session: granted.session });
export const encodeNotice = ({ message, remedy }: Notice): Buffer =>
	encodeJsonFrame(brokerFrame.notice, { message, remedy });
export const encodeReply = (value: object): Buffer => encodeJsonFrame(brokerFrame.reply, value);

/** No name of a vm is longer than 12 characters; longer ones get their own error after a look at the name. */
const untrustedNameMax = 4096;
const dayMs = 24 * 3600 * 1000;

const methods = [
	...["run", "attach", "hold", "sessions", "broker", "list", "status", "console"],
	...["start", "stop", "set", "inhibit", "events", "clip"],
] as const;

export function parseRequest(payload: Uint8Array): BrokerRequest {
	const fields = Fields.parse("request", payload);
	agreeOnVersion("this client", parseVersions(fields));
	const method = fields.oneOf("method", methods);
	if (method === "broker" || method === "list") return { method };
	if ((method === "sessions" || method === "events") && fields.isNull("vm")) return { method, vm: null };
	const vm = fields.string("vm", untrustedNameMax);
	const timeoutMs = (): number => fields.integer("timeoutMs", 0, dayMs);
	const pid = (): number => fields.integer("pid", 1, pidMax);
	switch (method) {
		case "run":
			return {
				...{ method, vm, disposable: fields.boolean("disposable"), start: fields.boolean("start") },
				...{ timeoutMs: timeoutMs(), pid: pid(), ...askedOf(fields), ...instanceOf(fields) },
				...(fields.has("wayland") && { wayland: fields.string("wayland", socketPathMaxBytes) }),
			};
		case "attach":
			return { method, vm, boot: fields.isNull("boot") ? null : bootOf(fields), timeoutMs: timeoutMs(), pid: pid() };
		case "hold": {
			const session = fields.integer("session", 1, Number.MAX_SAFE_INTEGER);
			return { method, vm, boot: bootOf(fields), session, pid: pid() };
		}
		case "stop":
			return { method, vm, force: fields.boolean("force"), ...askedOf(fields) };
		case "start":
			return { method, vm, ...askedOf(fields) };
		case "inhibit":
			return { method, vm, label: fields.string("label", labelMaxChars), pid: pid() };
		case "clip":
			return { method, vm, way: fields.oneOf("way", clipWays) };
		case "set":
			return { method, vm, settings: parseWireSettings(fields, "settings") };
		default:
			return { method, vm };
	}
}

const askedOf = (fields: Fields): Asked =>
	fields.has("askedAt") ? { askedAt: fields.integer("askedAt", 0, Number.MAX_SAFE_INTEGER) } : {};

const instanceOf = (fields: Fields): { readonly instance?: string } =>
	fields.has("instance") ? { instance: fields.string("instance", untrustedNameMax) } : {};

const bootOf = (fields: Fields): string => fields.hex("boot", bootTagBytes);

export function parseProgress(payload: Uint8Array): Progress {
	const fields = Fields.parse("progress", payload);
	return {
		phase: fields.string("phase", 64),
		elapsedMs: fields.integer("elapsedMs", 0, Number.MAX_SAFE_INTEGER),
		...(fields.has("expectedMs") && { expectedMs: fields.integer("expectedMs", 0, Number.MAX_SAFE_INTEGER) }),
		...instanceOf(fields),
	};
}

export function parseReady(payload: Uint8Array): Ready {
	const fields = Fields.parse("ready", payload);
	return { vm: fields.string("vm", 64), boot: bootOf(fields), vsock: fields.string("vsock", 4096) };
}

export function parseGranted(payload: Uint8Array): Granted {
	const fields = Fields.parse("granted", payload);
	return {
		ticket: Buffer.from(fields.hex("ticket", ticketBytes), "hex"),
		session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER),
	};
}

export function parseNotice(payload: Uint8Array): Notice {
	const fields = Fields.parse("notice", payload);
	return {
		message: fields.string("message", noticeMaxChars),
		remedy: fields.isNull("remedy") ? null : fields.string("remedy", noticeMaxChars),
	};
}

export function parseRefused(payload: Uint8Array): { code: string; message: string; remedy: string | undefined } {
	const fields = Fields.parse("refused", payload);
	return {
		code: fields.string("code", 32),
		message: fields.string("message", messageMaxBytes),
		remedy: fields.optionalString("remedy", messageMaxBytes),
	};
}
