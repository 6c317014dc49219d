/**
 * The broker's side of a session in progress: an open connection, whose end tells the broker that we are gone, and over
 * which it says why the vm ended under us. A broker that is replaced meanwhile is told anew.
 */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { QubesLiteError } from "../errors.ts";
import { brokerFrame, encodeRequest, fromBrokerLimits, parseRefused } from "../protocol/broker.ts";
import { FrameDecoder } from "../protocol/frame.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";

const redialMs = 500;
/** After the guest's connection broke, the broker may know why; it does at once if it does at all. */
const reasonWithinMs = 1_000;

export interface Held {
	readonly vm: string;
	readonly boot: string;
	readonly session: number;
}

export class BrokerHold {
	readonly #held: Held;
	readonly #env: NodeJS.ProcessEnv;
	#socket: Socket | undefined;
	#timer: NodeJS.Timeout | undefined;
	#reason: QubesLiteError | undefined;
	#tell: (() => void) | undefined;
	#isOver = false;

	/** `socket` is the connection on which the session was granted. */
	constructor(socket: Socket, held: Held, env: NodeJS.ProcessEnv) {
		this.#held = held;
		this.#env = env;
		this.#watch(socket);
	}

	/** What the broker says about the end of the vm under our session, or undefined. */
	async reason(): Promise<QubesLiteError | undefined> {
		if (this.#reason !== undefined || this.#socket === undefined) return this.#reason;
		await new Promise<void>((resolve) => {
			this.#tell = resolve;
			setTimeout(resolve, reasonWithinMs);
		});
		return this.#reason;
	}

	/** An open connection would keep us, and the session's place in the broker, for ever. */
	end(): void {
		this.#isOver = true;
		clearTimeout(this.#timer);
		this.#socket?.destroy();
	}

	#watch(socket: Socket): void {
		this.#socket = socket;
		const decoder = new FrameDecoder(fromBrokerLimits);
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, ({ type, payload }) => {
					if (type === brokerFrame.refused) this.#told(QubesLiteError.fromFacts(parseRefused(payload)));
				});
			} catch {
				socket.destroy();
			}
		});
		socket.on("error", () => {});
		if (socket.destroyed) this.#lost();
		else socket.once("close", () => this.#lost());
	}

	#told(reason: QubesLiteError): void {
		this.#reason ??= reason;
		this.#tell?.();
	}

	#lost(): void {
		this.#socket = undefined;
		this.#tell?.();
		/** Who has told us the end has nothing more to say. */
		if (!this.#isOver && this.#reason === undefined) this.#timer = setTimeout(() => this.#redial(), redialMs).unref();
	}

	/** A broker is not started for this: who needs one starts it. */
	#redial(): void {
		if (this.#isOver) return;
		let path: string;
		try {
			path = join(openRuntimeDirectory(this.#env), brokerSocketName);
		} catch {
			return;
		}
		const socket = connect(path, () => {
			socket.write(encodeRequest({ method: "hold", ...this.#held, pid: process.pid }));
		});
		this.#watch(socket);
	}
}
