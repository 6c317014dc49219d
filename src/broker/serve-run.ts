/** A run request: one command in a vm that is up or gets booted, or in a fresh instance of its own. */
import { QubesLiteError } from "../errors.ts";
import type { RunRequest } from "../protocol/broker.ts";
import { parseExec } from "../protocol/exec.ts";
import { commandLineMaxChars } from "../protocol/limits.ts";
import { formatCommandLine } from "../terminal/command-line.ts";
import type { SessionClient } from "./client-connection.ts";
import { untilImpatient } from "./client-patience.ts";
import type { Clock } from "./clock.ts";
import type { Registry } from "./registry.ts";
import { toSafeLine } from "./safe-line.ts";
import { serveSession } from "./serve-session.ts";
import type { Command } from "./session-book.ts";
import type { Vm } from "./vm.ts";
import { tapTooLate } from "./vm-errors.ts";

export interface ServeOptions {
	readonly registry: Registry;
	/** Unique for the life of this broker. */
	readonly number: number;
	/** The exec or attach bytes that came with the request. */
	readonly bytes: Buffer;
	/** On the machine's clock, as `now`. */
	readonly askedAt: number;
	readonly now: () => number;
	readonly clock: Clock;
}

/** Resolves when the client is gone; rejects with what it must be told. */
export async function serveRun(client: SessionClient, request: RunRequest, options: ServeOptions): Promise<void> {
	const { registry, bytes, askedAt, now } = options;
	const command = toCommand(bytes);
	const beganAt = now();
	const leftMs = (): number => request.timeoutMs && Math.max(1, Math.ceil(request.timeoutMs - (now() - beganAt)));
	for (;;) {
		const change = awaitTap(request, registry, beganAt);
		/** What comes next must come at once: others wait for the same. */
		if (change === null) break;
		await untilImpatient(client, change, { timeoutMs: leftMs(), tooSlow: () => tapTooLate(request.timeoutMs) });
		if (client.gone.aborted) return;
	}
	const timeoutMs = leftMs();
	const made: Vm[] = [];
	const fresh = (): Vm => {
		const vm = newInstance(request, registry);
		made.push(vm);
		return vm;
	};
	const vm = request.disposable
		? (registry.findUnused(request.instance, request.vm) ?? fresh())
		: findVm(request, registry);
	const { pid } = request;
	try {
		await serveSession(client, {
			...{ request: options.number, type: "run.requested", attachTo: null, mayBoot: request.start },
			...(made.includes(vm) && { fresh }),
			...{ vm, clock: options.clock, label: command.name, command, bytes, timeoutMs, pid, askedAt, now },
		});
	} finally {
		for (const one of new Set([vm, ...made])) registry.dropIfEnded(one);
	}
}

/** An instance needs a TAP, which another one may be just about to leave. Null where there is nothing to wait for. */
function awaitTap(request: RunRequest, registry: Registry, beganAt: number): Promise<void> | null {
	const isFresh =
		request.disposable && request.start && registry.findUnused(request.instance, request.vm) === undefined;
	return isFresh ? registry.awaitTap(request.vm, beganAt) : null;
}

function newInstance({ vm, start }: RunRequest, registry: Registry): Vm {
	if (start) return registry.newInstance(vm);
	throw new QubesLiteError("BadRequest", "a run in a fresh instance always starts it", {
		remedy: "leave out --no-start, or name a vm that runs",
	});
}

function findVm({ vm: name, start }: RunRequest, registry: Registry): Vm {
	const vm = registry.findToUse(name);
	const { state } = vm.snapshot();
	const isUp = state === "ready" || state === "idle";
	if (!start && !isUp) {
		throw new QubesLiteError("NotRunning", `${vm.config.name} is ${state}, and this run must not start it`, {
			remedy: `qubes-lite start ${vm.config.name}`,
		});
	}
	if (vm.config.instanceOf !== undefined && !isUp && state !== "booting") {
		throw new QubesLiteError("NotRunning", `${vm.config.name} has ended: an instance of a disposable runs once`, {
			remedy: "run-in-vm --disposable …",
		});
	}
	return vm;
}

/** Leases, lists and the log have its name; its arguments are for lists of sessions alone. */
function toCommand(exec: Buffer): Command {
	const { argv } = parseExec(exec);
	const path = argv[0] ?? "";
	const name = toSafeLine(path.slice(path.lastIndexOf("/") + 1).slice(0, 64));
	return { name, line: formatCommandLine(argv, commandLineMaxChars) };
}
