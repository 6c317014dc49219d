/**
 * Flow control of a session's streams. Each end keeps reading the connection at all times, and a sender stops when the
 * receiver has not consumed what it has. Without it one full stream stalls all that shares its connection: a signal
 * behind unread input, the exit behind unread output. For good even: vhost-device-vsock 0.3.0 writes what it holds for
 * its client only when it has nothing to read from that client (handle_event: tx_buf is flushed on EPOLLOUT alone), so a
 * guest that waits to write, and so does not read, never can write again. Hence: the agent reads always, and a client's
 * stdin pauses on its own.
 *
 * A sender with any credit left may send one whole frame; so a receiver holds at most a window and a frame.
 */
import { QubesLiteError } from "../errors.ts";
import { dataMaxBytes } from "./limits.ts";

/** What of an output may be on its way: measured, 64 KiB halves the throughput of an emulated guest. */
export const streamWindowBytes = 1024 * 1024;

/** Less, because outputs wait in vhost-device-vsock while input comes; half of it costs an emulated guest a tenth of its input. */
export const stdinWindowBytes = 512 * 1024;

/** Credit goes back in such parts of a window, so that it costs little. */
const creditSteps = 4;

export class SendWindow {
	readonly #size: number;
	#left: number;

	constructor(size = streamWindowBytes) {
		this.#size = size;
		this.#left = size;
	}

	get isOpen(): boolean {
		return this.#left > 0;
	}

	sent(bytes: number): void {
		this.#left -= bytes;
	}

	/** True when this opens a window that was closed. Throws BadRequest on credit for what was never sent. */
	credited(bytes: number): boolean {
		const wasOpen = this.isOpen;
		this.#left += bytes;
		if (this.#left > this.#size) throw new QubesLiteError("BadRequest", "credit came for bytes that were not sent");
		return !wasOpen && this.isOpen;
	}
}

export class ReceiveWindow {
	readonly #size: number;
	#held = 0;
	#uncredited = 0;

	constructor(size = streamWindowBytes) {
		this.#size = size;
	}

	/** Throws BadRequest on a sender that does not wait for credit. */
	received(bytes: number): void {
		this.#held += bytes;
		if (this.#held + this.#uncredited > this.#size + dataMaxBytes) {
			throw new QubesLiteError("BadRequest", "more bytes came than the stream's window allows");
		}
	}

	/** `bytes` have been passed on: the credit to send now, or 0. */
	consumed(bytes: number): number {
		this.#held -= bytes;
		this.#uncredited += bytes;
		if (this.#uncredited < this.#size / creditSteps) return 0;
		const credit = this.#uncredited;
		this.#uncredited = 0;
		return credit;
	}
}
