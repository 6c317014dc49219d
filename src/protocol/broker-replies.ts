/** What `ls`, `status` and `ps` say in JSON: the objects of the broker's replies. Programs may rely on them (contracts: schema 1). */
import { QubesLiteError } from "../errors.ts";
import { Fields, pidMax } from "./fields.ts";
import { messageMaxBytes } from "./limits.ts";

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

/** One session of `ps --json`. */
export interface SessionStatus {
	readonly id: string;
	readonly vm: string;
	readonly session: number;
	readonly command: string;
	readonly user: string;
	/** Seconds since its command started. */
	readonly age: number;
	readonly tty: boolean;
	readonly detached: boolean;
	/** Process id of its client; 0: it has one, but we don't know which; null: none. */
	readonly client: number | null;
	/** "running", "exited 3", "ended by SIGTERM", or "left processes". */
	readonly state: string;
}

/** Of all vms together; a reply has room for them. */
export const sessionsListedMax = 8192;

/** A configuration has 127 at most, and disposables come and go beside them. */
const vmsMax = 1024;

export function parseStatusList(reply: unknown): VmStatus[] {
	return Fields.of("list reply", reply).list("vms", vmsMax, parseStatus);
}

export function parseStatusReply(reply: unknown): VmStatus {
	return parseStatus(Fields.of("status reply", reply).object("vm"));
}

export const parseSessionList = (reply: unknown): SessionStatus[] =>
	Fields.of("sessions reply", reply).list("sessions", sessionsListedMax, (item) => {
		const fields = Fields.of("sessions", item);
		return {
			id: fields.string("id", 64),
			vm: fields.string("vm", 64),
			session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER),
			command: fields.string("command", 64),
			user: fields.string("user", 64),
			age: fields.integer("age", 0, Number.MAX_SAFE_INTEGER),
			tty: fields.boolean("tty"),
			detached: fields.boolean("detached"),
			client: fields.isNull("client") ? null : fields.integer("client", 0, pidMax),
			state: fields.string("state", 64),
		};
	});

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
