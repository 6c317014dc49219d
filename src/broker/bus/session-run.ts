/**
 * A session that the broker itself opens, for a program that calls by D-Bus: it is a client like any other, by the same requests and with
 * a ticket of its own, only without a process. Its commands are detached: they outlive this broker.
 */
import type { Readable } from "node:stream";
import type { Caller } from "../../dbus/served-objects.ts";
import { QubesLiteError } from "../../errors.ts";
import { type BrokerRequest, brokerFrame, fromBrokerLimits, parseGranted, parseReady } from "../../protocol/broker.ts";
import { FrameDecoder } from "../../protocol/frame.ts";
import { outputKeptBytes } from "../../protocol/limits.ts";
import { OutputRing } from "../../protocol/output-ring.ts";
import type { CommandEnd } from "../../protocol/session.ts";
import { formatSessionId } from "../../protocol/session-id.ts";
import { type RemoteCommand, runSession, type SessionEnd } from "../../session-client/client-session.ts";
import { connectGuest } from "../../session-client/guest-connection.ts";
import { type Requests, toMachineTime } from "../requests.ts";
import { serveAttach } from "../serve-attach.ts";
import { serveRun } from "../serve-run.ts";
import { lostSession, TicketExpired, toFailure } from "./session-failures.ts";

/** Who wants it. */
export type Asker = Pick<Caller, "gone" | "begun">;

export interface Opening {
	readonly request: BrokerRequest & { readonly method: "run" | "attach" };
	/** The exec or attach bytes. */
	readonly bytes: Buffer;
	/** To which session it comes back; absent: it opens one. */
	readonly session?: number;
	/** Stays with it, and collects its output; else it is left as soon as it has begun. */
	readonly stays: boolean;
	/** Its standard input, where it stays; destroyed with the session. Absent: an empty one. */
	readonly stdin?: Readable;
}

/** What an output has come to: its last bytes, and how many were before them. */
export interface Kept {
	readonly bytes: Buffer;
	readonly lost: number;
}

export interface RunEnd {
	/** null: nobody knows. */
	readonly end: CommandEnd | null;
	/** Why nobody knows, as far as that can be told. */
	readonly problem: QubesLiteError | null;
	readonly stdout: Kept;
	readonly stderr: Kept;
}

export interface OpenRun {
	readonly id: string;
	readonly command: RemoteCommand;
	/** Never rejects. Of one that was left it is never told. */
	readonly ended: Promise<RunEnd>;
	/** It goes on without us. */
	leave(): void;
}

/** An agent that has a ticket's command in its hands starts it, or says why not, within a second even on a busy host. */
const answerWithinMs = 30_000;
/** The end of a vm is known by then to whoever serves its sessions. */
const lostAfterMs = 1_000;

/** Resolves once its command runs; rejects with why it does not, and then nothing runs. */
export async function openRun(requests: Requests, opening: Opening, asker: Asker): Promise<OpenRun> {
	await requests.admit(opening.request, opening.bytes);
	try {
		return await new SessionRun(requests, opening, asker).open();
	} catch (cause) {
		if (!(cause instanceof TicketExpired)) throw cause;
		/** On a host that stalls; once. */
		return await new SessionRun(requests, opening, asker).open();
	}
}

class SessionRun {
	readonly #requests: Requests;
	readonly #opening: Opening;
	readonly #asker: Asker;
	readonly #gone = new AbortController();
	readonly #leave = new AbortController();
	readonly #silence = new AbortController();
	readonly #started = Promise.withResolvers<RemoteCommand>();
	readonly #ended = Promise.withResolvers<RunEnd>();
	readonly #outputs = { stdout: new OutputRing(outputKeptBytes), stderr: new OutputRing(outputKeptBytes) };
	/** What its guest had no room for before we came. */
	#lost = { stdout: 0, stderr: 0 };
	#guest: ReturnType<typeof connectGuest> | undefined;
	#ready: ReturnType<typeof parseReady> | undefined;
	#id = "";

	constructor(requests: Requests, opening: Opening, asker: Asker) {
		this.#requests = requests;
		this.#opening = opening;
		this.#asker = asker;
	}

	async open(): Promise<OpenRun> {
		const abandoned = this.#asker.gone;
		const abandon = (): void => {
			this.#end();
			this.#started.reject(new QubesLiteError("Internal", "nobody waits for it any more"));
		};
		abandoned.addEventListener("abort", abandon, { once: true });
		if (abandoned.aborted) abandon();
		else void this.#serve().catch((cause: unknown) => this.#failed(cause));
		try {
			const command = await this.#started.promise;
			return { id: this.#id, command, ended: this.#ended.promise, leave: () => this.#end() };
		} finally {
			abandoned.removeEventListener("abort", abandon);
			if (!this.#opening.stays) this.#end();
		}
	}

	/** Resolves when we are gone; rejects with what a client is told. */
	#serve(): Promise<void> {
		const { dependencies } = this.#requests;
		const decoder = new FrameDecoder(fromBrokerLimits);
		const client = {
			gone: this.#gone.signal,
			send: (frame: Buffer): void => decoder.push(frame, ({ type, payload }) => this.#receive(type, payload)),
		};
		const { request, bytes } = this.#opening;
		const { registry, now, clock } = dependencies;
		const asked = "askedAt" in request ? request.askedAt : undefined;
		const options = {
			registry,
			now,
			clock,
			bytes,
			number: this.#requests.nextNumber(),
			askedAt: toMachineTime(asked, now()),
		};
		return request.method === "run" ? serveRun(client, request, options) : serveAttach(client, request, options);
	}

	/** Nothing is run for who has left: what was granted is withdrawn by whoever serves us. */
	#receive(type: number, payload: Buffer): void {
		if (this.#gone.signal.aborted) return;
		if (type === brokerFrame.ready) {
			this.#closeGuest();
			this.#ready = parseReady(payload);
			this.#guest = connectGuest(this.#ready.vsock);
			this.#guest.catch(() => {});
		} else if (type === brokerFrame.granted) {
			const { ticket, session } = parseGranted(payload);
			/** Of an attachment the number is its own. */
			const number = this.#opening.session ?? session;
			this.#id = formatSessionId({ vm: this.#ready?.vm ?? "", session: number, boot: this.#ready?.boot ?? null });
			void this.#converse(ticket).catch((cause: unknown) => this.#failed(cause));
		}
	}

	async #converse(ticket: Buffer): Promise<void> {
		if (this.#guest === undefined) throw new QubesLiteError("Internal", "a session was granted without the way to it");
		const { request, bytes } = this.#opening;
		const socket = await this.#guest;
		if (this.#gone.signal.aborted) return;
		/** What is said from here on starts the command, whatever becomes of us. */
		const withdrawn = request.method === "run" ? this.#asker.begun() : () => {};
		const late = (): void =>
			this.#silence.abort(new QubesLiteError("Unresponsive", "the guest's agent does not answer"));
		const timer = setTimeout(late, answerWithinMs);
		const kind = request.method === "run" ? "exec" : "attach";
		try {
			const end = await runSession(
				socket,
				{ ticket, kind, bytes, startBy: this.#silence.signal },
				{
					...{ stdin: this.#opening.stdin ?? null, mayRead: Promise.resolve(), leave: this.#leave.signal },
					stdout: toSink(this.#outputs.stdout),
					stderr: toSink(this.#outputs.stderr),
					onStarted: (command, attached) => {
						clearTimeout(timer);
						if (attached !== null) this.#lost = attached.lost;
						this.#started.resolve(command);
						if (!this.#opening.stays) this.#leave.abort();
					},
				},
			);
			if (end.kind === "failed" && end.failure === "expired") withdrawn();
			this.#finish(end);
		} finally {
			clearTimeout(timer);
			this.#closeGuest();
		}
	}

	/** Also where it has been opened in vain. */
	#closeGuest(): void {
		void this.#guest?.then((socket) => socket.destroy()).catch(() => {});
	}

	#finish(end: SessionEnd): void {
		switch (end.kind) {
			case "left":
				return;
			case "failed":
				this.#failed(toFailure(end.failure, end.message));
				return;
			case "lost":
				/** Why its vm has ended, whoever serves us says soon. */
				setTimeout(() => this.#failed(lostSession()), lostAfterMs);
				return;
			case "ended":
				this.#tell(end.end, null);
				return;
			default:
				/** Nobody here closes its output, or signals it. */
				this.#failed(lostSession());
		}
	}

	/** Before it has begun it is why it does not; later its end is all that can be told. */
	#failed(cause: unknown): void {
		this.#started.reject(cause);
		this.#tell(null, QubesLiteError.from(cause));
	}

	#tell(end: CommandEnd | null, problem: QubesLiteError | null): void {
		const { stdout, stderr } = this.#outputs;
		const lost = this.#lost;
		const outputs = { stdout: toKept(stdout, lost.stdout), stderr: toKept(stderr, lost.stderr) };
		this.#ended.resolve({ end, problem, ...outputs });
		this.#end();
	}

	/** Idempotent. */
	#end(): void {
		this.#leave.abort();
		this.#gone.abort();
		this.#closeGuest();
	}
}

const toKept = (ring: OutputRing, before: number): Kept => ({ bytes: ring.contents(), lost: before + ring.dropped });

const toSink = (ring: OutputRing): Parameters<typeof runSession>[2]["stdout"] => ({
	write(bytes, written) {
		ring.append(bytes);
		written();
	},
	end: (written) => written(),
});
