/**
 * Flow control of a session's streams. Each end keeps reading the connection at all times, and a sender stops when the
 * receiver has not consumed what it has. Without it one full stream stalls all that shares its connection: a signal
 * behind unread input, the exit behind unread output, and for good where the bridge in the guest (socat) waits to write
 * while the agent waits to write to it.
 *
 * A sender with any credit left may send one whole frame; so a receiver holds at most a window and a frame.
 */
import { QubesLiteError } from "../errors.ts";
import { dataMaxBytes } from "./limits.ts";

/**
 * What may be on its way. Not more, because vhost-device-vsock 0.3.0 keeps 64 KiB for a connection, and a connection that is
 * full in both directions can stall for good: 32 MiB through `cat` on a real guest hung in 3 of 4 tries with 1 MiB, in
 * none of 5 with this.
 */
export const streamWindowBytes = 64 * 1024;

/** Credit goes back in pieces of this, so that it costs little. */
const creditStepBytes = streamWindowBytes / 4;

export class SendWindow {
	#left = streamWindowBytes;

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
		if (this.#left > streamWindowBytes)
			throw new QubesLiteError("BadRequest", "credit came for bytes that were not sent");
		return !wasOpen && this.isOpen;
	}
}

export class ReceiveWindow {
	#held = 0;
	#uncredited = 0;

	/** Throws BadRequest on a sender that does not wait for credit. */
	received(bytes: number): void {
		this.#held += bytes;
		if (this.#held + this.#uncredited > streamWindowBytes + dataMaxBytes) {
			throw new QubesLiteError("BadRequest", "more bytes came than the stream's window allows");
		}
	}

	/** `bytes` have been passed on: the credit to send now, or 0. */
	consumed(bytes: number): number {
		this.#held -= bytes;
		this.#uncredited += bytes;
		if (this.#uncredited < creditStepBytes) return 0;
		const credit = this.#uncredited;
		this.#uncredited = 0;
		return credit;
	}
}
