/** A run request, from the question to the ticket, and on until the client is gone. The broker carries none of its bytes. */
import { randomBytes } from "node:crypto";
import { QubesLiteError } from "../errors.ts";
import { encodeGranted, encodeProgress, encodeReady } from "../protocol/broker.ts";
import { parseExec, sha256Hex } from "../protocol/exec.ts";
import { ticketBytes, ticketLifeMs } from "../protocol/limits.ts";
import type { ClientConnection } from "./client-connection.ts";
import { justStopped, type Vm } from "./vm.ts";

export interface RunOptions {
	/** Unique for the life of this broker. */
	readonly request: number;
	readonly vm: Vm;
	readonly exec: Buffer;
	/** Boot it where it is not up. */
	readonly start: boolean;
	/** 0: no bound but the boot's own. */
	readonly timeoutMs: number;
	readonly now: () => number;
}

/** Resolves when the client is gone or has been told that its vm ended; rejects with what the client must be told. */
export async function serveRun(client: ClientConnection, options: RunOptions): Promise<void> {
	const { vm, request } = options;
	const label = commandName(options.exec);
	const { state } = vm.snapshot();
	if (!options.start && state !== "ready" && state !== "idle") {
		throw new QubesLiteError("NotRunning", `${vm.config.name} is ${state}, and this run must not start it`, {
			remedy: `qubes-lite start ${vm.config.name}`,
		});
	}
	const stopProgress = reportProgress(client, vm, options.now);
	try {
		await bounded(client, options, vm.request(request, label));
		stopProgress();
		if (client.gone.aborted) return;
		await grant(client, options);
	} finally {
		stopProgress();
		vm.withdraw(request);
	}
}

async function grant(client: ClientConnection, { vm, request, exec }: RunOptions): Promise<void> {
	const instance = vm.snapshot().instance;
	if (instance?.plan === undefined) throw justStopped(vm.config.name);
	client.send(encodeReady(instance.plan.vsock));
	const ticket = randomBytes(ticketBytes);
	const session = await vm.grant(request, sha256Hex(ticket), sha256Hex(exec), ticketLifeMs);
	client.send(encodeGranted({ ticket, session }));
	const ended = await untilGoneOrEnded(client, vm, instance);
	vm.clientGone(session);
	if (ended) throw await vm.endError();
}

/** True when the instance ended under the client, false when the client left first. */
function untilGoneOrEnded(client: ClientConnection, vm: Vm, instance: object): Promise<boolean> {
	return new Promise((resolve) => {
		const finish = (ended: boolean): void => {
			unwatch();
			resolve(ended);
		};
		const look = (): void => {
			if (vm.snapshot().instance !== instance) finish(true);
		};
		const unwatch = vm.watch(look);
		if (client.gone.aborted) finish(false);
		else client.gone.addEventListener("abort", () => finish(false), { once: true });
		look();
	});
}

/** `asked`, but no longer than the client waits: it leaves, or its own time is up. */
async function bounded(client: ClientConnection, options: RunOptions, asked: Promise<void>): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	const impatience = new Promise<void>((resolve, reject) => {
		if (client.gone.aborted) resolve();
		client.gone.addEventListener("abort", () => resolve(), { once: true });
		if (options.timeoutMs === 0) return;
		timer = setTimeout(() => {
			reject(
				new QubesLiteError(
					"BootTimeout",
					`${options.vm.config.name} was not ready within ${options.timeoutMs / 1000} s`,
					{
						remedy: `qubes-lite status ${options.vm.config.name}`,
					},
				),
			);
		}, options.timeoutMs);
	});
	asked.catch(() => {});
	await Promise.race([asked, impatience]).finally(() => clearTimeout(timer));
}

/** Sends where the boot is whenever that changes; returns how to end it. */
function reportProgress(client: ClientConnection, vm: Vm, now: () => number): () => void {
	const beganAt = now();
	let last = "";
	const look = (): void => {
		const { state, context } = vm.snapshot();
		const phase = state === "booting" ? context.phase : state;
		if (phase === last) return;
		last = phase;
		client.send(encodeProgress({ phase, elapsedMs: Math.round(now() - beganAt) }));
	};
	return vm.watch(look);
}

/** The last part of the command's path: what leases and lists show. Never its arguments. */
function commandName(exec: Buffer): string {
	const path = parseExec(exec).argv[0] ?? "";
	return path.slice(path.lastIndexOf("/") + 1).slice(0, 64);
}
