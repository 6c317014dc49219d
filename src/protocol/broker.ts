/**
 * What clients and the broker say to each other on broker.sock: one request per connection, then answers.
 *
 *   client → broker   request [exec]      the exec bytes follow a run request, the attach bytes an attach request
 *   broker → client   progress…, ready, granted | reply | refused
 *
 * `hold` has no answer while all is well: a client whose broker was replaced during its session tells the next one that it
 * is there, so that its end is seen. After `granted` the connection stays open for as long as the session runs: its end tells
 * the broker that the client is gone. A connection that closes before granted, reply or refused means that the broker went
 * away (it may leave when nothing runs, or be restarted); nothing has been run then, and the client asks again.
 */

import { Fields, pidMax } from "./fields.ts";
import { encodeFrame, encodeJsonFrame, type FrameLimits } from "./frame.ts";
import { execMaxBytes, messageMaxBytes, ticketBytes } from "./limits.ts";
import { bootTagBytes } from "./session-id.ts";
import { agreeOnVersion, ourVersions, parseVersions } from "./version.ts";

export const brokerFrame = {
	request: 0x41,
	exec: 0x42,
	progress: 0x51,
	ready: 0x52,
	granted: 0x53,
	reply: 0x54,
	refused: 0x55,
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
]);

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
	| { readonly method: "list" }
	| { readonly method: "status"; readonly vm: string }
	| { readonly method: "start"; readonly vm: string }
	| { readonly method: "stop"; readonly vm: string; readonly force: boolean };

/** Opens a session. */
export interface RunRequest {
	readonly method: "run";
	readonly vm: string;
	/** In a fresh instance of `vm` that is gone afterwards. "" as `vm` is the default one. */
	readonly disposable: boolean;
	readonly start: boolean;
	/** Bounds the wait until the command may start, ms; 0 is no bound but bootTimeout. */
	readonly timeoutMs: number;
	/** The client's process, for people to find. */
	readonly pid: number;
}

export interface Progress {
	/** Where the boot is: "vmm", "init", "root", "agent", or why it waits: "shutdown". */
	readonly phase: string;
	readonly elapsedMs: number;
}

/** The vm is up: the way to it. */
export interface Ready {
	/** An instance of a disposable has a name of its own. */
	readonly vm: string;
	readonly boot: string;
	/** Path of its hybrid vsock. */
	readonly vsock: string;
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
export const encodeReply = (value: object): Buffer => encodeJsonFrame(brokerFrame.reply, value);

/** No name of a vm is longer than 12 characters; longer ones get their own error after a look at the name. */
const untrustedNameMax = 4096;
const dayMs = 24 * 3600 * 1000;

const methods = ["run", "attach", "hold", "sessions", "list", "status", "start", "stop"] as const;

export function parseRequest(payload: Uint8Array): BrokerRequest {
	const fields = Fields.parse("request", payload);
	agreeOnVersion("this client", parseVersions(fields));
	const method = fields.oneOf("method", methods);
	if (method === "list") return { method };
	if (method === "sessions" && fields.isNull("vm")) return { method, vm: null };
	const vm = fields.string("vm", untrustedNameMax);
	const timeoutMs = (): number => fields.integer("timeoutMs", 0, dayMs);
	const pid = (): number => fields.integer("pid", 1, pidMax);
	switch (method) {
		case "run":
			return {
				...{ method, vm, disposable: fields.boolean("disposable"), start: fields.boolean("start") },
				...{ timeoutMs: timeoutMs(), pid: pid() },
			};
		case "attach":
			return { method, vm, boot: fields.isNull("boot") ? null : bootOf(fields), timeoutMs: timeoutMs(), pid: pid() };
		case "hold": {
			const session = fields.integer("session", 1, Number.MAX_SAFE_INTEGER);
			return { method, vm, boot: bootOf(fields), session, pid: pid() };
		}
		case "stop":
			return { method, vm, force: fields.boolean("force") };
		default:
			return { method, vm };
	}
}

const bootOf = (fields: Fields): string => fields.hex("boot", bootTagBytes);

export function parseProgress(payload: Uint8Array): Progress {
	const fields = Fields.parse("progress", payload);
	return {
		phase: fields.string("phase", 64),
		elapsedMs: fields.integer("elapsedMs", 0, Number.MAX_SAFE_INTEGER),
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

export function parseRefused(payload: Uint8Array): { code: string; message: string; remedy: string | undefined } {
	const fields = Fields.parse("refused", payload);
	return {
		code: fields.string("code", 32),
		message: fields.string("message", messageMaxBytes),
		remedy: fields.optionalString("remedy", messageMaxBytes),
	};
}
