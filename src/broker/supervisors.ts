/**
 * Which supervisor keeps the vms: systemd where a user manager is to be had, else ourselves. Finding out takes as long as all the
 * rest of a broker's start, so whoever asks for nothing that depends on it does not wait.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import { concat, from, merge, mergeMap, type Observable, ReplaySubject } from "rxjs";
import { createDirectSupervisor } from "../activation/direct-supervisor.ts";
import type { VmUnit } from "../activation/placed-units.ts";
import type { Adoption, EndedVmm, RunningVmm, Supervisor } from "../activation/supervisor.ts";
import { findMissingFeatures } from "../activation/systemd-features.ts";
import { SystemdSupervisor } from "../activation/systemd-supervisor.ts";
import { brokerUnits } from "../activation/unit-names.ts";
import { isUnitThere } from "../activation/unit-traces.ts";
import { UserManager } from "../activation/user-manager.ts";
import type { Config } from "../config/schema.ts";
import { UserBus } from "../dbus/user-bus.ts";
import { busPackages, findUserBus, toBusProblem } from "../dbus/user-bus-place.ts";
import { QubesLiteError } from "../errors.ts";
import { toInstallCommand } from "../host/install-command.ts";
import { unitHomeOf } from "../host/xdg.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { shellWord } from "../shell-word.ts";
import { hiddenError } from "./vm-errors.ts";

export interface SupervisorOptions {
	/** As the configuration has it now. */
	readonly choice: () => Config["supervisor"];
	readonly env: NodeJS.ProcessEnv;
	/** `$XDG_RUNTIME_DIR/qubes-lite`. */
	readonly runtimeDirectory: string;
	readonly unitOf: (plan: LaunchPlan) => VmUnit;
	/** CLOCK_BOOTTIME. */
	readonly uptimeMs: () => number;
	readonly log: Logger;
	/** Our socket is systemd's. */
	readonly isActivated: boolean;
}

/** Who has waited for the broker's start is answered by then. */
const askAfterMs = 30;

/** After a user manager was not to be had. */
const askAgainMs = 10_000;
/** Where it must be there, since it keeps vms of ours: a bus that is restarted is back soon. */
const lookAgainMs = 250;
const backWithinMs = 3_000;

/** New starts go to the supervisor that is chosen; what the other has left is adopted all the same. */
export class Supervisors implements Supervisor {
	readonly #options: SupervisorOptions;
	readonly #direct: Supervisor;
	#opening: Promise<Supervisor | null> | undefined;
	/** Why there is none, or was none at first. */
	#problem: QubesLiteError | undefined;
	#isFound = false;
	/** Each with what it had before it was found. */
	readonly #found = new ReplaySubject<{ readonly systemd: Supervisor; readonly before: Promise<Adoption> }>();
	/** Adopted after all who adopt had gone on. */
	#late: Promise<Adoption> = Promise.resolve(nothing);

	constructor(options: SupervisorOptions) {
		const { env, runtimeDirectory, uptimeMs } = options;
		const environment = { PATH: env.PATH ?? "/usr/bin:/bin" };
		this.#options = options;
		this.#direct = createDirectSupervisor({ runtimeDirectory, environment, uptimeMs });
	}

	/** Null where there is none. Asked for when it is first needed, and again and again from then on: it may be late. */
	get #systemd(): Promise<Supervisor | null> {
		this.#opening ??= openSystemd(this.#options).then(
			(systemd) => {
				this.#isFound = true;
				this.#found.next({ systemd, before: this.#problem === undefined ? this.#late : adoptFrom(systemd) });
				return systemd;
			},
			(cause: unknown) => {
				const isNews = this.#problem === undefined;
				this.#problem = QubesLiteError.from(cause);
				if (isNews) this.#options.log.info({ event: "systemd.absent", why: this.#problem.message });
				const again = this.#hasUnits() ? lookAgainMs : askAgainMs;
				void setTimeout(again, undefined, { ref: false }).then(() => {
					this.#opening = undefined;
					return this.#systemd;
				});
				return null;
			},
		);
		return this.#opening;
	}

	/** Vms that systemd keeps, or kept when it was last heard of. */
	#hasUnits(): boolean {
		try {
			return readdirSync(this.#options.runtimeDirectory).some((name) => this.#hasUnit(name));
		} catch {
			return false;
		}
	}

	#hasUnit(vm: string): boolean {
		return isUnitThere(join(this.#options.runtimeDirectory, vm));
	}

	isHidden(vm: string): boolean {
		return this.#problem !== undefined && !this.#isFound && this.#hasUnit(vm);
	}

	/** Whom new starts go to. */
	async kind(): Promise<"systemd" | "direct"> {
		const choice = this.#options.choice();
		return choice === "direct" || (choice === "auto" && (await this.#systemd) === null) ? "direct" : "systemd";
	}

	get appeared(): Observable<RunningVmm> {
		const bySystemd = this.#found.pipe(
			mergeMap(({ systemd, before }) =>
				concat(from(before).pipe(mergeMap(({ running }) => running)), systemd.appeared),
			),
		);
		return merge(this.#direct.appeared, bySystemd);
	}

	get endedUnseen(): Observable<EndedVmm> {
		return this.#found.pipe(
			mergeMap(({ before }) => before),
			mergeMap(({ ended }) => ended),
		);
	}

	/** Throws Unsupported, too, where systemd is asked for and not to be had. */
	async start(plan: LaunchPlan, boot: string, cancel?: AbortSignal): Promise<RunningVmm> {
		if ((await this.kind()) === "direct") {
			if (this.isHidden(plan.vm)) throw hiddenError(plan.vm, this.#problem);
			return this.#direct.start(plan, boot, cancel);
		}
		const systemd = await this.#systemd;
		if (systemd === null) throw this.#problem;
		return systemd.start(plan, boot, cancel);
	}

	/** Of those who keep new starts. */
	async sessionVariables(): Promise<ReadonlyMap<string, string>> {
		if ((await this.kind()) === "direct") return this.#direct.sessionVariables();
		return (await this.#systemd)?.sessionVariables() ?? new Map();
	}

	/** A user manager is not looked for because of this. */
	async keepOnly(vms: ReadonlySet<string>): Promise<void> {
		await this.#late;
		await (await this.#opening)?.keepOnly(vms);
	}

	/** What systemd runs has left its traces in the runtime directory: without any, nobody waits for systemd's answer. */
	async adopt(): Promise<Adoption> {
		if (!hasTraces(this.#options.runtimeDirectory)) {
			this.#late = setTimeout(askAfterMs).then(() => this.#adoptUnits());
			return nothing;
		}
		const adoptions = await Promise.all([this.#direct.adopt(), this.#adoptUnits()]);
		return {
			running: adoptions.flatMap(({ running }) => running),
			ended: adoptions.flatMap(({ ended }) => ended),
		};
	}

	/** Of vms that it keeps systemd must know: then it is waited for, if not for long. */
	async #adoptUnits(): Promise<Adoption> {
		const until = performance.now() + backWithinMs;
		for (;;) {
			const systemd = await this.#systemd;
			if (systemd !== null) return this.#problem === undefined ? adoptFrom(systemd) : nothing;
			if (!this.#hasUnits() || performance.now() > until) return nothing;
			await setTimeout(lookAgainMs / 2);
		}
	}
}

const nothing: Adoption = { running: [], ended: [] };

/** A connection that is lost now looks at all units again when it is back. */
const adoptFrom = (systemd: Supervisor): Promise<Adoption> => systemd.adopt().catch(() => nothing);

function hasTraces(runtimeDirectory: string): boolean {
	return readdirSync(runtimeDirectory, { withFileTypes: true }).some((entry) => entry.isDirectory());
}

async function openSystemd(options: SupervisorOptions): Promise<Supervisor> {
	const { env, runtimeDirectory, unitOf, uptimeMs } = options;
	return SystemdSupervisor.connect({
		runtimeDirectory,
		places: {
			installed: unitHomeOf(env),
			runtime: join(env.XDG_RUNTIME_DIR ?? "", "systemd/user"),
		},
		unitOf,
		uptimeMs,
		async connect() {
			const manager = new UserManager(await connectBus(env));
			try {
				await checkManager(manager, env);
				await manager.subscribe();
				if (!options.isActivated) await giveSocketBack(manager);
				return manager;
			} catch (cause) {
				manager.close();
				throw cause;
			}
		},
	});
}

/**
 * A client has started us although systemd listens for a broker: somebody has removed its socket's file. It makes that anew;
 * we see that it is no longer ours, and leave.
 */
async function giveSocketBack(manager: UserManager): Promise<void> {
	const { active } = await manager.state(brokerUnits.socket);
	if (active === "active") await manager.restart(brokerUnits.socket);
}

/** Throws Unsupported where there is none. */
async function connectBus(env: NodeJS.ProcessEnv): Promise<UserBus> {
	const place = findUserBus(env);
	try {
		return await UserBus.connect(place);
	} catch (cause) {
		const install = toInstallCommand(env.PATH ?? "", busPackages);
		const { sentence, remedy } = toBusProblem(place, cause, { install, hasManager: true });
		throw new QubesLiteError("Unsupported", sentence, { remedy, cause });
	}
}

/** One of another runtime directory keeps vms that are none of ours, and finds no unit that we write. */
async function checkManager(manager: UserManager, env: NodeJS.ProcessEnv): Promise<void> {
	const version = await manager.version();
	const missing = findMissingFeatures(version);
	if (missing.length > 0) {
		throw new QubesLiteError("Unsupported", `this systemd, version ${version}, lacks ${missing.join("; ")}`, {
			remedy: withoutIt,
		});
	}
	checkRuntimeDirectoryOf(await manager.ownEnvironment(), env.XDG_RUNTIME_DIR);
}

/** `environment` is the manager's; throws Unsupported where its runtime directory is not ours. */
export function checkRuntimeDirectoryOf(environment: readonly string[], ours: string | undefined): void {
	const name = "XDG_RUNTIME_DIR=";
	const own = environment.find((entry) => entry.startsWith(name))?.slice(name.length);
	if (own !== undefined && own === ours) return;
	const sentence = `the user manager has another runtime directory than we have (${own ?? "none"})`;
	throw new QubesLiteError("Unsupported", sentence, {
		remedy: own ? `export XDG_RUNTIME_DIR=${shellWord(own)}` : withoutIt,
	});
}

const withoutIt = 'set "supervisor": "direct" in the configuration';
