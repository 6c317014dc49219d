/** The host's end of the control connection: what the agent says as a stream, and what is said to it, over however many connections. */
import type { Socket } from "node:net";
import { Subject } from "rxjs";
import { type ErrorCode, QubesLiteError } from "../errors.ts";
import {
	type AgentHello,
	controlFrame,
	type Expect,
	encodeClientGone,
	encodeExpect,
	encodeList,
	encodePoweroff,
	encodeResumed,
	encodeSeen,
	type Heartbeat,
	parseExpected,
	parseHeartbeat,
	parseSessions,
	type SessionFacts,
} from "../protocol/control.ts";
import type { Frame } from "../protocol/frame.ts";
import { messageMaxBytes } from "../protocol/limits.ts";
import { hostControlPort } from "../protocol/ports.ts";
import { resumedSince } from "../protocol/version.ts";
import { GuestDoor } from "./guest-door.ts";
import { knock } from "./knock.ts";
import { SessionListing } from "./session-listing.ts";

/** How long the agent may take to take in a ticket: a TCG guest under load needs some hundred ms. */
const expectWithinMs = 5_000;
/** The agent dials 200 ms after a loss that it has seen. */
const knockAfterMs = 700;
const knocksMax = 10;

export type GuestEvent =
	| { readonly type: "hello"; readonly hello: AgentHello }
	| { readonly type: "heartbeat"; readonly heartbeat: Heartbeat }
	| { readonly type: "disconnected" }
	/** The client of this session is gone, and the agent knows. */
	| { readonly type: "settled"; readonly session: number }
	/** A connection was refused or cut, and why: Unsupported is an agent of another version. */
	| { readonly type: "refused"; readonly code: ErrorCode; readonly why: string };

export interface GuestLinkOptions {
	/** The hybrid vsock's path; the guest's dials arrive at `<path>_5001`. */
	readonly vsock: string;
	readonly vm: string;
	/** The nonce of this boot's first hello, where an earlier broker has written it down. */
	readonly nonce: string | null;
}

/** It powers off, and takes no more sessions: an earlier broker asked it to. */
export class GuestGoingDown extends QubesLiteError {
	constructor(vm: string) {
		super("NotRunning", `${vm} is powering off`, { remedy: `qubes-lite status ${vm}` });
	}
}

/** It is not there, and nobody has been promised anything: it comes back, or its vm ends. */
export class AgentAway extends QubesLiteError {
	constructor(vm: string, what: string) {
		super("Unresponsive", `the agent in ${vm} ${what}`, { remedy: `qubes-lite status ${vm}` });
	}
}

export class GuestLink {
	readonly #options: GuestLinkOptions;
	readonly #door: GuestDoor;
	readonly #events = new Subject<GuestEvent>();
	readonly #expected = new Map<number, { resolve: () => void; reject: (error: QubesLiteError) => void }>();
	readonly #listing = new SessionListing();
	/** Sessions whose client is gone, until the agent lists them no more: what is written to a connection may be lost with it. */
	readonly #gone = new Set<number>();
	#agent: Socket | undefined;
	#knocking: NodeJS.Timeout | undefined;
	#lastSeq = 0;
	#version = 0;
	#isLeaving = false;

	/** What the agent says, in order; completes at close(). Subscribe before listen(). */
	readonly events = this.#events.asObservable();

	constructor(options: GuestLinkOptions) {
		this.#options = options;
		this.#door = new GuestDoor({
			...{ path: `${options.vsock}_${hostControlPort}`, vm: options.vm, nonce: options.nonce },
			entered: (agent, hello) => this.#entered(agent, hello),
			received: (frame) => this.#receive(frame),
			left: () => this.#left(),
			refused: ({ code, message }) => this.#events.next({ type: "refused", code, why: message }),
		});
	}

	/** Rejects where the socket cannot be made. */
	async listen(): Promise<void> {
		await this.#door.listen();
		if (this.#options.nonce !== null) this.#knockLater(knocksMax);
	}

	/** For a guest that a broker before us has known: one that boots must not be disturbed (design: "never a connect-retry loop"). */
	#knockLater(left: number): void {
		this.#knocking = setTimeout(() => {
			if (this.#agent !== undefined) return;
			knock(this.#options.vsock);
			if (left > 1) this.#knockLater(left - 1);
		}, knockAfterMs);
	}

	/** Resolves when the agent holds the ticket; rejects with AgentAway, Unresponsive, Limit or GuestGoingDown. */
	async expect(expect: Expect): Promise<void> {
		const agent = this.#agent;
		if (agent === undefined) throw new AgentAway(this.#options.vm, "is not connected");
		let timer: NodeJS.Timeout | undefined;
		try {
			await new Promise<void>((resolve, reject) => {
				timer = setTimeout(() => reject(this.#unresponsive()), expectWithinMs);
				this.#expected.set(expect.session, { resolve, reject });
				agent.write(encodeExpect(expect));
			});
		} finally {
			clearTimeout(timer);
			this.#expected.delete(expect.session);
		}
	}

	/** The sessions as the agent sees them; rejects with Unresponsive. */
	async list(): Promise<SessionFacts[]> {
		const sessions = await this.#listing.ask();
		if (sessions === null) throw this.#unresponsive();
		return sessions;
	}

	clientGone(session: number): void {
		this.#gone.add(session);
		this.#agent?.write(encodeClientGone(session));
	}

	/** A number that was granted is listed from then on until its connection and its session have ended, and never again. */
	#settle({ sessions, tickets = [] }: Pick<Heartbeat, "sessions" | "tickets">): void {
		if (this.#gone.size === 0) return;
		const living = new Set([...sessions, ...tickets]);
		for (const session of this.#gone) {
			if (living.has(session)) continue;
			this.#gone.delete(session);
			this.#events.next({ type: "settled", session });
		}
	}

	powerOff(graceMs: number): void {
		this.#agent?.write(encodePoweroff(graceMs));
	}

	/**
	 * Before a pause: what is said from here on is kept back until resumed() or unhush(), for a paused guest's vsock takes nothing
	 * (vmm-control.ts).
	 */
	hush(): void {
		this.#agent?.cork();
	}

	/** There has been no pause. */
	unhush(): void {
		this.#agent?.uncork();
	}

	/**
	 * After a pause, as soon as the vm runs again: what the host's clock says now, in ms since 1970, and 32 fresh random bytes. What is
	 * announced behind it finds both in place. An agent that is not connected, or is too old for it, is told nothing.
	 */
	resumed(wallMs: number, entropy: Buffer): void {
		if (this.#version >= resumedSince)
			this.#agent?.write(encodeResumed({ wallMs: Math.round(wallMs), entropy: entropy.toString("hex") }));
		this.unhush();
	}

	/** This broker is about to end, and tells nobody of anything any more: ends that the agent reports now it reports to the next one again. */
	leave(): void {
		this.#isLeaving = true;
	}

	/** Ends the link and its socket. Idempotent. */
	close(): void {
		clearTimeout(this.#knocking);
		this.#door.close();
		this.#events.complete();
	}

	#entered(agent: Socket, hello: AgentHello): void {
		this.#agent = agent;
		this.#lastSeq = 0;
		this.#version = hello.version;
		this.#settle(hello);
		for (const session of this.#gone) agent.write(encodeClientGone(session));
		this.#listing.connected(() => agent.write(encodeList()));
		this.#events.next({ type: "hello", hello });
	}

	#receive(frame: Frame): void {
		if (frame.type === controlFrame.heartbeat) {
			const heartbeat = parseHeartbeat(frame.payload);
			if (heartbeat.seq <= this.#lastSeq) return;
			this.#lastSeq = heartbeat.seq;
			this.#settle(heartbeat);
			this.#events.next({ type: "heartbeat", heartbeat });
			/** One that does not read has its answers already. */
			if (!this.#isLeaving && this.#agent !== undefined && this.#agent.writableLength < messageMaxBytes) {
				this.#agent.write(encodeSeen(heartbeat.seq));
			}
		} else if (frame.type === controlFrame.expected) {
			const expected = parseExpected(frame.payload);
			const waiting = this.#expected.get(expected.session);
			if (expected.accepted) waiting?.resolve();
			else if (expected.goingDown === true) waiting?.reject(new GuestGoingDown(this.#options.vm));
			else waiting?.reject(this.#tooManySessions());
		} else if (frame.type === controlFrame.sessions) {
			if (!this.#listing.answered(parseSessions(frame.payload))) throw bad("it listed sessions that nobody asked for");
		} else {
			throw bad("it said hello twice");
		}
	}

	#left(): void {
		this.#agent = undefined;
		this.#listing.disconnected();
		for (const waiting of this.#expected.values()) waiting.reject(new AgentAway(this.#options.vm, "went away"));
		this.#events.next({ type: "disconnected" });
	}

	#tooManySessions(): QubesLiteError {
		return new QubesLiteError("Limit", `${this.#options.vm} has too many sessions about to begin`, {
			remedy: "try again in a moment",
		});
	}

	#unresponsive(): QubesLiteError {
		return new QubesLiteError("Unresponsive", `the agent in ${this.#options.vm} does not answer`, {
			remedy: `qubes-lite status ${this.#options.vm}`,
		});
	}
}

const bad = (what: string): QubesLiteError => new QubesLiteError("BadRequest", what);
