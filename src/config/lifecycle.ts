/** The keys of a vm that say when it boots, idles, pauses and stops. Seconds in the file, milliseconds in the program. */
import * as v from "valibot";
import { isJsonObject } from "./json.ts";
import { idleActions, type Settings, secondsRule } from "./settable.ts";
import { isVmName, vmNameRule } from "./vm-name.ts";
import { wholeNumber } from "./whole-number.ts";

export interface Lifecycle {
	/** True: shut down when its last lease goes, and whatever it wrote is gone. */
	readonly disposable: boolean;
	/** How long the vm stays without a lease; 0 is for ever. */
	readonly idleTimeoutMs: number;
	/** What idleTimeout leads to. A paused vm keeps its memory, takes no processor time, and is resumed for whoever comes. */
	readonly idleAction: (typeof idleActions)[number];
	/** What a reboot of its guest leads to: the vm's end, as a power-off, or another boot. */
	readonly rebootAction: (typeof rebootActions)[number];
	/** How long it stays paused until it is stopped; 0 is for ever. */
	readonly pauseTimeoutMs: number;
	/** How long it runs at most, whatever holds it; 0 is for ever. */
	readonly maxLifetimeMs: number;
	/** How long a boot may take until the agent's hello. */
	readonly bootTimeoutMs: number;
	/** The bounds of a shutdown's steps, each harsher than the one before. */
	readonly shutdown: {
		readonly askMs: number;
		readonly buttonMs: number;
		readonly terminateMs: number;
		readonly killMs: number;
	};
	/** Names of vms that are booted before this one, and stay up as long as it does. */
	readonly dependsOn: readonly string[];
}

const rebootActions = ["stop", "restart"] as const;

export const defaultLifecycle: Lifecycle = {
	disposable: false,
	idleTimeoutMs: 0,
	idleAction: "stop",
	rebootAction: "stop",
	pauseTimeoutMs: 0,
	maxLifetimeMs: 0,
	bootTimeoutMs: 60_000,
	// A guest that takes 20 s to shut down is normal; a vmm that takes more than a moment to die is not.
	shutdown: { askMs: 30_000, buttonMs: 10_000, terminateMs: 5_000, killMs: 10_000 },
	dependsOn: [],
};

const upToAYear = wholeNumber(secondsRule.least, secondsRule.most, secondsRule.what);
/** An hour: a boot, or a step of a shutdown, that takes longer is stuck, and somebody waits. */
const upToAnHour = wholeNumber(1, 3600, "a whole number of seconds");
/** These do not wait for the guest. */
const upToAMinute = wholeNumber(1, 60, "a whole number of seconds");

const { shutdown, bootTimeoutMs } = defaultLifecycle;

export const shutdownEntries = {
	ask: v.optional(upToAnHour, shutdown.askMs / 1000),
	powerButton: v.optional(upToAnHour, shutdown.buttonMs / 1000),
	terminate: v.optional(upToAMinute, shutdown.terminateMs / 1000),
	kill: v.optional(upToAMinute, shutdown.killMs / 1000),
};

export const lifecycleEntries = {
	disposable: v.optional(v.boolean("true or false"), false),
	idleTimeout: v.optional(upToAYear, 0),
	idleAction: v.optional(v.picklist(idleActions, '"stop" or "pause"'), "stop"),
	rebootAction: v.optional(v.picklist(rebootActions, '"stop" or "restart"'), "stop"),
	pauseTimeout: v.optional(upToAYear, 0),
	maxLifetime: v.optional(upToAYear, 0),
	bootTimeout: v.optional(upToAnHour, bootTimeoutMs / 1000),
	shutdown: v.optional(
		v.pipe(v.custom<object>(isJsonObject, "an object of seconds"), v.strictObject(shutdownEntries)),
		{},
	),
	dependsOn: v.optional(
		v.pipe(
			v.array(v.pipe(v.string(vmNameRule), v.check(isVmName, vmNameRule)), "a list of names of vms"),
			// As many as there are ids, but for itself.
			v.maxLength(126, "at most 126 names"),
			v.readonly(),
		),
		[],
	),
};

/** Of a vm's whole configuration. */
export function lifecycleOf(vm: Lifecycle): Lifecycle {
	const { disposable, idleTimeoutMs, idleAction, rebootAction, pauseTimeoutMs, maxLifetimeMs } = vm;
	const { bootTimeoutMs, shutdown, dependsOn } = vm;
	return {
		...{ disposable, idleTimeoutMs, idleAction, rebootAction, pauseTimeoutMs, maxLifetimeMs },
		...{ bootTimeoutMs, shutdown, dependsOn },
	};
}

type Parsed = { readonly [Key in keyof typeof lifecycleEntries]: v.InferOutput<(typeof lifecycleEntries)[Key]> };

/** From the file's seconds. */
export function toLifecycle(parsed: Parsed): Lifecycle {
	const { ask, powerButton, terminate, kill } = parsed.shutdown;
	return {
		disposable: parsed.disposable,
		idleTimeoutMs: parsed.idleTimeout * 1000,
		idleAction: parsed.idleAction,
		rebootAction: parsed.rebootAction,
		pauseTimeoutMs: parsed.pauseTimeout * 1000,
		maxLifetimeMs: parsed.maxLifetime * 1000,
		bootTimeoutMs: parsed.bootTimeout * 1000,
		shutdown: { askMs: ask * 1000, buttonMs: powerButton * 1000, terminateMs: terminate * 1000, killMs: kill * 1000 },
		dependsOn: parsed.dependsOn,
	};
}

/** What can be set of a vm that runs. */
export type Settable = Pick<Lifecycle, "idleTimeoutMs" | "idleAction" | "pauseTimeoutMs" | "maxLifetimeMs">;

/** From seconds, as far as they are given. */
export function toSettable({ idleTimeout, idleAction, pauseTimeout, maxLifetime }: Settings): Partial<Settable> {
	return {
		...(idleTimeout !== undefined && { idleTimeoutMs: idleTimeout * 1000 }),
		...(idleAction !== undefined && { idleAction }),
		...(pauseTimeout !== undefined && { pauseTimeoutMs: pauseTimeout * 1000 }),
		...(maxLifetime !== undefined && { maxLifetimeMs: maxLifetime * 1000 }),
	};
}

/** And back. */
export function toSettings(settable: Partial<Settable> & { readonly memoryMiB?: number }): Settings {
	const { idleTimeoutMs, idleAction, pauseTimeoutMs, maxLifetimeMs, memoryMiB } = settable;
	return {
		...(idleTimeoutMs !== undefined && { idleTimeout: idleTimeoutMs / 1000 }),
		...(idleAction !== undefined && { idleAction }),
		...(pauseTimeoutMs !== undefined && { pauseTimeout: pauseTimeoutMs / 1000 }),
		...(maxLifetimeMs !== undefined && { maxLifetime: maxLifetimeMs / 1000 }),
		...(memoryMiB !== undefined && { memory: memoryMiB }),
	};
}
