/** Sessions that programs on the bus have asked for, and who waits for their ends. */
import type { Readable } from "node:stream";
import { QubesLiteError } from "../../errors.ts";
import { encodeAttach, encodeExec } from "../../protocol/exec.ts";
import { formatSessionId, parseSessionId, type SessionId } from "../../protocol/session-id.ts";
import { type SignalName, signalNames } from "../../protocol/signals.ts";
import { orAborted } from "../../session-client/on-abort.ts";
import type { Requests } from "../requests.ts";
import { SessionTaken } from "./session-failures.ts";
import { type Asker, type Kept, type OpenRun, openRun, type RunEnd } from "./session-run.ts";
import { hasEnded, ToldEnd } from "./told-end.ts";

/** That we are connected to, or keep the output of: it may take 32 MiB. */
const runsMax = 64;
/** Who has run something asks for its end soon. */
const keptForMs = 60_000;
/** A frame that was sent is on its way by then. */
const signalledWithinMs = 1_000;

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
	/** As the policy knows where it runs: an instance may be gone. */
	readonly target: string;
	waiters: number;
	/** Also when nobody waits. */
	readonly isCaptured: boolean;
	hasEnded: boolean;
}

export class Runs {
	readonly #requests: Requests;
	readonly #changed: () => void;
	/** Those that we are connected to, and those that have ended and were not asked for, by their ids. */
	readonly #runs = new Map<string, Run>();
	/** About to be among them. */
	#coming = 0;
	/** Sessions that are being come back to: a guest lets one client in at a time. */
	readonly #attaching = new Map<string, Promise<unknown>>();

	/** `changed`: one has gone. */
	constructor(requests: Requests, changed: () => void) {
		this.#requests = requests;
		this.#changed = changed;
	}

	get size(): number {
		return this.#runs.size;
	}

	/** Resolves with the session's id once the command runs; rejects with nothing run. */
	async run(command: Command, asker: Asker): Promise<string> {
		const { vm, disposable, start, timeoutMs, argv, env, user, directory: cwd, stdin } = command;
		const stays = command.capture || stdin !== undefined;
		const input = stdin === undefined ? {} : ({ input: true } as const);
		const bytes = encodeExec({ argv, env, cwd, user, tty: null, detach: true, ...input });
		const request = { method: "run", vm, disposable, start, timeoutMs, pid: process.pid } as const;
		const open = (): Promise<OpenRun> =>
			openRun(this.#requests, { request, bytes, stays, ...(stdin && { stdin }) }, asker);
		if (!stays) return (await open()).id;
		const base = vm === "" ? "@dispvm" : `@dispvm:${vm}`;
		return (await this.#open(open, { target: disposable ? base : vm, isCaptured: true })).open.id;
	}

	/** How it has ended, once it has. Rejects where nobody knows of such a session. */
	async wait(id: string, asker: Asker): Promise<RunEnd> {
		const session = parseSessionId(id);
		await this.#admit(session);
		while (this.#isComing(session)) await this.#attaching.get(toKey(session));
		const run = this.#find(session) ?? (await this.#attach(session, asker));
		if (!("open" in run)) return run;
		run.waiters += 1;
		try {
			const end = await orAborted(asker.gone, run.open.ended);
			this.#drop(run);
			return end;
		} finally {
			this.#unused(run);
		}
	}

	/** Somebody less: it is left when nobody uses it any more, unless its output is kept, or we alone have what its guest has told of its end. */
	#unused(run: Run): void {
		run.waiters -= 1;
		if (run.waiters > 0 || run.isCaptured || run.hasEnded) return;
		run.open.leave();
		this.#drop(run);
	}

	/** To its command's process group. Rejects where it has ended, or somebody else is connected to it. */
	async signal(id: string, name: string, asker: Asker): Promise<void> {
		const signal = parseSignalName(name);
		const session = parseSessionId(id);
		await this.#admit(session);
		const { registry } = this.#requests.dependencies;
		/** Who connects to one that has ended would be told of it, and take from others what is told once. */
		if (this.#find(session) === undefined && (await hasEnded(registry.find(session.vm), session)))
			throw hasEndedBefore(id);
		while (this.#isComing(session)) await this.#attaching.get(toKey(session));
		const run = this.#find(session) ?? (await this.#connect(session, asker));
		if (run.hasEnded) throw hasEndedBefore(id);
		asker.gone.throwIfAborted();
		run.open.command.signal(signal);
		/** That we have left is told to the agent by another way, and must not be there first. Who asks next finds us there still. */
		run.waiters += 1;
		setTimeout(() => this.#unused(run), signalledWithinMs).unref();
	}

	#connect(session: SessionId, asker: Asker): Promise<Run> {
		const open = (): Promise<OpenRun> => openRun(this.#requests, toAttachment(session), asker);
		return this.#alone(session, () => this.#open(open, { target: session.vm, isCaptured: false }));
	}

	/** Somebody is about to be connected to it. */
	#isComing(session: SessionId): boolean {
		return this.#attaching.has(toKey(session));
	}

	async #alone<T>(session: SessionId, open: () => Promise<T>): Promise<T> {
		const key = toKey(session);
		const opening = open();
		const settled = opening.catch(() => {});
		this.#attaching.set(key, settled);
		try {
			return await opening;
		} finally {
			if (this.#attaching.get(key) === settled) this.#attaching.delete(key);
		}
	}

	/** A session's id may leave out its boot. */
	#find({ vm, session, boot }: SessionId): Run | undefined {
		if (boot !== null) return this.#runs.get(formatSessionId({ vm, session, boot }));
		const prefix = `${formatSessionId({ vm, session, boot: null })}.`;
		return [...this.#runs].find(([id]) => id.startsWith(prefix))?.[1];
	}

	async #admit(session: SessionId): Promise<void> {
		const known = this.#find(session);
		if (known === undefined) await this.#requests.admit(toAttachment(session).request);
		else this.#requests.require({ target: known.target, service: "attach" });
	}

	/** Somebody else may be connected to it, or nobody may know of it any more: then what its guest has told of its end is all. */
	async #attach(session: SessionId, asker: Asker): Promise<Run | RunEnd> {
		const told = new ToldEnd(this.#requests.dependencies.registry.find(session.vm), session);
		try {
			return await this.#connect(session, asker);
		} catch (cause) {
			const error = QubesLiteError.from(cause);
			const isAlive = error instanceof SessionTaken;
			if (!isAlive && (error.code !== "NotRunning" || told.known === undefined)) throw cause;
			const end = told.known === undefined ? await orAborted(asker.gone, told.next) : told.known;
			return { end, problem: end === null ? await told.whyUnknown() : null, stdout: nothing, stderr: nothing };
		} finally {
			told.forget();
		}
	}

	/** One more; rejects with Limit where there are too many. */
	async #open(open: () => Promise<OpenRun>, facts: Pick<Run, "target" | "isCaptured">): Promise<Run> {
		if (this.#runs.size + this.#coming >= runsMax) throw tooManyRuns();
		this.#coming += 1;
		try {
			const run: Run = { open: await open(), waiters: 0, hasEnded: false, ...facts };
			this.#runs.set(run.open.id, run);
			void run.open.ended.then(() => {
				run.hasEnded = true;
				setTimeout(() => this.#drop(run), keptForMs).unref();
			});
			return run;
		} finally {
			this.#coming -= 1;
		}
	}

	#drop(run: Run): void {
		if (this.#runs.get(run.open.id) !== run) return;
		this.#runs.delete(run.open.id);
		this.#changed();
	}
}

const toKey = ({ vm, session }: SessionId): string => `${vm}.${session}`;

const nothing: Kept = { bytes: Buffer.alloc(0), lost: 0 };

const toAttachment = ({ vm, boot, session }: SessionId) =>
	({
		request: { method: "attach", vm, boot, timeoutMs: 0, pid: process.pid },
		bytes: encodeAttach({ session, tty: null }),
		session,
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

const hasEndedBefore = (id: string): QubesLiteError =>
	new QubesLiteError("NotRunning", `session ${id.slice(0, 64)} has ended`);

const tooManyRuns = (): QubesLiteError =>
	new QubesLiteError("Limit", `the broker is connected to ${runsMax} sessions already, or keeps their output`, {
		remedy: "ask for their ends by Wait, or run without capture",
	});
