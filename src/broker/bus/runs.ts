/** Sessions that programs on the bus have asked for, and who waits for their ends. */
import type { Readable } from "node:stream";
import { QubesLiteError } from "../../errors.ts";
import { encodeAttach, encodeExec } from "../../protocol/exec.ts";
import { parseSessionId, type SessionId } from "../../protocol/session-id.ts";
import { type SignalName, signalNames } from "../../protocol/signals.ts";
import { orAborted } from "../../session-client/on-abort.ts";
import type { Requests } from "../requests.ts";
import { type Kept, type OpenRun, openRun, type RunEnd } from "./session-run.ts";

/** With both outputs of each they may take 32 MiB. */
const runsMax = 64;
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
		if (capture && this.#runs.size >= runsMax) throw tooManyRuns();
		const input = stdin === undefined ? {} : ({ input: true } as const);
		const bytes = encodeExec({ argv, env, cwd, user, tty: null, detach: true, ...input });
		const request = { method: "run", vm, disposable, start, timeoutMs, pid: process.pid } as const;
		const open = await openRun(this.#requests, { request, bytes, stays: capture, ...(stdin && { stdin }) }, abandoned);
		if (capture) this.#keep(open.id, { open, waiters: 0, isCaptured: true });
		return open.id;
	}

	/** How it has ended, once it has. Rejects where nobody knows of such a session. `abandoned`: nobody waits any more. */
	async wait(id: string, abandoned: AbortSignal): Promise<RunEnd> {
		const { request } = toAttachment(parseSessionId(id));
		await this.#requests.admit(request);
		const run = this.#runs.get(id) ?? (await this.#attach(id, abandoned));
		if (!("open" in run)) return run;
		run.waiters += 1;
		try {
			const end = await orAborted(abandoned, run.open.ended);
			this.#drop(id, run);
			return end;
		} finally {
			run.waiters -= 1;
			if (run.waiters === 0 && !run.isCaptured) {
				run.open.leave();
				this.#drop(id, run);
			}
		}
	}

	/** To its command's process group. */
	async signal(id: string, name: string, abandoned: AbortSignal): Promise<void> {
		const signal = parseSignalName(name);
		const attachment = toAttachment(parseSessionId(id));
		await this.#requests.admit(attachment.request);
		const known = this.#runs.get(id);
		if (known !== undefined) {
			known.open.command.signal(signal);
			return;
		}
		const open = await openRun(this.#requests, attachment, abandoned);
		open.command.signal(signal);
		open.leave();
	}

	/** Somebody else may be connected to it: then its guest tells of its end. */
	async #attach(id: string, abandoned: AbortSignal): Promise<Run | RunEnd> {
		const session = parseSessionId(id);
		const news = this.#untilEnded(session);
		try {
			const open = await openRun(this.#requests, toAttachment(session), abandoned);
			const run = { open, waiters: 0, isCaptured: false };
			this.#keep(id, run);
			return run;
		} catch (cause) {
			if (!(cause instanceof QubesLiteError) || cause.code !== "Busy") throw cause;
			return { end: await orAborted(abandoned, news.end), stdout: nothing, stderr: nothing };
		} finally {
			news.forget();
		}
	}

	#untilEnded({ vm: name, session, boot }: SessionId): {
		readonly end: Promise<RunEnd["end"]>;
		forget(): void;
	} {
		const end = Promise.withResolvers<RunEnd["end"]>();
		const vm = this.#requests.dependencies.registry.find(name);
		const forget = vm.watchSessions((news, instance) => {
			if (news.type !== "ended" || news.session !== session || (boot !== null && instance.bootTag !== boot)) return;
			forget();
			end.resolve(news.end);
		});
		return { end: end.promise, forget };
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
