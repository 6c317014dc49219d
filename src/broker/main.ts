/**
 * The broker: composition root. Started with the lock held, by a service manager that hands its socket over, or else by the
 * client. Ends on SIGTERM, when idle, and when its socket is no longer at its path: a service manager that has put its own
 * there has taken over.
 */
import { randomBytes } from "node:crypto";
import { closeSync, writeSync } from "node:fs";
import { freemem, uptime } from "node:os";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { waitForChange } from "../activation/change-watch.ts";
import { takeListenFds } from "../activation/listen-fds.ts";
import { openSend, SdNotify } from "../activation/sd-notify.ts";
import { findDefaultBase } from "../config/default-base.ts";
import { findUserBus } from "../dbus/user-bus-place.ts";
import { QubesLiteError } from "../errors.ts";
import { mayOpen, readTap } from "../host/taps.ts";
import { cacheDirectoryOf, stateDirectoryOf } from "../host/xdg.ts";
import { policyDirectories } from "../policy/find-policy.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";
import { BootHistory } from "./boot-history.ts";
import type { BusApi } from "./bus/bus-api.ts";
import { systemClock } from "./clock.ts";
import { isInstalled, keepDesktopInSync, runDesktopSync } from "./desktop-sync.ts";
import { IdleExit } from "./idle-exit.ts";
import { createInstanceAdapters } from "./instance-adapters.ts";
import { keepLogs } from "./kept-logs.ts";
import { LastEnds } from "./last-ends.ts";
import { Launcher } from "./launcher.ts";
import { Leaving } from "./leaving.ts";
import { LiveConfig, type LiveConfigEvents } from "./live-config.ts";
import { LivePolicy } from "./live-policy.ts";
import { LogFile } from "./log-file.ts";
import { startNotifications } from "./notifications/start-notifications.ts";
import { Registry } from "./registry.ts";
import { Requests } from "./requests.ts";
import { BrokerServer } from "./server.ts";
import { SessionEnvironment } from "./session-environment.ts";
import { formatStatusLine } from "./status-line.ts";
import { Supervisors } from "./supervisors.ts";

/** Put in by the build from package.json. */
declare const QUBES_LITE_VERSION: string;

/** Long enough that a second command of the same minute finds it; short enough to leave no trace of a tool that is not used. */
const idleExitDefaultMs = 10_000;

/** FileDescriptorName= of units/qubes-lite-broker.socket. */
const fdName = "broker";
/** A socket that is replaced shows in its directory; without a watch on that, a look a second. */
const socketLooks = { watchedMs: 60_000, unwatchedMs: 1_000 };

/** To be told how we are, a service manager waits; loading what tells it takes as long, and clients wait already. */
const notifyAfterMs = 20;

const { env } = process;
process.umask(0o077);

/** Tells whoever started us, on the pipe that they gave us, that we serve, or why not. */
function announce(outcome: object): void {
	const fd = Number(env.QUBES_LITE_READY_FD);
	if (!Number.isInteger(fd) || fd < 3) return;
	try {
		writeSync(fd, `${JSON.stringify(outcome)}\n`);
		closeSync(fd);
	} catch {}
}

/** CLOCK_MONOTONIC: stands still while the host sleeps. */
const now = (): number => performance.now();
/** CLOCK_BOOTTIME: runs while it sleeps. */
const uptimeMs = (): number => uptime() * 1000;

/** `fd`: the socket that a service manager has given us; null: we make one. */
async function serve(fd: number | null): Promise<void> {
	const runtimeDirectory = openRuntimeDirectory(env);
	const stateDirectory = stateDirectoryOf(env);
	const log = pino({ base: { pid: process.pid }, level: env.QUBES_LITE_LOG ?? "info" }, new LogFile(2));
	const live = await LiveConfig.open(env);
	/** A service that exits is started again for the same request: it stays, and each client hears what is wrong. */
	if (fd === null && live.refusal !== null) throw live.refusal;
	const notify = new SdNotify({
		...{ env, pid: process.pid, openSend: () => openSend(env) },
		monotonicUs: () => process.hrtime.bigint() / 1000n,
		failed: (cause) => log.warn({ event: "notify.failed", err: cause }),
	});
	const places = {
		runtimeDirectory,
		cacheDirectory: cacheDirectoryOf(env),
		searchPath: env.PATH ?? "",
		session: () => session.current,
	};
	const launcher = new Launcher(places, () => live.config);
	const supervisor = new Supervisors({
		choice: () => live.config.supervisor,
		...{ env, runtimeDirectory, uptimeMs, log, isActivated: fd !== null },
		unitOf: (plan) => launcher.unit(plan),
	});
	const session = new SessionEnvironment(env, () => supervisor.sessionVariables());
	let changed = (): void => {};
	const registry = await Registry.open(
		live.config,
		{
			supervisor,
			log,
			now,
			clock: systemClock,
			adapters: createInstanceAdapters(() => session.current.WAYLAND_DISPLAY ?? null),
			wallNow: () => Date.now(),
			lastEnds: new LastEnds(stateDirectory, log),
			bootHistory: new BootHistory(stateDirectory, log),
			newBootToken: () => randomBytes(8).toString("hex"),
			newInstanceTag: () => randomBytes(2).toString("hex"),
			changed: () => changed(),
			freeMemoryMiB: () => freemem() / 2 ** 20,
			readTap: (name) => {
				const tap = readTap(name);
				return tap && { ...tap, isOurs: mayOpen(tap) };
			},
			refreshFacts: (vm) => session.refresh(vm),
			planLaunch: (vm) => launcher.plan(vm),
			keepLogs: (vm, directory) =>
				keepLogs(stateDirectory, vm, directory).catch((cause: unknown) => {
					log.warn({ event: "logs.notKept", vm: vm.name, err: cause });
				}),
		},
		uptimeMs(),
	);
	keepDesktopInSync({
		...{ registry, now, clock: systemClock },
		isWanted: () => live.config.desktop && isInstalled(stateDirectory),
		run: async (vms) => log.info({ event: "desktop.synced", vms, status: await runDesktopSync(vms) }),
	});
	/** Undefined: not yet, or there is no bus. */
	let busApi: BusApi | undefined;
	const configured: LiveConfigEvents = {
		reading: () => notify.reloading(),
		read: () => {
			if (live.problem === null) registry.configure(live.config);
			logConfig(log, live);
			busApi?.look();
			changed();
			notify.ready();
		},
	};
	const policy = new LivePolicy({
		...{ directories: policyDirectories(env), uid: process.getuid?.() ?? 0, log, wallNow: () => Date.now() },
		names: {
			defaultBase: () => findDefaultBase(live.config.vms)?.name ?? null,
			baseOf: (instance) => registry.baseOf(instance),
		},
	});
	const requests = new Requests({
		registry,
		policy,
		about: async () => ({
			...{ version: QUBES_LITE_VERSION, config: live.path ?? null, supervisor: await supervisor.kind() },
		}),
		log,
		now,
		clock: systemClock,
		wallNow: () => Date.now(),
		configured: async () => {
			await live.refresh(configured);
			return live.refusal;
		},
		sawSession: (wayland) => {
			session.saw(wayland);
			for (const vm of registry.all()) vm.snapshot().instance?.tellSession();
		},
		problem: () => (live.refusal === null ? live.problem : null),
	});
	const notifications = startNotifications({
		...{ registry, log, now, env, runtimeDirectory, stateDirectory },
		clock: systemClock,
		mayDo: (vm, service) => policy.decide({ source: "@host", target: vm, service }).allow,
		newRequest: () => requests.nextNumber(),
		isWanted: () => live.config.notifications,
		isService: fd !== null,
	});
	const server = new BrokerServer(requests, () => idle.look());
	const leaving = new Leaving({
		log,
		bus: () => busApi,
		isQuiet: () => isQuiet(),
		cut: () => server.close(),
		settle() {
			/** Without us nobody would serve what they start, or let it go when it is idle: where no service manager can start a broker. */
			const units = fd === null ? supervisor.keepOnly(new Set()) : undefined;
			return Promise.all([units, registry.leave(), notifications.close()]);
		},
		stopping: () => notify.stopping(),
		exit: () => process.exit(0),
		stayed: () => idle.look(),
	});
	/** Its code and that of D-Bus are loaded when who has waited for us is served. */
	const serveBus = async (): Promise<void> => {
		const place = findUserBus(env);
		if (place === undefined) return;
		const { BusApi } = await import("./bus/bus-api.ts");
		if (leaving.hasBegun) return;
		busApi = new BusApi({
			...{ place, requests, version: QUBES_LITE_VERSION, log },
			problems: () => ({ config: live.problem?.message ?? null, policy: policy.problem?.message ?? null }),
			called: () => idle.prolong(),
			quiet: () => idle.look(),
			opening: {
				config: () => live.config,
				openPolicy: () => ({ policy: policy.now(), directory: policyDirectories(env)[0] ?? "" }),
				ask: (question) => notifications.ask(question),
			},
		});
	};
	const idleMs = Number(env.QUBES_LITE_BROKER_IDLE_MS ?? idleExitDefaultMs);
	const isQuiet = (): boolean => server.clients === 0 && registry.statesUp().length === 0 && (busApi?.isQuiet ?? true);
	const idle = new IdleExit(idleMs, isQuiet, () => void leaving.ifUnwanted());
	changed = () => idle.look();
	const path = join(runtimeDirectory, brokerSocketName);
	if (fd !== null) await server.socket.listenOn(fd, path);
	else if (!(await server.socket.listen(path))) {
		announce({ ready: true });
		process.exit(0);
	}
	process.once("SIGTERM", () => leaving.begin("SIGTERM"));
	process.once("SIGINT", () => leaving.begin("SIGINT"));
	process.on("SIGHUP", () => void live.refresh(configured, true));
	live.watch(configured);
	policy.onChange(() => {
		busApi?.look();
		changed();
	});
	policy.watch();
	void waitForChange(runtimeDirectory, () => server.socket.isLost() || undefined, socketLooks).then(() =>
		leaving.begin("lost socket"),
	);
	log.info({ event: "broker.serves", activated: fd !== null, vms: live.config.vms.length });
	logConfig(log, live);
	announce({ ready: true });
	setTimeout(() => {
		changed = () => {
			idle.look();
			notify.status(formatStatusLine(registry.statesUp(), live.problem ?? policy.problem));
		};
		changed();
		notify.ready();
		void serveBus().catch((cause: unknown) => log.error({ event: "bus.failed", err: cause }));
	}, notifyAfterMs);
}

function logConfig(log: Logger, { config, path, problem }: LiveConfig): void {
	if (problem !== null) log.warn({ event: "config.refused", why: problem.message });
	else log.info({ event: "config.read", config: path ?? "embedded default", vms: config.vms.length });
}

/** What a start waits for, as the end of what earlier vms have left, keeps no event loop alive: Node would leave in the middle of it, without a word. */
async function main(): Promise<void> {
	const starting = setInterval(() => {}, 60_000);
	try {
		await serve(takeListenFds(fdName));
	} finally {
		clearInterval(starting);
	}
}

main().catch((cause: unknown) => {
	const error = QubesLiteError.from(cause);
	announce(error.toFacts());
	process.stderr.write(`qubes-lite: ${error.message}\n${error.remedy === undefined ? "" : `  ${error.remedy}\n`}`);
	/** What it has opened until then, as the user bus, would keep it alive, and with it the lock that the next one waits for. */
	process.exit(1);
});
