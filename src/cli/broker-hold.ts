/**
 * The broker's side of a session in progress: an open connection, whose end tells the broker that we are gone, and over
 * which it says why the vm ended under us. A broker that is replaced meanwhile is told anew.
 */
import { connect } from "node:net";
import { join } from "node:path";
import { QubesLiteError } from "../errors.ts";
import { brokerFrame, encodeRequest, parseRefused } from "../protocol/broker.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";
import { BrokerConnection } from "./broker-connection.ts";

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
	readonly #told = Promise.withResolvers<QubesLiteError>();
	/** undefined while no broker is connected. */
	#connection: BrokerConnection | undefined;
	#lost = Promise.withResolvers<undefined>();
	#timer: NodeJS.Timeout | undefined;
	#isOver = false;

	/** `connection` is the one on which the session was granted. */
	constructor(connection: BrokerConnection, held: Held, env: NodeJS.ProcessEnv) {
		this.#held = held;
		this.#env = env;
		this.#watch(connection);
	}

	/** Resolves with what the broker says about the end of the vm under our session; maybe never. */
	get told(): Promise<QubesLiteError> {
		return this.#told.promise;
	}

	/** The same, or undefined where no broker says it soon. */
	async reason(): Promise<QubesLiteError | undefined> {
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<undefined>((resolve) => {
			timer = setTimeout(resolve, reasonWithinMs, undefined);
		});
		return await Promise.race([this.told, this.#lost.promise, late]).finally(() => clearTimeout(timer));
	}

	/** An open connection would keep us, and the session's place in the broker, for ever. */
	end(): void {
		this.#isOver = true;
		clearTimeout(this.#timer);
		this.#connection?.close();
	}

	#watch(connection: BrokerConnection): void {
		this.#connection = connection;
		this.#lost = Promise.withResolvers();
		connection.listen({
			frame: ({ type, payload }) => {
				if (type !== brokerFrame.refused) return;
				this.#isOver = true;
				this.#told.resolve(QubesLiteError.fromFacts(parseRefused(payload)));
			},
			failed: () => {},
			closed: () => {
				this.#connection = undefined;
				this.#lost.resolve(undefined);
				this.#redialLater();
			},
		});
	}

	/** Who has told us the end has nothing more to say. */
	#redialLater(): void {
		if (!this.#isOver) this.#timer = setTimeout(() => this.#redial(), redialMs).unref();
	}

	/** A broker is not started for this: who needs one starts it. */
	#redial(): void {
		let path: string;
		try {
			path = join(openRuntimeDirectory(this.#env), brokerSocketName);
		} catch {
			this.#redialLater();
			return;
		}
		const connection = new BrokerConnection(connect(path));
		connection.send(encodeRequest({ method: "hold", ...this.#held, pid: process.pid }));
		this.#watch(connection);
	}
}
