/**
 * The broker's side of a session in progress, or of an inhibitor: an open connection, whose end tells the broker that we are
 * gone, and over which it says why it can hold nothing any more. A broker that is replaced meanwhile is told anew.
 */
import { connect } from "node:net";
import { join } from "node:path";
import { QubesLiteError } from "../errors.ts";
import {
	type BrokerRequest,
	brokerFrame,
	encodeRequest,
	type Notice,
	parseNotice,
	parseRefused,
} from "../protocol/broker.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";
import { BrokerConnection } from "./broker-connection.ts";

const redialMs = 500;
/** After the guest's connection broke, the broker may know why; it does at once if it does at all. */
const reasonWithinMs = 1_000;

/** What the next broker is asked. */
export type HoldRequest = Extract<BrokerRequest, { readonly method: "hold" | "inhibit" }>;

export class BrokerHold {
	readonly #request: HoldRequest;
	readonly #env: NodeJS.ProcessEnv;
	readonly #onNotice: (notice: Notice) => void;
	readonly #told = Promise.withResolvers<QubesLiteError>();
	/** undefined while no broker is connected. */
	#connection: BrokerConnection | undefined;
	#lost = Promise.withResolvers<undefined>();
	#timer: NodeJS.Timeout | undefined;
	#isOver = false;

	/** `connection` is the one on which it was granted; `onNotice` hears what people should know meanwhile. */
	constructor(
		connection: BrokerConnection,
		request: HoldRequest,
		env: NodeJS.ProcessEnv,
		onNotice: (notice: Notice) => void = () => {},
	) {
		this.#onNotice = onNotice;
		this.#request = request;
		this.#env = env;
		this.#watch(connection);
	}

	/** Resolves with what the broker says about the end of what was held; maybe never. */
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
				if (type === brokerFrame.notice) this.#onNotice(parseNotice(payload));
				if (type !== brokerFrame.refused) return;
				this.#isOver = true;
				const error = QubesLiteError.fromFacts(parseRefused(payload));
				/** A session that was granted goes on, whatever the policy says by now: the broker sees its end by our process. */
				if (error.code === "Denied" && this.#request.method === "hold") return;
				this.#told.resolve(error);
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
		connection.send(encodeRequest(this.#request));
		this.#watch(connection);
	}
}
