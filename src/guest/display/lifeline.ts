/** Whether the host's end of all that is carried is still there. */
import type { Socket } from "node:net";

/**
 * A connection on which nothing is said. vhost-device-vsock does not tell a guest that is just writing that its host's end was killed (0.3.0); of a silent
 * connection it tells. One at a time, for all that is carried; made with the first of that.
 */
export class Lifeline {
	readonly #connect: () => Promise<Socket>;
	#socket: Promise<Socket> | undefined;

	constructor(connect: () => Promise<Socket>) {
		this.#connect = connect;
	}

	/** Rejects where there is no host's end. */
	get(): Promise<Socket> {
		this.#socket ??= this.#open();
		return this.#socket;
	}

	async #open(): Promise<Socket> {
		const forget = (): void => {
			this.#socket = undefined;
		};
		try {
			const socket = await this.#connect();
			// As many as there are programs wait for its end.
			socket.setMaxListeners(0);
			return socket
				.on("error", () => {})
				.once("close", forget)
				.resume();
		} catch (cause) {
			forget();
			throw cause;
		}
	}
}
