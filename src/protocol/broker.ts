/**
 * What clients and the broker say to each other on broker.sock: one request per connection, then answers.
 *
 *   client → broker   request [exec]      exec, the exec bytes, follows a run request
 *   broker → client   progress…, ready, granted | reply | refused
 *
 * After `granted` the connection stays open for as long as the session runs: its end tells the broker that the client
 * is gone. A connection that closes before granted, reply or refused means that the broker went away (it may leave
 * when nothing runs, or be restarted); nothing has been run then, and the client asks again.
 */

import { QubesLiteError } from "../errors.ts";
import { Fields } from "./fields.ts";
import { encodeFrame, encodeJsonFrame, type FrameLimits } from "./frame.ts";
import { execMaxBytes, messageMaxBytes, ticketBytes } from "./limits.ts";

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
	/** Opens a session. timeoutMs bounds the wait until the command may start; 0 is no bound but bootTimeout. */
	| { readonly method: "run"; readonly vm: string; readonly start: boolean; readonly timeoutMs: number }
	| { readonly method: "list" }
	| { readonly method: "status"; readonly vm: string }
	| { readonly method: "start"; readonly vm: string }
	| { readonly method: "stop"; readonly vm: string; readonly force: boolean };

/** What the machine does; words of design.md. */
export type VmState = "stopped" | "booting" | "ready" | "idle" | "shutdown" | "failed";

/** One vm as `ls --json` and `status --json` show it. */
export interface VmStatus {
	readonly name: string;
	readonly id: number;
	readonly state: VmState;
	/** Beside the state: unresponsive, reconnecting, vmmAlive, notConfigured. */
	readonly flags: readonly string[];
	/** When it came into this state, wall clock, ISO 8601. */
	readonly since: string;
	/** One sentence: why it is in this state, where there is something to say. */
	readonly reason: string | null;
	/** What keeps it up. */
	readonly leases: readonly string[];
	readonly sessions: number;
	/** When it will be shut down if nothing happens, ISO 8601. */
	readonly stopsAt: string | null;
	readonly disposable: boolean;
	readonly network: boolean;
	readonly idleTimeout: number;
	readonly memoryMiB: number;
	readonly hypervisor: string | null;
	/** Process id of the vmm. */
	readonly pid: number | null;
	/** While booting: how far it has come. */
	readonly phase: string | null;
	/** Duration of this boot until ready, ms. */
	readonly bootMs: number | null;
}

export interface Progress {
	/** Where the boot is: "vmm", "init", "root", "agent", or why it waits: "shutdown". */
	readonly phase: string;
	readonly elapsedMs: number;
}

export interface Granted {
	readonly ticket: Buffer;
	readonly session: number;
}

export const encodeRequest = (request: BrokerRequest): Buffer =>
	encodeJsonFrame(brokerFrame.request, { version: 1, ...request });
export const encodeExecBytes = (exec: Buffer): Buffer => encodeFrame(brokerFrame.exec, exec);
export const encodeProgress = (progress: Progress): Buffer => encodeJsonFrame(brokerFrame.progress, progress);
export const encodeReady = (vsock: string): Buffer => encodeJsonFrame(brokerFrame.ready, { vsock });
export const encodeGranted = (granted: Granted): Buffer =>
	encodeJsonFrame(brokerFrame.granted, { ticket: granted.ticket.toString("hex"), session: granted.session });
export const encodeReply = (value: object): Buffer => encodeJsonFrame(brokerFrame.reply, value);

/** No name of a vm is longer than 12 characters; longer ones get their own error after a look at the name. */
const untrustedNameMax = 4096;
const dayMs = 24 * 3600 * 1000;

export function parseRequest(payload: Uint8Array): BrokerRequest {
	const fields = Fields.parse("request", payload);
	fields.integer("version", 1, 1);
	const method = fields.oneOf("method", ["run", "list", "status", "start", "stop"] as const);
	if (method === "list") return { method };
	const vm = fields.string("vm", untrustedNameMax);
	if (method === "stop") return { method, vm, force: fields.boolean("force") };
	if (method !== "run") return { method, vm };
	return { method, vm, start: fields.boolean("start"), timeoutMs: fields.integer("timeoutMs", 0, dayMs) };
}

export function parseProgress(payload: Uint8Array): Progress {
	const fields = Fields.parse("progress", payload);
	return {
		phase: fields.string("phase", 64),
		elapsedMs: fields.integer("elapsedMs", 0, Number.MAX_SAFE_INTEGER),
	};
}

export const parseReady = (payload: Uint8Array): string => Fields.parse("ready", payload).string("vsock", 4096);

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

const vmsMax = 1024;

export function parseStatusList(reply: unknown): VmStatus[] {
	return Fields.of("list reply", reply).list("vms", vmsMax, parseStatus);
}

export function parseStatusReply(reply: unknown): VmStatus {
	return parseStatus(Fields.of("status reply", reply).object("vm"));
}

const states = ["stopped", "booting", "ready", "idle", "shutdown", "failed"] as const satisfies readonly VmState[];

function parseStatus(item: unknown): VmStatus {
	const fields = item instanceof Fields ? item : Fields.of("status", item);
	const words = (name: string): string[] =>
		fields.list(name, 4096, (word) => {
			if (typeof word !== "string") throw new QubesLiteError("BadRequest", `the status message needs ${name}: words`);
			return word.slice(0, 256);
		});
	const orNull = <T>(name: string, read: () => T): T | null => (fields.isNull(name) ? null : read());
	return {
		name: fields.string("name", 64),
		id: fields.integer("id", 0, 2 ** 32),
		state: fields.oneOf("state", states),
		flags: words("flags"),
		since: fields.string("since", 64),
		reason: orNull("reason", () => fields.string("reason", messageMaxBytes)),
		leases: words("leases"),
		sessions: fields.integer("sessions", 0, 2 ** 32),
		stopsAt: orNull("stopsAt", () => fields.string("stopsAt", 64)),
		disposable: fields.boolean("disposable"),
		network: fields.boolean("network"),
		idleTimeout: fields.integer("idleTimeout", 0, 2 ** 32),
		memoryMiB: fields.integer("memoryMiB", 0, 2 ** 32),
		hypervisor: orNull("hypervisor", () => fields.string("hypervisor", 64)),
		pid: orNull("pid", () => fields.integer("pid", 1, 2 ** 32)),
		phase: orNull("phase", () => fields.string("phase", 64)),
		bootMs: orNull("bootMs", () => fields.integer("bootMs", 0, Number.MAX_SAFE_INTEGER)),
	};
}
