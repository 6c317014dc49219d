/** Lets `qubes-lite desktop sync` run when the menu may be out of date: the configuration has changed, or a guest has booted and can be asked. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { VmConfig } from "../config/schema.ts";
import { isInStore } from "../host/nix-store.ts";
import type { VmNotice } from "../statemachines/vm-events.ts";
import type { Clock } from "./clock.ts";

/** A vm, of which only this is looked at. */
interface BootingVm {
	readonly config: Pick<VmConfig, "name" | "disposable" | "instanceOf">;
	notices(listener: (notice: VmNotice) => void): unknown;
}

export interface DesktopSyncHost {
	readonly registry: {
		all(): readonly BootingVm[];
		watch(watcher: { added?(vm: BootingVm): void; configured?(): void }): unknown;
	};
	/** Looked at before each run: qubes-lite is installed, and nobody has switched it off. */
	isWanted(): boolean;
	/** Asks the guests of these vms, or none. Resolves at its end, and never rejects. */
	run(vms: readonly string[]): Promise<void>;
	readonly clock: Clock;
	/** On the clock that `clock` has. */
	now(): number;
}

/** A guest that has just booted starts its own programs first; an editor writes a file more than once. */
const settleMs = 2_000;
/** From one run to the next: a fleet that boots is one run. */
const apartMs = 60_000;

/** Until the process ends. */
export function keepDesktopInSync({ registry, isWanted, run, clock, now }: DesktopSyncHost): void {
	/** Whose guests are to be asked. */
	let waiting = new Set<string>();
	let lastAt = Number.NEGATIVE_INFINITY;
	let isDue = false;
	/** It runs, or a timer is set. */
	let isBusy = false;
	const want = (): void => {
		isDue = true;
		if (isBusy) return;
		isBusy = true;
		clock.setTimeout(() => void begin(), Math.max(settleMs, lastAt + apartMs - now()));
	};
	const begin = async (): Promise<void> => {
		const vms = [...waiting];
		waiting = new Set();
		isDue = false;
		lastAt = now();
		if (isWanted()) await run(vms);
		isBusy = false;
		if (isDue) want();
	};
	const watch = (vm: BootingVm): void => {
		const { name, disposable, instanceOf } = vm.config;
		/** A disposable is asked when somebody asks for it: it shall not stay a moment longer than its own commands. */
		if (instanceOf !== undefined || disposable) return;
		vm.notices(({ type }) => {
			if (type !== "boot.finished") return;
			waiting.add(name);
			want();
		});
	};
	for (const vm of registry.all()) watch(vm);
	registry.watch({ added: watch, configured: want });
}

/** And there is a menu of ours: who has taken that away wants none. A package of Nix is installed by nobody's `install`: there "desktop" alone decides. */
export const isInstalled = (stateDirectory: string, program = fileURLToPath(import.meta.url)): boolean =>
	isInStore(program) || ["installed.json", "desktop.json"].every((name) => existsSync(join(stateDirectory, name)));

/** With some guests to ask it is done in seconds; each has a bound of its own. */
const runWithinMs = 300_000;

/** Resolves at its end with its exit status, or a sentence. */
export function runDesktopSync(vms: readonly string[]): Promise<number | string> {
	const admin = fileURLToPath(new URL("./admin.mjs", import.meta.url));
	const words = vms.length > 0 ? vms : ["--no-ask"];
	const child = spawn(process.execPath, [admin, "desktop sync", ...words], {
		stdio: "ignore",
		timeout: runWithinMs,
		killSignal: "SIGTERM",
	});
	return new Promise((resolve) => {
		child.once("error", ({ message }) => resolve(message));
		child.once("exit", (code, signal) => resolve(code ?? signal ?? "ended"));
	});
}
