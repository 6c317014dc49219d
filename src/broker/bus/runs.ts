/** Sessions that programs on the bus have asked for, and who waits for their ends. */
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { QubesLiteError } from "../../errors.ts";
import { encodeAttach, encodeExec } from "../../protocol/exec.ts";
import { parseSessionId, type SessionId } from "../../protocol/session-id.ts";
import { type SignalName, signalNames } from "../../protocol/signals.ts";
import { orAborted } from "../../session-client/on-abort.ts";
import type { Requests } from "../requests.ts";
import type { Vm } from "../vm.ts";
import { type Kept, type OpenRun, openRun, type RunEnd } from "./session-run.ts";

/** With both outputs of each they may take 32 MiB. */
const runsMax = 64;
/** That we have left is told to the agent by another way, and may be there before a signal is. What comes next finds us there still. */
const signalTakenMs = 1_000;
/** Who has run something asks for its end soon. */
const keptForMs = 60_000;

export interface Command {
	/** A vm, or the base of a fresh instance; "" is the default one then. */
	readonly vm: string;
	readonly disposable: boolean;
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly user: string | null;
	readonly directory: string | null;
	readonly start: boolean;
	/** Bounds the wait until it starts; 0: the boot's own bound does. */
	readonly timeoutMs: number;
	/** Its output and its end are kept for who waits for it, also where its vm is gone with it. */
	readonly capture: boolean;
	/** Its standard input; we stay with it, whether or not its output is kept. Absent: an empty one. */
	readonly stdin?: Readable;
}

interface Run {
	readonly open: OpenRun;
	waiters: number;
	/** Also when nobody waits. */
	readonly isCaptured: boolean;
}

export class Runs {
	readonly #requests: Requests;
	readonly #changed: () => void;
	/** Those that we are connected to, and those that have ended and were not asked for, by their ids. */
	readonly #runs = new Map<string, Run>();
	/** Captured ones that are not there yet. */
	#beginning = 0;
	/** Each resolves when we are connected to the session of this id, or can't be. */
	readonly #connecting = new Map<string, Promise<void>>();

	/** `changed`: one has gone. */
	constructor(requests: Requests, changed: () => void) {
		this.#requests = requests;
		this.#changed = changed;
	}

	get size(): number {
		return this.#runs.size;
	}

	/** Resolves with the session's id once the command runs; rejects with nothing run. */
	async run(command: Command, abandoned: AbortSignal): Promise<string> {
		const { vm, disposable, start, timeoutMs, argv, env, user, directory: cwd, stdin } = command;
		const capture = command.capture || stdin !== undefined;
		if (capture && this.#runs.size + this.#beginning >= runsMax) throw tooManyRuns();
		const input = stdin === undefined ? {} : ({ input: true } as const);
		const bytes = encodeExec({ argv, env, cwd, user, tty: null, detach: true, ...input });
		const request = { method: "run", vm, disposable, start, timeoutMs, pid: process.pid } as const;
		const opening = { request, bytes, stays: capture, ...(stdin && { stdin }) };
		if (capture) this.#beginning += 1;
		try {
			const open = await openRun(this.#requests, opening, abandoned);
			if (capture) this.#keep(open.id, { open, waiters: 0, isCaptured: true });
			return open.id;
		} finally {
			if (capture) this.#beginning -= 1;
		}
	}

	/** How it has ended, once it has. Rejects where nobody knows of such a session. `abandoned`: nobody waits any more. */
	async wait(id: string, abandoned: AbortSignal): Promise<RunEnd> {
		const session = parseSessionId(id);
		await this.#requests.admit(toAttachment(session).request);
		const kept = this.#runs.get(id);
		/** Of one whose output is kept, the vm may be gone. */
		if (kept !== undefined) return this.#waitFor(id, kept, abandoned);
		const news = untilEnded(this.#requests.dependencies.registry.find(session.vm), session);
		try {
			return await this.#waitFor(id, await this.#connect(id, abandoned), abandoned);
		} catch (cause) {
			/** Somebody else is connected to it: then its guest tells of its end. */
			if (!(cause instanceof QubesLiteError) || cause.code !== "Busy") throw cause;
			return { end: await orAborted(abandoned, news.end), stdout: nothing, stderr: nothing };
		} finally {
			news.forget();
		}
	}

	#waitFor(id: string, run: Run, abandoned: AbortSignal): Promise<RunEnd> {
		return this.#with(id, run, async () => {
			const end = await orAborted(abandoned, run.open.ended);
			this.#drop(id, run);
			return end;
		});
	}

	/** To its command's process group. */
	async signal(id: string, name: string, abandoned: AbortSignal): Promise<void> {
		const signal = parseSignalName(name);
		await this.#requests.admit(toAttachment(parseSessionId(id)).request);
		const run = await this.#connect(id, abandoned);
		run.open.command.signal(signal);
		void this.#with(id, run, () => delay(signalTakenMs, undefined, { ref: false }));
	}

	/** One connection for all who ask for the same at once: a guest lets one client in. */
	async #connect(id: string, abandoned: AbortSignal): Promise<Run> {
		for (;;) {
			const run = this.#runs.get(id);
			if (run !== undefined) return run;
			const others = this.#connecting.get(id);
			if (others === undefined) break;
			await orAborted(abandoned, others);
		}
		const opened = openRun(this.#requests, toAttachment(parseSessionId(id)), abandoned);
		const settled = opened.then(
			() => {},
			() => {},
		);
		this.#connecting.set(id, settled);
		try {
			const run = { open: await opened, waiters: 0, isCaptured: false };
			this.#keep(id, run);
			return run;
		} finally {
			this.#connecting.delete(id);
		}
	}

	/** It is left when nobody uses it any more, unless its output is kept. */
	async #with<T>(id: string, run: Run, use: () => Promise<T>): Promise<T> {
		run.waiters += 1;
		try {
			return await use();
		} finally {
			run.waiters -= 1;
			if (run.waiters === 0 && !run.isCaptured) {
				run.open.leave();
				this.#drop(id, run);
			}
		}
	}

	#keep(id: string, run: Run): void {
		this.#runs.set(id, run);
		void run.open.ended.then(() => setTimeout(() => this.#drop(id, run), keptForMs).unref());
	}

	#drop(id: string, run: Run): void {
		if (this.#runs.get(id) !== run) return;
		this.#runs.delete(id);
		this.#changed();
	}
}

/** As its guest tells, or its vm's end; at once where it has ended already. */
function untilEnded(vm: Vm, { session, boot }: SessionId): { readonly end: Promise<RunEnd["end"]>; forget(): void } {
	const { promise: end, resolve } = Promise.withResolvers<RunEnd["end"]>();
	const { instance } = vm.snapshot();
	if (instance === undefined || (boot !== null && instance.bootTag !== boot)) return { end, forget: () => {} };
	const look = (): void => {
		const known = instance.endOf(session);
		if (known !== undefined) resolve(known);
		else if (vm.snapshot().instance !== instance) resolve(null);
	};
	const unwatch = [vm.watchSessions(look), vm.watch(look)];
	look();
	return {
		end,
		forget: () => {
			for (const stop of unwatch) stop();
		},
	};
}

const nothing: Kept = { bytes: Buffer.alloc(0), lost: 0 };

const toAttachment = ({ vm, boot, session }: SessionId) =>
	({
		request: { method: "attach", vm, boot, timeoutMs: 0, pid: process.pid },
		bytes: encodeAttach({ session, tty: null }),
		stays: true,
	}) as const;

function parseSignalName(name: string): SignalName {
	const signal = signalNames.find((known) => known === name);
	if (signal !== undefined) return signal;
	throw new QubesLiteError(
		"BadRequest",
		`'${name.slice(0, 32)}' is no signal that can be sent: ${signalNames.join(", ")}`,
	);
}

const tooManyRuns = (): QubesLiteError =>
	new QubesLiteError("Limit", `the output of ${runsMax} sessions is kept already`, {
		remedy: "ask for their ends by Wait, or run without capture",
	});
