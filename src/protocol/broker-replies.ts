/** What `ls`, `status` and `ps` say in JSON: the objects of the broker's replies. Programs may rely on them (contracts: schema 1). */

import { QubesLiteError } from "../errors.ts";
import { bootPhases, type PhaseTimes } from "./boot-phases.ts";
import { type VmColor, vmColors } from "./colors.ts";
import { Fields, pidMax } from "./fields.ts";
import { commandLineMaxChars, messageMaxBytes, noticeMaxChars } from "./limits.ts";
import { parseWireSettings, type WireSettings } from "./settings.ts";

/** What the machine does; words of design.md. */
export type VmState = (typeof vmStates)[number];

/** One vm as `ls --json` and `status --json` show it. */
export interface VmStatus {
	readonly name: string;
	readonly id: number;
	readonly state: VmState;
	/** Beside the state: preloaded, paused, unresponsive, reconnecting, vmmAlive, notConfigured. */
	readonly flags: readonly string[];
	/** When it came into this state, wall clock, ISO 8601. */
	readonly since: string;
	/** One sentence: why it is in this state, where there is something to say. */
	readonly reason: string | null;
	/** A command, or an advice, that helps where the reason is a fault. */
	readonly remedy: string | null;
	/** What keeps it up. */
	readonly leases: readonly LeaseStatus[];
	readonly sessions: number;
	/** When it will be shut down if nothing happens, ISO 8601. */
	readonly stopsAt: string | null;
	/** When it will be paused if nothing happens, ISO 8601. */
	readonly pausesAt: string | null;
	/** Until when runs don't boot it, since it has failed to boot again and again, ISO 8601. */
	readonly coolsUntil: string | null;
	readonly disposable: boolean;
	readonly network: boolean;
	/** Seconds; 0: never. */
	readonly idleTimeout: number;
	/** What idleTimeout leads to. */
	readonly idleAction: "stop" | "pause";
	/** Seconds; 0: never. */
	readonly pauseTimeout: number;
	/** Seconds; 0: for ever. */
	readonly maxLifetime: number;
	/** Names of the vms that it needs. */
	readonly dependsOn: readonly string[];
	/** How many instances of it are to be kept ready. */
	readonly preload: number;
	/** The colour by which people know it; null: none. */
	readonly color: VmColor | null;
	/** What `set` has changed until its stop, by the keys of the configuration, in seconds. */
	readonly set: WireSettings;
	/** Of what runs; 0: not known. */
	readonly memoryMiB: number;
	/** What its guest could still give to programs; null: nobody knows, or nobody has asked. */
	readonly availableMiB: number | null;
	/** Why it has no windows any more in this boot, as a sentence; null: nothing is known against it. */
	readonly displayCut: string | null;
	readonly cpus: number;
	/** The same and `network` as the configuration has them for its next boot; null where nothing differs. */
	readonly next: NextBoot | null;
	readonly hypervisor: string | null;
	/** Who keeps the vmm: "systemd" or "direct"; null while none runs. */
	readonly supervisor: string | null;
	/** Process id of the vmm. */
	readonly pid: number | null;
	/** While booting: how far it has come; "dependencies": it waits for the vms that it depends on. */
	readonly phase: string | null;
	/** Of this boot, or the last one: ms from the start of the vmm to each phase that its console has told of. */
	readonly phases: PhaseTimes;
	/** Duration of this boot until ready, ms. */
	readonly bootMs: number | null;
	/** How long it usually takes, ms; null where that is not known. */
	readonly usualBootMs: number | null;
}

/** One reason why it may not be stopped by idleness. */
export interface LeaseStatus {
	/** "request", "ticket", "announced", "session", "cgroup", "window", "inhibitor" or "dependant". */
	readonly kind: string;
	/** What it is, for people. */
	readonly words: string;
	/** ISO 8601. */
	readonly since: string;
}

export interface NextBoot extends Pick<VmStatus, "memoryMiB" | "cpus" | "network"> {
	/** Keys of the configuration that will hold then and don't now, besides these three. */
	readonly others: readonly string[];
}

/** The broker itself, as `status --json` shows it. */
export interface BrokerStatus {
	readonly version: string;
	readonly pid: number;
	/** Path of the configuration; null: there is none, and the embedded default is used. */
	readonly config: string | null;
	/** Who keeps the vmm processes. */
	readonly supervisor: Supervisor;
	/** How many vms there are, instances of disposables included, and how many of them are not stopped and have not failed. */
	readonly vms: number;
	readonly running: number;
}

const supervisors = ["systemd", "direct"] as const;

export type Supervisor = (typeof supervisors)[number];

/** One session of `ps --json`. */
export interface SessionStatus {
	readonly id: string;
	readonly vm: string;
	readonly session: number;
	/** The last part of its path. */
	readonly command: string;
	/** With its arguments, as a shell would read it; cut where it is long. null: only its guest knows, which an earlier broker has told of it. */
	readonly commandLine: string | null;
	readonly user: string;
	/** Seconds since its command started. */
	readonly age: number;
	readonly tty: boolean;
	readonly detached: boolean;
	/** Process id of its client; 0: it has one, but we don't know which; null: none. */
	readonly client: number | null;
	/** "running", "exited 3", "ended by SIGTERM", or "left processes". */
	readonly state: string;
	/** How many it has, those that it left behind included; null: its guest does not say. */
	readonly processes: number | null;
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

export function parseBrokerStatus(reply: unknown): BrokerStatus {
	const fields = Fields.of("broker reply", reply).object("broker");
	return {
		version: fields.string("version", 64),
		pid: fields.integer("pid", 1, pidMax),
		config: fields.isNull("config") ? null : fields.string("config", messageMaxBytes),
		supervisor: fields.oneOf("supervisor", supervisors),
		vms: fields.integer("vms", 0, vmsMax),
		running: fields.integer("running", 0, vmsMax),
	};
}

export const parseSessionList = (reply: unknown): SessionStatus[] =>
	Fields.of("sessions reply", reply).list("sessions", sessionsListedMax, (item) => {
		const fields = Fields.of("sessions", item);
		return {
			id: fields.string("id", 64),
			vm: fields.string("vm", 64),
			session: fields.integer("session", 1, Number.MAX_SAFE_INTEGER),
			command: fields.string("command", 64),
			commandLine:
				!fields.has("commandLine") || fields.isNull("commandLine")
					? null
					: fields.string("commandLine", commandLineMaxChars),
			user: fields.string("user", 64),
			age: fields.integer("age", 0, Number.MAX_SAFE_INTEGER),
			tty: fields.boolean("tty"),
			detached: fields.boolean("detached"),
			client: fields.isNull("client") ? null : fields.integer("client", 0, pidMax),
			state: fields.string("state", 64),
			processes:
				!fields.has("processes") || fields.isNull("processes") ? null : fields.integer("processes", 0, 2 ** 32),
		};
	});

/** The vm's directory, where its console's files are (launch-plan.ts: vmFiles). */
export const parseDirectoryReply = (reply: unknown): string =>
	Fields.of("console reply", reply).string("directory", 4096);

const parseNextBoot = (fields: Fields): NextBoot => ({
	memoryMiB: fields.integer("memoryMiB", 0, 2 ** 32),
	cpus: fields.integer("cpus", 0, cpusMax),
	network: fields.boolean("network"),
	/** A broker of before says none. */
	others: fields.has("others") ? fields.list("others", 64, parseKey) : [],
});

function parseKey(item: unknown): string {
	if (typeof item === "string" && item.length <= 64) return item;
	throw new QubesLiteError("BadRequest", "the status message needs others: keys");
}

/** The configuration's own bound. */
const cpusMax = 255;

export const vmStates = ["stopped", "booting", "ready", "idle", "shutdown", "failed"] as const;

export const parseFlags = (fields: Fields): string[] =>
	fields.list("flags", 4096, (word) => {
		if (typeof word !== "string") throw new QubesLiteError("BadRequest", "the status message needs flags: words");
		return word.slice(0, 256);
	});

/** A broker of before has none of it. */
function parseLifecycle(
	fields: Fields,
): Pick<VmStatus, "idleAction" | "pauseTimeout" | "maxLifetime" | "dependsOn" | "preload" | "color"> {
	const count = (name: string): number => (fields.has(name) ? fields.integer(name, 0, 2 ** 32) : 0);
	return {
		idleAction: fields.has("idleAction") ? fields.oneOf("idleAction", ["stop", "pause"] as const) : "stop",
		pauseTimeout: count("pauseTimeout"),
		maxLifetime: count("maxLifetime"),
		dependsOn: fields.has("dependsOn") ? parseNames(fields) : [],
		preload: count("preload"),
		color: fields.has("color") && !fields.isNull("color") ? fields.oneOf("color", vmColors) : null,
	};
}

const parseNames = (fields: Fields): string[] =>
	fields.list("dependsOn", 126, (name) => {
		if (typeof name === "string" && name.length <= 64) return name;
		throw new QubesLiteError("BadRequest", "the status message needs dependsOn: names");
	});

function parseLease(item: unknown): LeaseStatus {
	const fields = Fields.of("status", item);
	return { kind: fields.string("kind", 32), words: fields.string("words", 1024), since: fields.string("since", 64) };
}

const duration = (fields: Fields, name: string): number => fields.integer(name, 0, Number.MAX_SAFE_INTEGER);

const parsePhases = (fields: Fields): PhaseTimes =>
	Object.fromEntries(bootPhases.flatMap((phase) => (fields.has(phase) ? [[phase, duration(fields, phase)]] : [])));

function parseStatus(item: unknown): VmStatus {
	const fields = item instanceof Fields ? item : Fields.of("status", item);
	const orNull = <T>(name: string, read: () => T): T | null => (fields.isNull(name) ? null : read());
	return {
		name: fields.string("name", 64),
		id: fields.integer("id", 0, 2 ** 32),
		state: fields.oneOf("state", vmStates),
		flags: parseFlags(fields),
		since: fields.string("since", 64),
		reason: orNull("reason", () => fields.string("reason", messageMaxBytes)),
		/** A broker of before has none. */
		remedy: fields.has("remedy") ? orNull("remedy", () => fields.string("remedy", messageMaxBytes)) : null,
		leases: fields.list("leases", 4096, parseLease),
		sessions: fields.integer("sessions", 0, 2 ** 32),
		stopsAt: orNull("stopsAt", () => fields.string("stopsAt", 64)),
		pausesAt: fields.has("pausesAt") ? orNull("pausesAt", () => fields.string("pausesAt", 64)) : null,
		coolsUntil: fields.has("coolsUntil") ? orNull("coolsUntil", () => fields.string("coolsUntil", 64)) : null,
		disposable: fields.boolean("disposable"),
		network: fields.boolean("network"),
		idleTimeout: fields.integer("idleTimeout", 0, 2 ** 32),
		...parseLifecycle(fields),
		// A broker of before has none.
		set: fields.has("set") ? parseWireSettings(fields, "set") : {},
		memoryMiB: fields.integer("memoryMiB", 0, 2 ** 32),
		/** A broker of before has none. */
		availableMiB: fields.has("availableMiB")
			? orNull("availableMiB", () => fields.integer("availableMiB", 0, 2 ** 32))
			: null,
		/** A broker of before has none. */
		displayCut: fields.has("displayCut")
			? orNull("displayCut", () => fields.string("displayCut", noticeMaxChars))
			: null,
		// An older broker says neither.
		cpus: fields.has("cpus") ? fields.integer("cpus", 0, cpusMax) : 0,
		next: fields.has("next") ? orNull("next", () => parseNextBoot(fields.object("next"))) : null,
		hypervisor: orNull("hypervisor", () => fields.string("hypervisor", 64)),
		supervisor: orNull("supervisor", () => fields.string("supervisor", 64)),
		pid: orNull("pid", () => fields.integer("pid", 1, 2 ** 32)),
		phase: orNull("phase", () => fields.string("phase", 64)),
		/** A broker of before has neither this nor `usualBootMs`. */
		phases: fields.has("phases") ? parsePhases(fields.object("phases")) : {},
		bootMs: orNull("bootMs", () => duration(fields, "bootMs")),
		usualBootMs: fields.has("usualBootMs") ? orNull("usualBootMs", () => duration(fields, "usualBootMs")) : null,
	};
}
