/**
 * What goes to one end of a connection, as waypipe's messages. A message whose pieces are still coming is never interrupted: others wait
 * behind it. Acks are ours: each end learns how many messages have come from it, whatever became of them.
 */
import type { Blame } from "./faults.ts";
import { encodeMessage, type MessageType, messageTypes, padding, wordBytes } from "./waypipe-wire.ts";

export class Outlet {
	readonly #emit: (buffers: readonly Buffer[]) => void;
	readonly #heldBytesLimit: number;
	readonly #blame: Blame;
	#ready: Buffer[] = [];
	#held: Buffer[] = [];
	#heldBytes = 0;
	#streamed: number | undefined;
	#ackedCount: number | undefined;
	#corks = 0;
	#isClosed = false;
	/** What its connection is to throw: nothing comes out here any more. */
	fault: Error | undefined;

	/** `blame` is whose fault it is where a message is begun and not finished while others wait. */
	constructor(emit: (buffers: readonly Buffer[]) => void, heldBytesLimit: number, blame: Blame) {
		this.#emit = emit;
		this.#heldBytesLimit = heldBytesLimit;
		this.#blame = blame;
	}

	send(type: MessageType, words: readonly number[], bytes: readonly Buffer[] = []): void {
		this.raw(encodeMessage(type, words, bytes));
	}

	/** Whole messages that are encoded already; of small ones more than a function takes as its arguments. */
	raw(buffers: readonly Buffer[]): void {
		if (this.#isClosed) return;
		if (this.#streamed === undefined) {
			for (const buffer of buffers) this.#ready.push(buffer);
			if (this.#corks === 0) this.#flush();
			return;
		}
		for (const buffer of buffers) {
			this.#held.push(buffer);
			this.#heldBytes += buffer.length;
		}
		if (this.#heldBytes <= this.#heldBytesLimit) return;
		// Not thrown here: who sends this may be another connection.
		this.fault = this.#blame(`more than ${this.#heldBytesLimit} bytes waited behind a message that was not finished`);
		this.close();
	}

	/** Begins a message whose last `size` bytes come as pieces. */
	begin(type: MessageType, head: Buffer, size: number): void {
		if (this.#isClosed) return;
		const whole = wordBytes + head.length + size;
		const word = Buffer.allocUnsafe(wordBytes);
		word.writeUInt32LE(((whole << 5) | type) >>> 0, 0);
		this.#ready.push(word, head);
		this.#streamed = whole;
	}

	piece(piece: Buffer): void {
		if (!this.#isClosed) this.#ready.push(piece);
	}

	end(): void {
		if (this.#isClosed) return;
		const zeros = padding(this.#streamed ?? 0);
		if (zeros.length > 0) this.#ready.push(zeros);
		this.#streamed = undefined;
		for (const buffer of this.#held.splice(0)) this.#ready.push(buffer);
		this.#heldBytes = 0;
	}

	/** `count` messages have come from that end; told when `uncork` is next called between messages. */
	ack(count: number): void {
		this.#ackedCount = count;
	}

	/** Until `uncork` all is gathered, to be given at once. */
	cork(): void {
		this.#corks++;
	}

	uncork(): void {
		this.#corks--;
		if (this.#corks > 0) return;
		if (this.#ackedCount !== undefined && this.#streamed === undefined && !this.#isClosed) {
			this.#ready.push(...encodeMessage(messageTypes.ack, [this.#ackedCount]));
			this.#ackedCount = undefined;
		}
		this.#flush();
	}

	/** Nothing is given any more. */
	close(): void {
		this.#isClosed = true;
		this.#ready = [];
		this.#held = [];
	}

	#flush(): void {
		if (this.#ready.length === 0 || this.#isClosed) return;
		const buffers = this.#ready;
		this.#ready = [];
		this.#emit(buffers);
	}
}
