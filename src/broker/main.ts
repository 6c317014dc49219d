/** The broker: composition root. Started by the client (or a service manager) with the lock held; ends on SIGTERM or when idle. */
import { randomBytes } from "node:crypto";
import { closeSync, writeSync } from "node:fs";
import { homedir, uptime } from "node:os";
import { isAbsolute, join } from "node:path";
import { pino } from "pino";
import { createDirectSupervisor } from "../activation/direct-supervisor.ts";
import { findConfig } from "../config/find-config.ts";
import { QubesLiteError } from "../errors.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";
import { planQemu } from "../vmm/qemu.ts";
import { gatherHostFacts } from "./host-facts.ts";
import { IdleExit } from "./idle-exit.ts";
import { keepLogs } from "./kept-logs.ts";
import { LogFile } from "./log-file.ts";
import { defaultPolicy } from "./policy.ts";
import { Registry } from "./registry.ts";
import { BrokerServer } from "./server.ts";

/** Long enough that a second command of the same minute finds it; short enough to leave no trace of a tool that is not used. */
const idleExitDefaultMs = 10_000;

const { env } = process;
process.umask(0o077);

/** XDG base directory specification: a relative path is ignored. */
function xdgDirectory(name: string, fallback: string): string {
	const value = env[name];
	return join(value !== undefined && isAbsolute(value) ? value : join(homedir(), fallback), "qubes-lite");
}

/** Tells whoever started us, on the pipe that they gave us, that we serve, or why not. */
function announce(outcome: object): void {
	const fd = Number(env.QUBES_LITE_READY_FD);
	if (!Number.isInteger(fd) || fd < 3) return;
	try {
		writeSync(fd, `${JSON.stringify(outcome)}\n`);
		closeSync(fd);
	} catch {}
}

async function serve(): Promise<void> {
	const runtimeDirectory = openRuntimeDirectory(env);
	const stateDirectory = xdgDirectory("XDG_STATE_HOME", ".local/state");
	const log = pino({ base: { pid: process.pid }, level: env.QUBES_LITE_LOG ?? "info" }, new LogFile(2));
	const { config, path } = await findConfig(env);
	const places = {
		runtimeDirectory,
		cacheDirectory: xdgDirectory("XDG_CACHE_HOME", ".cache"),
		searchPath: env.PATH ?? "",
	};
	/** Stands still while the host sleeps (CLOCK_MONOTONIC). */
	const now = (): number => performance.now();
	/** Runs while it sleeps (CLOCK_BOOTTIME). */
	const uptimeMs = (): number => uptime() * 1000;
	let idle: IdleExit | undefined;
	const registry = await Registry.open(
		config,
		{
			supervisor: createDirectSupervisor({
				runtimeDirectory,
				environment: { PATH: env.PATH ?? "/usr/bin:/bin" },
				uptimeMs,
			}),
			log,
			now,
			newBootToken: () => randomBytes(8).toString("hex"),
			newInstanceTag: () => randomBytes(2).toString("hex"),
			changed: () => idle?.look(),
			planLaunch: (vm) => planQemu(config, vm, gatherHostFacts(places, vm)),
			keepLogs: (vm, directory) =>
				keepLogs(stateDirectory, vm, directory).catch((cause: unknown) => {
					log.warn({ event: "logs.notKept", vm: vm.name, err: cause });
				}),
		},
		uptimeMs(),
	);
	const server = new BrokerServer({
		registry,
		policy: defaultPolicy,
		log,
		now,
		wallNow: () => Date.now(),
		clientsChanged: () => idle?.look(),
	});
	const leave = (why: string): void => {
		log.info({ event: "broker.leaves", why });
		server.close();
		/** Two turns: whoever was accepted meanwhile is cut before answered, and asks the next broker. */
		setImmediate(() => setImmediate(() => process.exit(0)));
	};
	const idleMs = Number(env.QUBES_LITE_BROKER_IDLE_MS ?? idleExitDefaultMs);
	idle = new IdleExit(
		idleMs,
		() => server.clients === 0 && registry.isQuiet(),
		() => leave("idle"),
	);
	await server.listen(join(runtimeDirectory, brokerSocketName));
	process.once("SIGTERM", () => leave("SIGTERM"));
	process.once("SIGINT", () => leave("SIGINT"));
	log.info({ event: "broker.serves", config: path ?? "embedded default", vms: config.vms.length });
	announce({ ready: true });
	idle.look();
}

try {
	await serve();
} catch (cause) {
	const error = QubesLiteError.from(cause);
	announce(error.toFacts());
	process.stderr.write(`qubes-lite: ${error.message}\n${error.remedy === undefined ? "" : `  ${error.remedy}\n`}`);
	process.exitCode = 1;
}
