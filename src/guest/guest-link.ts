/**
 * The host's end of the control connection: listens where the guest's dials to port 5001 arrive, takes one hello, and
 * turns what the agent says into a stream. Everything that comes in is hostile: bounded, parsed once here, throttled.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { Subject } from "rxjs";
import { QubesLiteError } from "../errors.ts";
import {
	type AgentHello,
	controlFrame,
	type Expect,
	encodeClientGone,
	encodeExpect,
	encodePoweroff,
	encodeWelcome,
	fromAgentLimits,
	type Heartbeat,
	parseExpected,
	parseHeartbeat,
	parseHello,
} from "../protocol/control.ts";
import { type Frame, FrameDecoder } from "../protocol/frame.ts";
import { protocolVersion } from "../protocol/limits.ts";
import { hostControlPort } from "../protocol/ports.ts";
import { FrameBudget } from "./frame-budget.ts";

/** A connection that has not said hello by then is cut. */
const helloWithinMs = 10_000;
/** How long the agent may take to take in a ticket: a TCG guest under load needs some hundred ms. */
const expectWithinMs = 5_000;
/** Connections that have not said hello yet; the agent has one. */
const strangersMax = 8;

export type GuestEvent =
	| { readonly type: "hello"; readonly hello: AgentHello }
	| { readonly type: "heartbeat"; readonly heartbeat: Heartbeat }
	| { readonly type: "disconnected" }
	/** A connection was refused or cut, and why. */
	| { readonly type: "refused"; readonly why: string };

export interface GuestLinkOptions {
	/** The hybrid vsock's path; the guest's dials arrive at `<path>_5001`. */
	readonly vsock: string;
	readonly vm: string;
	/** The nonce of this boot's first hello, where an earlier broker has written it down. */
	readonly nonce: string | null;
}

export class GuestLink {
	readonly #options: GuestLinkOptions;
	readonly #server: Server;
	readonly #path: string;
	readonly #events = new Subject<GuestEvent>();
	readonly #strangers = new Set<Socket>();
	readonly #expected = new Map<number, { resolve: () => void; reject: (error: QubesLiteError) => void }>();
	#agent: Socket | undefined;
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
		this.#server.on("error", (cause) => this.#refused(cause.message));
		chmodSync(this.#path, 0o600);
	}

	/** Resolves when the agent holds the ticket; rejects with Unresponsive or Limit. */
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

	clientGone(session: number): void {
		this.#agent?.write(encodeClientGone(session));
	}

	powerOff(graceMs: number): void {
		this.#agent?.write(encodePoweroff(graceMs));
	}

	/** Ends the link and its socket. Idempotent. */
	close(): void {
		this.#server.close();
		for (const socket of this.#strangers) socket.destroy();
		this.#agent?.destroy();
		this.#events.complete();
		rmSync(this.#path, { force: true });
	}

	#accept(socket: Socket): void {
		/** The oldest has had its time: the agent says hello as soon as it is connected. */
		const [oldest] = this.#strangers;
		if (oldest !== undefined && this.#strangers.size >= strangersMax) this.#cut(oldest, "others came after it");
		this.#strangers.add(socket);
		const decoder = new FrameDecoder(fromAgentLimits);
		const budget = new FrameBudget(socket);
		const deadline = setTimeout(() => this.#cut(socket, "it did not say hello"), helloWithinMs);
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => {
			try {
				const frames = decoder.push(chunk);
				budget.spend(frames.length, chunk.length);
				for (const frame of frames) {
					if (socket.destroyed) return;
					if (socket === this.#agent) this.#receive(frame);
					else this.#greet(socket, frame, deadline);
				}
			} catch (cause) {
				this.#cut(socket, QubesLiteError.from(cause).message);
			}
		});
		socket.once("close", () => {
			clearTimeout(deadline);
			budget.close();
			this.#strangers.delete(socket);
			if (socket === this.#agent) this.#lost();
		});
	}

	#greet(socket: Socket, frame: Frame, deadline: NodeJS.Timeout): void {
		if (frame.type !== controlFrame.hello) throw new QubesLiteError("BadRequest", "its first word was not hello");
		const hello = parseHello(frame.payload);
		if (this.#agent !== undefined) throw new QubesLiteError("BadRequest", "an agent is connected already");
		if (hello.vm !== this.#options.vm) throw new QubesLiteError("BadRequest", "its hello names another vm");
		if (this.#nonce !== null && hello.nonce !== this.#nonce) {
			throw new QubesLiteError("BadRequest", "its hello is of another boot");
		}
		if (hello.version !== protocolVersion) {
			throw new QubesLiteError("Unsupported", `its agent speaks version ${hello.version}, we speak ${protocolVersion}`);
		}
		clearTimeout(deadline);
		this.#strangers.delete(socket);
		this.#agent = socket;
		this.#nonce = hello.nonce;
		this.#lastSeq = 0;
		socket.write(encodeWelcome(protocolVersion));
		this.#events.next({ type: "hello", hello });
	}

	#receive(frame: Frame): void {
		if (frame.type === controlFrame.heartbeat) {
			const heartbeat = parseHeartbeat(frame.payload);
			if (heartbeat.seq <= this.#lastSeq) return;
			this.#lastSeq = heartbeat.seq;
			this.#events.next({ type: "heartbeat", heartbeat });
		} else if (frame.type === controlFrame.expected) {
			const expected = parseExpected(frame.payload);
			const waiting = this.#expected.get(expected.session);
			if (expected.accepted) waiting?.resolve();
			else waiting?.reject(this.#tooManySessions());
		} else {
			throw new QubesLiteError("BadRequest", "it said hello twice");
		}
	}

	#lost(): void {
		this.#agent = undefined;
		for (const waiting of this.#expected.values()) waiting.reject(this.#unresponsive("went away"));
		this.#events.next({ type: "disconnected" });
	}

	#cut(socket: Socket, why: string): void {
		this.#strangers.delete(socket);
		this.#refused(why);
		socket.destroy();
	}

	#refused(why: string): void {
		this.#events.next({ type: "refused", why });
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
