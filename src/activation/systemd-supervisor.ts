/**
 * The supervisor of record: each vm is a unit of the systemd user manager, whoever starts and stops it. This broker asks over D-Bus,
 * and learns from signals what has become of each unit; what a signal says is looked up, so that none that is lost or late misleads.
 */
import { existsSync } from "node:fs";
import { concat, defer, from, NEVER, type Observable, Subject } from "rxjs";
import { QubesLiteError } from "../errors.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { endedOf, listEnded, readEnd, removeEnded } from "./ended-starts.ts";
import { ManagerConnection } from "./manager-connection.ts";
import { PlacedUnits, type VmUnit } from "./placed-units.ts";
import { toStartedPlan } from "./started-plan.ts";
import type { Adoption, RunningVmm, Supervisor } from "./supervisor.ts";
import { SystemdVmm } from "./systemd-vmm.ts";
import { parseUnitFileName, parseUnitName, toUnitFileName, unitPattern } from "./unit-names.ts";
import type { UnitPlaces } from "./unit-store.ts";
import { isAway, ManagerAway, toStartRefusal, toVariables, type UnitState, type UserManager } from "./user-manager.ts";

export interface SystemdSupervisorOptions {
	/** `$XDG_RUNTIME_DIR/qubes-lite`. */
	readonly runtimeDirectory: string;
	readonly places: UnitPlaces;
	/** A connected manager, subscribed; called again whenever its connection has gone. */
	readonly connect: () => Promise<UserManager>;
	readonly unitOf: (plan: LaunchPlan) => VmUnit;
	/** CLOCK_BOOTTIME. */
	readonly uptimeMs: () => number;
}

/** After daemon-reexec systemd is back within some hundred ms. */
const askAgainMs = 200;
const timesAskedMax = 25;
/** Of the starts whose end has been taken in, the latest are known: of earlier ones nobody tells any more. */
const endedMax = 256;
const upStates = new Set(["active", "activating", "reloading", "deactivating"]);

export class SystemdSupervisor implements Supervisor {
	readonly #options: SystemdSupervisorOptions;
	readonly #appeared = new Subject<RunningVmm>();
	/** What has appeared before anybody subscribed; undefined from then on. */
	#unseen: RunningVmm[] | undefined = [];
	readonly #vmms = new Map<string, SystemdVmm>();
	/** By unit: looks run one after the other, and one that is asked for while one waits is the same. */
	readonly #looks = new Map<string, { running: Promise<void>; again: boolean }>();
	/** The start of each unit whose end has been taken in last. */
	readonly #ended = new Map<string, string>();
	#hasAdopted = false;
	/** Units that we have asked to start: what appears there is the asker's. */
	readonly #starting = new Set<string>();
	readonly #units: PlacedUnits;
	readonly #connection: ManagerConnection;

	private constructor(options: SystemdSupervisorOptions, connection: ManagerConnection) {
		this.#options = options;
		this.#connection = connection;
		this.#units = new PlacedUnits(options.places, () => this.#manager);
		connection.changes.subscribe((unit) => {
			if (parseUnitName(unit) !== undefined) void this.#look(unit);
		});
		connection.gaps.subscribe(() => void this.#lookAtAll().catch(() => undefined));
	}

	/** Rejects where there is no user manager to be had. */
	static async connect(options: SystemdSupervisorOptions): Promise<SystemdSupervisor> {
		return new SystemdSupervisor(options, await ManagerConnection.open(options.connect));
	}

	get #manager(): UserManager {
		return this.#connection.manager;
	}

	get appeared(): Observable<RunningVmm> {
		return defer(() => {
			const unseen = this.#unseen ?? [];
			this.#unseen = undefined;
			return concat(from(unseen), this.#appeared);
		});
	}

	readonly endedUnseen = NEVER;

	/** What was seen is remembered, and looked at again with the next connection. */
	isHidden(): boolean {
		return false;
	}

	async adopt(): Promise<Adoption> {
		try {
			await this.#lookAtAll();
			/** Also one that was found running and has ended since: whoever takes it in takes in its end. */
			const seen = new Set([...this.#vmms.values(), ...(this.#unseen ?? [])].map(({ boot }) => boot));
			const ended = await listEnded(this.#options.runtimeDirectory, seen);
			return { running: this.#unseen?.splice(0) ?? [], ended };
		} finally {
			this.#hasAdopted = true;
		}
	}

	async sessionVariables(): Promise<ReadonlyMap<string, string>> {
		return toVariables(await this.#manager.ownEnvironment());
	}

	/** A unit that is up needs its file for its end. */
	async keepOnly(vms: ReadonlySet<string>): Promise<void> {
		await this.#units.removeUnwanted((file) => {
			const files = [...this.#vmms.keys(), ...this.#starting].map(toUnitFileName);
			const vm = parseUnitFileName(file);
			return vm === undefined || vms.has(vm) || files.includes(file);
		});
	}

	/**
	 * The unit's invocation is the start's token, so `boot` is not used. A bus or a systemd that goes away meanwhile is waited
	 * for: to ask again for what is there already does no harm.
	 */
	async start(plan: LaunchPlan, _boot: string, cancel?: AbortSignal): Promise<RunningVmm> {
		const vmUnit = this.#options.unitOf(plan);
		this.#starting.add(vmUnit.unit);
		const stop = (): void => void this.#manager.stop(vmUnit.unit).catch(() => undefined);
		cancel?.addEventListener("abort", stop);
		try {
			for (let asked = 1; ; asked++) {
				await this.#connection.untilConnected();
				try {
					return await this.#startUnit(plan.vm, vmUnit);
				} catch (cause) {
					const mayAsk =
						cancel?.aborted !== true && (!this.#connection.isConnected || (isAway(cause) && asked < timesAskedMax));
					if (!mayAsk) throw toStartRefusal(plan.vm, vmUnit.unit, cause);
				}
				await new Promise((resolve) => setTimeout(resolve, askAgainMs));
			}
		} finally {
			cancel?.removeEventListener("abort", stop);
			this.#starting.delete(vmUnit.unit);
		}
	}

	async #startUnit(vm: string, vmUnit: VmUnit): Promise<RunningVmm> {
		const { unit } = vmUnit;
		const before = await this.#units.place(vmUnit);
		const result = await this.#manager.start(unit);
		await this.#look(unit);
		return this.#vmms.get(unit) ?? (await this.#endedAtOnce(vm, unit, { before, result }));
	}

	/** Its main process has come and gone: a vmm like any other, and its last words are its reason. Else rejects with why it was not started. */
	async #endedAtOnce(
		vm: string,
		unit: string,
		{ before, result }: { readonly before: UnitState; readonly result: string },
	): Promise<RunningVmm> {
		const state = await this.#manager.state(unit);
		const { invocation } = state;
		/** It was not seen, since systemd was away just then. */
		if (upStates.has(state.active)) throw new ManagerAway();
		if (
			invocation === before.invocation &&
			!upStates.has(before.active) &&
			(result === "done" || result === "skipped")
		) {
			throw new QubesLiteError("BootFailed", `systemd has passed ${unit} over: a condition of it does not hold`, {
				remedy: `systemctl --user status ${unit}`,
			});
		}
		this.#noteEnded(unit, invocation);
		if (result === "assert") {
			throw new QubesLiteError("Busy", `${vm} is kept by the broker's own shim already, without systemd`, {
				remedy: `qubes-lite stop ${vm}`,
			});
		}
		const ended = this.#endedOf(vm, invocation);
		const end = await this.#manager.end(unit);
		if (result === "done" && invocation !== "") {
			const vmm = await this.#toVmm(unit, state);
			await vmm.noteEnd(end);
			return vmm;
		}
		const { log } = await readEnd(ended, end);
		if (invocation !== "") await removeEnded(ended);
		const said = /^qubes-lite: (.*?)(?:\. Try: (.*))?$/m.exec(log);
		throw new QubesLiteError("BootFailed", said?.[1] ?? `systemd could not start ${unit} (${result})`, {
			remedy: said?.[2] ?? `systemctl --user status ${unit}`,
		});
	}

	async #lookAtAll(): Promise<void> {
		const units = new Set([...(await this.#manager.list(unitPattern)), ...this.#vmms.keys()]);
		await Promise.all([...units].filter((unit) => parseUnitName(unit) !== undefined).map((unit) => this.#look(unit)));
	}

	/** Resolves when what the unit is now has been taken in; never rejects: a lost connection looks at all again. */
	#look(unit: string): Promise<void> {
		const look = this.#looks.get(unit);
		if (look !== undefined) {
			look.again = true;
			return look.running;
		}
		const entry = { running: Promise.resolve(), again: true };
		entry.running = (async () => {
			while (entry.again) {
				entry.again = false;
				await this.#takeIn(unit).catch(() => undefined);
			}
			this.#looks.delete(unit);
		})();
		this.#looks.set(unit, entry);
		return entry.running;
	}

	async #takeIn(unit: string): Promise<void> {
		const state = await this.#manager.state(unit);
		const known = this.#vmms.get(unit);
		const isUp = upStates.has(state.active);
		if (known !== undefined && (!isUp || known.boot !== state.invocation)) {
			const end = await this.#manager.end(unit);
			this.#vmms.delete(unit);
			this.#noteEnded(unit, known.boot);
			await known.noteEnd(end);
			/** Whoever waits for the end hears of it before they hear of a next start. */
			await new Promise(setImmediate);
		}
		const isNew = this.#vmms.get(unit) === undefined;
		if (isNew && !isUp) await this.#takeInEnd(unit, state);
		if (isNew && (!isUp || state.active === "activating")) return;
		const current = this.#vmms.get(unit) ?? (await this.#toVmm(unit, state));
		this.#vmms.set(unit, current);
		if (isNew && !this.#starting.has(unit)) this.#announce(current);
		/** Also of one that is found so: whoever stops it has started us to ask its guest. */
		if (state.active === "deactivating" && (await this.#manager.isBeingStopped(unit))) current.noteStopping();
	}

	/** Somebody else has started it, and it was over before we looked, or was refused: that has a reason, too, and left traces. */
	async #takeInEnd(unit: string, state: UnitState): Promise<void> {
		const { invocation } = state;
		if (!this.#hasAdopted || this.#starting.has(unit) || invocation === "" || this.#ended.get(unit) === invocation)
			return;
		this.#noteEnded(unit, invocation);
		const vmm = await this.#toVmm(unit, state);
		if (!existsSync(this.#endedOf(vmm.vm, invocation))) return;
		this.#announce(vmm);
		await new Promise(setImmediate);
		await vmm.noteEnd(await this.#manager.end(unit));
	}

	#noteEnded(unit: string, invocation: string): void {
		this.#ended.delete(unit);
		this.#ended.set(unit, invocation);
		const [oldest] = this.#ended.keys();
		if (oldest !== undefined && this.#ended.size > endedMax) this.#ended.delete(oldest);
	}

	#announce(vmm: RunningVmm): void {
		if (this.#unseen === undefined) this.#appeared.next(vmm);
		else this.#unseen.push(vmm);
	}

	async #toVmm(unit: string, state: UnitState): Promise<SystemdVmm> {
		const { runtimeDirectory, uptimeMs } = this.#options;
		const plan = toStartedPlan(unit, await this.#manager.environment(unit), runtimeDirectory);
		return new SystemdVmm({
			unit,
			boot: state.invocation,
			plan,
			startedAtUptimeMs: uptimeMs() - state.ageMs,
			ended: this.#endedOf(plan.vm, state.invocation),
			manager: () => this.#manager,
		});
	}

	#endedOf(vm: string, invocation: string): string {
		return endedOf(this.#options.runtimeDirectory, vm, invocation);
	}
}
