/** The systemd user manager over D-Bus (org.freedesktop.systemd1(5)): starts and signals units, and tells when they change. */
import { readFile } from "node:fs/promises";
import { concatMap, filter, map, type Observable, share } from "rxjs";
import type { BusSignal } from "../dbus/user-bus.ts";
import { BusError, UserBus } from "../dbus/user-bus.ts";
import { QubesLiteError } from "../errors.ts";
import { fromUnitPath, toUnitPath } from "./unit-names.ts";

const systemd = "org.freedesktop.systemd1";
const manager = { destination: systemd, path: "/org/freedesktop/systemd1", interface: `${systemd}.Manager` };
const bus = "org.freedesktop.DBus";
const properties = "org.freedesktop.DBus.Properties";

/** What a unit's state was at one instant. */
export interface UnitState {
	/** "active", "activating", "deactivating", "inactive", "failed". */
	readonly active: string;
	/** "loaded", "not-found", "bad-setting", "error", "masked". */
	readonly load: string;
	/** Fresh for each start; empty before the first. */
	readonly invocation: string;
	/** Its file; empty where there is none. */
	readonly file: string;
	/** How long ago it became active, ms, not counting the host's sleep. */
	readonly ageMs: number;
	/** The file has changed since it was loaded. */
	readonly needsReload: boolean;
}

/** How a service's last run ended (systemd.service(5), `Result`). */
export interface ServiceEnd {
	/** "success", "exit-code", "signal", "core-dump", "oom-kill", "timeout", … */
	readonly result: string;
	/** Exit status of its main process, or null. */
	readonly code: number | null;
	/** Number of the signal that ended it, or null. */
	readonly signal: number | null;
}

/** si_code of a child's end (waitid(2)), as ExecMainCode has it. */
const childEnds = { exited: 1, killed: 2, dumped: 3 } as const;

/** systemd was away for a moment (daemon-reexec), or its bus: what was asked of it may be asked again. */
export class ManagerAway extends Error {}

/** D-Bus specification, "Error names": nobody of that name, or they left before they had answered. */
const awayErrors = ["NoReply", "ServiceUnknown", "NameHasNoOwner", "Disconnected", "Timeout"].map(
	(name) => `org.freedesktop.DBus.Error.${name}`,
);

export const isAway = (cause: unknown): boolean =>
	cause instanceof ManagerAway || (cause instanceof BusError && awayErrors.includes(cause.errorName));

export class UserManager {
	readonly #bus: UserBus;
	/**
	 * systemd is on the bus again, after daemon-reexec: what it would have told meanwhile is lost. Who subscribes gets its
	 * signals again.
	 */
	readonly returned: Observable<void>;

	constructor(bus: UserBus) {
		this.#bus = bus;
		this.returned = bus.signals.pipe(
			filter(({ member, body }) => member === "NameOwnerChanged" && body[0] === systemd && body[2] !== ""),
			concatMap(() => this.#askForSignals().catch(() => undefined)),
			share(),
		);
	}

	/** Asks for the signals, with match rules that stay. Rejects where no user manager is on the bus. */
	async subscribe(): Promise<void> {
		const from = `type='signal',sender='${systemd}'`;
		await Promise.all([
			this.#bus.addMatch(`${from},interface='${properties}',member='PropertiesChanged',arg0='${systemd}.Unit'`),
			this.#bus.addMatch(`${from},path='${manager.path}',member='JobRemoved'`),
			this.#bus.addMatch(
				`type='signal',sender='${bus}',interface='${bus}',member='NameOwnerChanged',arg0='${systemd}'`,
			),
			this.#askForSignals(),
		]);
	}

	async #askForSignals(): Promise<void> {
		try {
			await this.#bus.call({ ...manager, member: "Subscribe" });
		} catch (cause) {
			if (!(cause instanceof BusError && cause.errorName === `${systemd}.AlreadySubscribed`)) throw cause;
		}
	}

	close(): void {
		this.#bus.close();
	}

	/** Names of units whose state may have changed. */
	get changes(): Observable<string> {
		return this.#bus.signals.pipe(
			map(({ path, member, body }) => (member === "JobRemoved" ? body[2] : fromUnitPath(path))),
			filter((unit) => typeof unit === "string"),
		);
	}

	get closed(): Promise<void> {
		return this.#bus.closed;
	}

	/** systemd's version, such as 252; 0 where it can't be told. */
	async version(): Promise<number> {
		const value = await this.#get(manager.path, manager.interface, "Version");
		return Number(/\d+/.exec(String(value))?.[0] ?? 0);
	}

	/**
	 * Starts it and waits for the job, however long that takes: resolves with its result ("done", "failed", "dependency", …, as
	 * JobRemoved has it). Throws BusError where there can't be a job: NoSuchUnit, UnitMasked, BadUnitSetting, …; and
	 * ManagerAway where the result may not have been told.
	 */
	async start(unit: string): Promise<string> {
		const removed = new Map<string, string>();
		const { promise, resolve } = Promise.withResolvers<string>();
		let job: string | undefined;
		const lost = Promise.withResolvers<never>();
		lost.promise.catch(() => undefined);
		const forget = this.#bus.onClose(() => lost.reject(new ManagerAway()));
		const subscription = this.#bus.signals.subscribe((signal) => {
			const ended = toJobEnd(signal);
			if (ended === undefined || ended.unit !== unit) return;
			removed.set(ended.job, ended.result);
			if (ended.job === job) resolve(ended.result);
		});
		subscription.add(this.returned.subscribe(() => lost.reject(new ManagerAway())));
		try {
			const body = [unit, "replace"];
			job = String((await this.#bus.call({ ...manager, member: "StartUnit", signature: "ss", body }))[0]);
			return removed.get(job) ?? (await Promise.race([promise, lost.promise]));
		} finally {
			forget();
			subscription.unsubscribe();
		}
	}

	/** Asks for its end, also in the place of a start that is under way, and does not wait for it. */
	async stop(unit: string): Promise<void> {
		const body = [unit, "replace"];
		await this.#ignoreAbsence(this.#bus.call({ ...manager, member: "StopUnit", signature: "ss", body }));
	}

	/** Ends it and starts it again, and does not wait for that. */
	async restart(unit: string): Promise<void> {
		await this.#bus.call({ ...manager, member: "RestartUnit", signature: "ss", body: [unit, "replace"] });
	}

	/** Sends a signal to all of its processes; nothing happens if there are none. */
	async kill(unit: string, signal: number): Promise<void> {
		const body = [unit, "all", signal];
		await this.#ignoreAbsence(this.#bus.call({ ...manager, member: "KillUnit", signature: "ssi", body }));
	}

	/** Forgets that it failed. */
	async resetFailed(unit: string): Promise<void> {
		await this.#ignoreAbsence(this.#bus.call({ ...manager, member: "ResetFailedUnit", signature: "s", body: [unit] }));
	}

	/** Reads all unit files anew. */
	async reload(): Promise<void> {
		await this.#bus.call({ ...manager, member: "Reload" });
	}

	/** Names of loaded units that match a glob. */
	async list(pattern: string): Promise<string[]> {
		const call = { ...manager, member: "ListUnitsByPatterns", signature: "asas", body: [[], [pattern]] };
		const [units] = await this.#bus.call(call);
		return (units as unknown[][]).map((unit) => String(unit[0]));
	}

	async state(unit: string): Promise<UnitState> {
		const all = await this.#getAll(toUnitPath(unit), `${systemd}.Unit`);
		return {
			active: String(all.get("ActiveState")),
			load: String(all.get("LoadState")),
			invocation: Buffer.from((all.get("InvocationID") ?? []) as number[]).toString("hex"),
			file: String(all.get("FragmentPath") ?? ""),
			ageMs: toAgeMs(all.get("ActiveEnterTimestampMonotonic")),
			needsReload: all.get("NeedDaemonReload") === true,
		};
	}

	/** Somebody has asked for its end, if only to start it again. */
	async isBeingStopped(unit: string): Promise<boolean> {
		const [id, job] = (await this.#get(toUnitPath(unit), `${systemd}.Unit`, "Job")) as [number, string];
		if (id === 0) return false;
		const type = await this.#get(job, `${systemd}.Job`, "JobType").catch(() => "");
		return type === "stop" || type === "restart";
	}

	/** What the manager gives to all that it starts. */
	async ownEnvironment(): Promise<readonly string[]> {
		return (await this.#get(manager.path, manager.interface, "Environment")) as string[];
	}

	/**
	 * Variables that the unit's file sets, as it was when its main process, the shim, was started: the file may be another one by now. Of one that
	 * does not run, as the file is.
	 */
	async environment(unit: string): Promise<Map<string, string>> {
		const pid = (await this.#get(toUnitPath(unit), `${systemd}.Service`, "MainPID")) as number;
		const own = pid === 0 ? "" : await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
		if (own !== "") return toVariables(own.split("\0"));
		const list = (await this.#get(toUnitPath(unit), `${systemd}.Service`, "Environment")) as string[];
		return toVariables(list);
	}

	async end(unit: string): Promise<ServiceEnd> {
		const path = toUnitPath(unit);
		const names = ["Result", "ExecMainCode", "ExecMainStatus"] as const;
		const [result, how, status] = await Promise.all(names.map((name) => this.#get(path, `${systemd}.Service`, name)));
		const isSignal = how === childEnds.killed || how === childEnds.dumped;
		return {
			result: String(result),
			code: how === childEnds.exited ? Number(status) : null,
			signal: isSignal ? Number(status) : null,
		};
	}

	async #get(path: string, name: string, property: string): Promise<unknown> {
		const call = { destination: systemd, path, interface: properties, member: "Get" };
		const [value] = await this.#bus.call({ ...call, signature: "ss", body: [name, property] });
		return UserBus.unwrap(value);
	}

	async #getAll(path: string, name: string): Promise<Map<string, unknown>> {
		const call = { destination: systemd, path, interface: properties, member: "GetAll" };
		const [all] = await this.#bus.call({ ...call, signature: "s", body: [name] });
		return new Map(Object.entries(all as object).map(([key, value]) => [key, UserBus.unwrap(value)]));
	}

	async #ignoreAbsence(call: Promise<unknown>): Promise<void> {
		try {
			await call;
		} catch (cause) {
			if (!(cause instanceof BusError && cause.errorName === `${systemd}.NoSuchUnit`)) throw cause;
		}
	}
}

/** From µs of CLOCK_MONOTONIC, which is what hrtime() counts. */
function toAgeMs(enteredAt: unknown): number {
	return Math.max(0, Number(process.hrtime.bigint() / 1000n - BigInt(enteredAt as bigint)) / 1000);
}

/** JobRemoved(u id, o job, s unit, s result). */
function toJobEnd({ member, body }: BusSignal): { job: string; unit: string; result: string } | undefined {
	if (member !== "JobRemoved") return undefined;
	const [, job, unit, result] = body;
	const isSo = typeof job === "string" && typeof unit === "string" && typeof result === "string";
	return isSo ? { job, unit, result } : undefined;
}

/** What a refusal of StartUnit means for who wants the vm. */
export function toStartRefusal(vm: string, unit: string, cause: unknown): QubesLiteError {
	if (!(cause instanceof BusError)) return QubesLiteError.from(cause);
	const kind = cause.errorName.slice(`${systemd}.`.length);
	/** What is missing may also be what ours requires. */
	const isOurs = cause.message.includes(unit);
	const known: Record<string, readonly [string, string]> = {
		UnitMasked: [`${unit} is masked, so ${vm} can't be started`, `systemctl --user unmask ${unit}`],
		...(isOurs ? { NoSuchUnit: [`systemd has no unit ${unit}`, "qubes-lite install"] } : {}),
		BadUnitSetting: [
			`${unit} has a setting that systemd does not take: ${cause.message}`,
			`systemd-analyze --user verify ${unit}`,
		],
	};
	const [sentence, remedy] = known[kind] ?? [];
	return new QubesLiteError("BootFailed", sentence ?? `systemd does not start ${unit}: ${cause.message}`, {
		remedy: remedy ?? `systemctl --user status ${unit}`,
		cause,
	});
}

/** "NAME=value", each. */
export const toVariables = (list: readonly string[]): Map<string, string> =>
	new Map(list.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]));
