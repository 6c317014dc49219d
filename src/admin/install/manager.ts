/** The systemd user manager as an installation needs it: asked and told through systemctl(1), over the manager's own socket. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findMissingFeatures } from "../../activation/systemd-features.ts";
import { parseUnitName, unitPattern } from "../../activation/unit-names.ts";
import type { Environment } from "../../config/find-config.ts";
import { busPackages, findUserBus, toBusProblem } from "../../dbus/user-bus-place.ts";
import { QubesLiteError } from "../../errors.ts";
import { toInstallCommand } from "../../host/install-command.ts";
import { findProgram } from "../../host/programs.ts";
import { runProgram } from "../doctor/run-program.ts";
import { findBus } from "../find-bus.ts";
import { parseVariables, parseWords } from "../service-environment.ts";

/** A manager that works answers a question in 10 ms. */
const answerWithinMs = 5_000;
/** A reload of some hundred units takes a second; stopping a broker up to ten (TimeoutStopSec= in its unit). */
const doneWithinMs = 30_000;

/** Also the name of dbus-broker's. */
const busService = "dbus.service";

/** sd_booted(3) */
export const isBootedWithSystemd = (): boolean => existsSync("/run/systemd/system");

export class Manager {
	readonly #systemctl: string;
	readonly #env: Environment;

	private constructor(systemctl: string, env: Environment) {
		this.#systemctl = systemctl;
		this.#env = env;
	}

	/** Resolves with the reason, for the user, where none is to be had. */
	static async find(env: Environment): Promise<Manager | string> {
		if (!isBootedWithSystemd()) return "this machine was not booted with systemd";
		const systemctl = findProgram(env.PATH ?? "", "systemctl");
		if (systemctl === undefined) return "systemctl is not on PATH";
		const manager = new Manager(systemctl, env);
		const { status, stderr } = await manager.#ask("show", "--property=Version");
		if (status === 0) return manager;
		return `the systemd user manager does not answer${status === null ? withinBound : ` (${firstLineOf(stderr)})`}`;
	}

	/** Throws Unsupported where units of ours would not work with it. */
	async check(): Promise<void> {
		const { stdout } = await this.#ask("show", "--property=Version");
		const version = Number(/\d+/.exec(stdout)?.[0] ?? 0);
		if (findMissingFeatures(version).length > 0) {
			const missing = findMissingFeatures(version).join("; ");
			throw new QubesLiteError("Unsupported", `systemd ${version} is too old for our units, it lacks ${missing}`, {
				remedy: "run-in-vm and qubes-lite work without: put links to them on your PATH",
			});
		}
		const place = findUserBus(this.#env);
		try {
			await findBus(place);
		} catch (cause) {
			const install = toInstallCommand(this.#env.PATH ?? "", busPackages);
			const { sentence, remedy } = toBusProblem(place, cause, { install, hasManager: true });
			throw new QubesLiteError("Unsupported", sentence, { remedy, cause });
		}
	}

	/** Which units of vms run, starting and stopping ones included. Throws Unsupported where systemd does not say. */
	async findRunning(): Promise<{ readonly unit: string; readonly vm: string }[]> {
		const words = ["list-units", "--plain", "--no-legend", "--full", unitPattern];
		const { status, stdout, stderr } = await this.#ask(...words);
		if (status !== 0) throw failure(words, firstLineOf(stderr) || `no answer${withinBound}`);
		return stdout.split("\n").flatMap((line) => {
			const [unit = "", , active = ""] = line.split(/\s+/);
			const vm = parseUnitName(unit)?.vm;
			return vm === undefined || ["inactive", "failed"].includes(active) ? [] : [{ unit, vm }];
		});
	}

	/** What it gives to all that it starts. */
	async environment(): Promise<Environment> {
		return parseVariables((await this.#ask("show-environment")).stdout);
	}

	/**
	 * Where it looks for the user's own units, whatever $XDG_CONFIG_HOME this shell has: beside the directory of what systemctl
	 * itself writes (systemd.unit(5), "Unit File Load Path").
	 */
	async unitHome(): Promise<string | undefined> {
		const paths = parseWords((await this.#ask("show", "--property=UnitPath", "--value")).stdout);
		const ofThisLogin = join(this.#env.XDG_RUNTIME_DIR ?? "", "systemd/user.control");
		const control = paths.find((path) => path.endsWith("/systemd/user.control") && path !== ofThisLogin);
		return control?.slice(0, -".control".length);
	}

	async isActive(unit: string): Promise<boolean> {
		return (await this.#ask("is-active", unit)).stdout.trim() === "active";
	}

	/** Of a service's main process; 0 where it does not run. */
	async mainPid(unit: string): Promise<number> {
		return Number((await this.#ask("show", "--property=MainPID", "--value", unit)).stdout);
	}

	/** Each throws Unsupported with what systemd says. */
	reload = (): Promise<void> => this.#tell("daemon-reload");
	start = (unit: string): Promise<void> => this.#tell("start", unit);
	stop = (...units: readonly string[]): Promise<void> => this.#tell("stop", ...units);
	/** Nothing happens to those that do not run. */
	restartRunning = (...units: readonly string[]): Promise<void> => this.#tell("try-restart", ...units);

	/** A bus that runs learns what it can start: directories that are new it does not watch. One that does not run reads them when it starts. */
	async reloadBus(): Promise<void> {
		if (await this.isActive(busService)) await this.#ask("reload", busService);
	}

	/** Forgets units that have failed and are no more. */
	async forget(pattern: string): Promise<void> {
		await this.#ask("reset-failed", pattern);
	}

	/** Slices that systemd has made for ours stay otherwise: `slice`, and those above it by its name, as far as nothing is in them. */
	async stopEmptySlices(slice: string): Promise<void> {
		for (const name of [slice, ...upperSlicesOf(slice)]) {
			const { stdout } = await this.#ask("show", "--property=RequiredBy,FragmentPath,ActiveState", name);
			const value = (key: string): string => new RegExp(`^${key}=(.*)$`, "m").exec(stdout)?.[1] ?? "";
			const isOurs = name === slice || value("FragmentPath") === "";
			const members = value("RequiredBy")
				.split(" ")
				.filter((unit) => unit !== "");
			if (!isOurs || (await this.#isAnyUp(members))) return;
			// It is in nobody's way.
			await this.stop(name).catch(() => undefined);
		}
	}

	async #isAnyUp(units: readonly string[]): Promise<boolean> {
		if (units.length === 0) return false;
		const { stdout } = await this.#ask("is-active", "--", ...units);
		return stdout.split("\n").some((state) => !["", "inactive", "failed", "unknown"].includes(state));
	}

	async #tell(...words: readonly string[]): Promise<void> {
		const { status, stderr } = await this.#run(words, doneWithinMs);
		// 5: such a unit is not loaded (systemctl(1), "Exit status"), so that it does not run either.
		if (status === 0 || (status === 5 && words[0] === "stop")) return;
		throw failure(words, firstLineOf(stderr) || `no answer within ${doneWithinMs / 1000} s`);
	}

	#ask(...words: readonly string[]): ReturnType<typeof runProgram> {
		return this.#run(words, answerWithinMs);
	}

	#run(words: readonly string[], withinMs: number): ReturnType<typeof runProgram> {
		return runProgram([this.#systemctl, "--user", "--no-pager", ...words], this.#env, withinMs);
	}
}

const withinBound = ` within ${answerWithinMs / 1000} s`;

const firstLineOf = (text: string): string => text.trim().split("\n")[0] ?? "";

function failure(words: readonly string[], said: string): QubesLiteError {
	const unit = words[0]?.includes("-") ? undefined : words[1];
	return new QubesLiteError("Unsupported", `systemctl --user ${words.join(" ")} failed: ${said}`, {
		remedy: unit === undefined ? "systemctl --user status" : `systemctl --user status ${unit}`,
	});
}

/** Of "a-b.slice" "a.slice" (systemd.slice(5)). */
function upperSlicesOf(slice: string): string[] {
	const parts = slice.replace(/\.slice$/, "").split("-");
	return parts.slice(1).map((_, index) => `${parts.slice(0, parts.length - 1 - index).join("-")}.slice`);
}
