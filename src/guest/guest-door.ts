/**
 * Where the guest's dials to port 5001 arrive: lets one agent in by its hello, whoever else knocks, and throttles them all.
 * Everything that comes in is hostile: bounded, and parsed once here or by who receives it.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import { type AgentHello, controlFrame, encodeWelcome, fromAgentLimits, parseHello } from "../protocol/control.ts";
import { type Frame, FrameDecoder } from "../protocol/frame.ts";
import { agreeOnVersion } from "../protocol/version.ts";
import { FrameBudget } from "./frame-budget.ts";

/** A connection that has not said hello by then is cut. */
const helloWithinMs = 10_000;
/** Connections that have not said hello yet; the agent has one. */
const strangersMax = 8;

export interface GuestDoorOptions {
	readonly path: string;
	readonly vm: string;
	/** The nonce of this boot's first hello, where it is known already. */
	readonly nonce: string | null;
	/** An agent has said a good hello, and was welcomed. There is one at a time. */
	entered(agent: Socket, hello: AgentHello): void;
	/** A frame of the agent's. What it throws cuts the connection. */
	received(frame: Frame): void;
	/** The agent's connection has ended. */
	left(): void;
	/** A connection was refused or cut, and why. */
	refused(error: QubesLiteError): void;
}

export class GuestDoor {
	readonly #options: GuestDoorOptions;
	readonly #server: Server;
	readonly #strangers = new Set<Socket>();
	/** The agent has one of its own: what others in the guest say does not take its place. */
	readonly #agentBudget = new FrameBudget();
	readonly #strangersBudget = new FrameBudget();
	#agent: Socket | undefined;
	#nonce: string | null;

	constructor(options: GuestDoorOptions) {
		this.#options = options;
		this.#nonce = options.nonce;
		this.#server = createServer((socket) => this.#accept(socket));
	}

	/** Rejects where the socket cannot be made. */
	async listen(): Promise<void> {
		const { path, refused } = this.#options;
		rmSync(path, { force: true });
		await new Promise<void>((resolve, reject) => {
			this.#server.once("error", reject);
			this.#server.listen(path, resolve);
		});
		this.#server.on("error", (cause) => refused(QubesLiteError.from(cause)));
		chmodSync(path, 0o600);
	}

	/** Cuts whoever is there, and removes the socket. Idempotent. */
	close(): void {
		this.#server.close();
		for (const socket of this.#strangers) socket.destroy();
		this.#agent?.destroy();
		for (const budget of [this.#agentBudget, this.#strangersBudget]) budget.close();
		rmSync(this.#options.path, { force: true });
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
					if (socket === this.#agent) this.#options.received(frame);
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
			if (socket !== this.#agent) return;
			this.#agent = undefined;
			this.#options.left();
		});
	}

	#greet(socket: Socket, frame: Frame, deadline: NodeJS.Timeout): void {
		const { vm, entered } = this.#options;
		if (frame.type !== controlFrame.hello) throw bad("its first word was not hello");
		const hello = parseHello(frame.payload);
		if (this.#agent !== undefined) throw bad("an agent is connected already");
		if (hello.vm !== vm) throw bad("its hello names another vm");
		if (this.#nonce !== null && hello.nonce !== this.#nonce) throw bad("its hello is of another boot");
		agreeOnVersion(`the agent in ${vm}`, hello);
		clearTimeout(deadline);
		this.#strangers.delete(socket);
		this.#agent = socket;
		this.#nonce = hello.nonce;
		socket.write(encodeWelcome());
		entered(socket, hello);
	}

	#cut(socket: Socket, error: QubesLiteError): void {
		this.#strangers.delete(socket);
		this.#options.refused(error);
		socket.destroy();
	}
}

const bad = (what: string): QubesLiteError => new QubesLiteError("BadRequest", what);
