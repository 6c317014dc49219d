/**
 * The host's end of the control connection: listens where the guest's dials to port 5001 arrive, takes one hello, and
 * turns what the agent says into a stream. Everything that comes in is hostile: bounded, parsed once here, throttled.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
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
	encodeSeen,
	encodeWelcome,
	fromAgentLimits,
	type Heartbeat,
	parseExpected,
	parseHeartbeat,
	parseHello,
	parseSessions,
	type SessionFacts,
} from "../protocol/control.ts";
import { type Frame, FrameDecoder } from "../protocol/frame.ts";
import { messageMaxBytes } from "../protocol/limits.ts";
import { hostControlPort } from "../protocol/ports.ts";
import { agreeOnVersion } from "../protocol/version.ts";
import { FrameBudget } from "./frame-budget.ts";
import { knock } from "./knock.ts";
import { SessionListing } from "./session-listing.ts";

/** A connection that has not said hello by then is cut. */
const helloWithinMs = 10_000;
/** How long the agent may take to take in a ticket: a TCG guest under load needs some hundred ms. */
const expectWithinMs = 5_000;
/** Connections that have not said hello yet; the agent has one. */
const strangersMax = 8;

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

export class GuestLink {
	readonly #options: GuestLinkOptions;
	readonly #server: Server;
	readonly #path: string;
	readonly #events = new Subject<GuestEvent>();
	readonly #strangers = new Set<Socket>();
	readonly #expected = new Map<number, { resolve: () => void; reject: (error: QubesLiteError) => void }>();
	readonly #listing = new SessionListing();
	/** The agent has one of its own: what others in the guest say does not take its place. */
	readonly #agentBudget = new FrameBudget();
	readonly #strangersBudget = new FrameBudget();
	/** Sessions whose client is gone, until the agent lists them no more: what is written to a connection may be lost with it. */
	readonly #gone = new Set<number>();
	#agent: Socket | undefined;
	#knocking: NodeJS.Timeout | undefined;
	#nonce: string | null;
	#lastSeq = 0;

	/** What the agent says, in order; completes at close(). Subscribe before listen(). */
	readonly events = this.#events.asObservable();

	constructor(options: GuestLinkOptions) {
		this.#options = options;
		this.#nonce = options.nonce;
		this.#path = `${options.vsock}_${hostControlPort}`;
		this.#server = createServer((socket) => this.#accept(socket));
	}

	/** Rejects where the socket cannot be made. */
	async listen(): Promise<void> {
		rmSync(this.#path, { force: true });
		await new Promise<void>((resolve, reject) => {
			this.#server.once("error", reject);
			this.#server.listen(this.#path, resolve);
		});
		this.#server.on("error", (cause) => this.#refused(QubesLiteError.from(cause)));
		chmodSync(this.#path, 0o600);
		if (this.#nonce !== null) this.#knockLater(knocksMax);
	}

	/** For a guest that a broker before us has known: one that boots must not be disturbed (design: "never a connect-retry loop"). */
	#knockLater(left: number): void {
		this.#knocking = setTimeout(() => {
			if (this.#agent !== undefined) return;
			knock(this.#options.vsock);
			if (left > 1) this.#knockLater(left - 1);
		}, knockAfterMs);
	}

	/** Resolves when the agent holds the ticket; rejects with Unresponsive, Limit or GuestGoingDown. */
	async expect(expect: Expect): Promise<void> {
		const agent = this.#agent;
		if (agent === undefined) throw this.#unresponsive("is not connected");
		let timer: NodeJS.Timeout | undefined;
		try {
			await new Promise<void>((resolve, reject) => {
				timer = setTimeout(() => reject(this.#unresponsive("does not answer")), expectWithinMs);
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
		if (sessions === null) throw this.#unresponsive("does not answer");
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

	/** Ends the link and its socket. Idempotent. */
	close(): void {
		this.#server.close();
		clearTimeout(this.#knocking);
		for (const socket of this.#strangers) socket.destroy();
		this.#agent?.destroy();
		for (const budget of [this.#agentBudget, this.#strangersBudget]) budget.close();
		this.#events.complete();
		rmSync(this.#path, { force: true });
	}

	#accept(socket: Socket): void {
		if (!this.#strangersBudget.admit()) {
			socket.destroy();
			return;
		}
		/** The oldest has had its time: the agent says hello as soon as it is connected. */
		const [oldest] = this.#strangers;
		if (oldest !== undefined && this.#strangers.size >= strangersMax) this.#cut(oldest, bad("others came after it"));
		this.#strangers.add(socket);
		const decoder = new FrameDecoder(fromAgentLimits);
		const deadline = setTimeout(() => this.#cut(socket, bad("it did not say hello")), helloWithinMs);
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => {
			try {
				let frames = 0;
				decoder.push(chunk, (frame) => {
					frames += 1;
					if (socket.destroyed) return;
					if (socket === this.#agent) this.#receive(frame);
					else this.#greet(socket, frame, deadline);
				});
				const budget = socket === this.#agent ? this.#agentBudget : this.#strangersBudget;
				budget.spend(socket, frames, chunk.length);
			} catch (cause) {
				this.#cut(socket, QubesLiteError.from(cause));
			}
		});
		socket.once("close", () => {
			clearTimeout(deadline);
			for (const budget of [this.#agentBudget, this.#strangersBudget]) budget.forget(socket);
			this.#strangers.delete(socket);
			if (socket === this.#agent) this.#lost();
		});
	}

	#greet(socket: Socket, frame: Frame, deadline: NodeJS.Timeout): void {
		if (frame.type !== controlFrame.hello) throw bad("its first word was not hello");
		const hello = parseHello(frame.payload);
		if (this.#agent !== undefined) throw bad("an agent is connected already");
		if (hello.vm !== this.#options.vm) throw bad("its hello names another vm");
		if (this.#nonce !== null && hello.nonce !== this.#nonce) throw bad("its hello is of another boot");
		agreeOnVersion(`the agent in ${this.#options.vm}`, hello);
		clearTimeout(deadline);
		this.#strangers.delete(socket);
		this.#agent = socket;
		this.#nonce = hello.nonce;
		this.#lastSeq = 0;
		socket.write(encodeWelcome());
		this.#settle(hello);
		for (const session of this.#gone) socket.write(encodeClientGone(session));
		this.#listing.connected(() => socket.write(encodeList()));
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
			if (this.#agent !== undefined && this.#agent.writableLength < messageMaxBytes) {
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

	#lost(): void {
		this.#agent = undefined;
		this.#listing.disconnected();
		for (const waiting of this.#expected.values()) waiting.reject(this.#unresponsive("went away"));
		this.#events.next({ type: "disconnected" });
	}

	#cut(socket: Socket, error: QubesLiteError): void {
		this.#strangers.delete(socket);
		this.#refused(error);
		socket.destroy();
	}

	#refused({ code, message }: QubesLiteError): void {
		this.#events.next({ type: "refused", code, why: message });
	}

	#tooManySessions(): QubesLiteError {
		return new QubesLiteError("Limit", `${this.#options.vm} has too many sessions about to begin`, {
			remedy: "try again in a moment",
		});
	}

	#unresponsive(what: string): QubesLiteError {
		return new QubesLiteError("Unresponsive", `the agent in ${this.#options.vm} ${what}`, {
			remedy: `qubes-lite status ${this.#options.vm}`,
		});
	}
}

const bad = (what: string): QubesLiteError => new QubesLiteError("BadRequest", what);
