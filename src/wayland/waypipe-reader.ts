/**
 * Cuts waypipe's stream into messages, whatever the chunks. A message is judged by its type and size before a byte of it is kept. Those
 * that carry pixels or a pipe's bytes are given in pieces as they come, never whole and never copied; a piece shares memory with its
 * chunk.
 */
import { padded, wordBytes } from "./waypipe-wire.ts";

/** How a message is to be given: whole, or as a head of so many bytes, then pieces. */
export type Delivery = "whole" | number;

export interface MessageReceiver {
	/** Of the connection's first bytes. Only where a token is awaited. */
	token(token: Buffer): void;
	/** `size` is of the payload. Throws where there may be no such message. */
	judge(type: number, size: number): Delivery;
	message(type: number, payload: Buffer): void;
	/** A message whose rest comes in pieces, `size` bytes of them. */
	begin(type: number, head: Buffer, size: number): void;
	piece(piece: Buffer): void;
	/** The last piece has come. */
	end(): void;
}

type Stage = "token" | "word" | "whole" | "head";

export class WaypipeReader {
	readonly #receiver: MessageReceiver;
	#stage: Stage;
	/** Bytes of this stage. */
	#need: number;
	/** What has come of them where one chunk did not have them all. */
	#kept: Buffer | undefined;
	#keptBytes = 0;
	#type = 0;
	#size = 0;
	#pieceRest = 0;
	#paddingRest = 0;

	constructor(receiver: MessageReceiver, tokenBytes = 0) {
		this.#receiver = receiver;
		this.#stage = tokenBytes > 0 ? "token" : "word";
		this.#need = tokenBytes > 0 ? tokenBytes : wordBytes;
	}

	/** What the receiver throws ends the stream's use: nobody knows where the next message begins. */
	push(chunk: Buffer): void {
		let offset = 0;
		while (offset < chunk.length) {
			if (this.#pieceRest > 0) {
				const piece = chunk.subarray(offset, offset + this.#pieceRest);
				offset += piece.length;
				this.#pieceRest -= piece.length;
				this.#receiver.piece(piece);
				if (this.#pieceRest === 0) this.#receiver.end();
			} else if (this.#paddingRest > 0) {
				const skipped = Math.min(this.#paddingRest, chunk.length - offset);
				offset += skipped;
				this.#paddingRest -= skipped;
			} else {
				const part = this.#collect(chunk, offset);
				offset += part.taken;
				if (part.bytes !== undefined) this.#advance(part.bytes);
			}
		}
	}

	#collect(chunk: Buffer, offset: number): { taken: number; bytes: Buffer | undefined } {
		if (this.#kept === undefined && chunk.length - offset >= this.#need)
			return { taken: this.#need, bytes: chunk.subarray(offset, offset + this.#need) };
		this.#kept ??= Buffer.allocUnsafe(this.#need);
		const taken = chunk.copy(this.#kept, this.#keptBytes, offset);
		this.#keptBytes += taken;
		if (this.#keptBytes < this.#need) return { taken, bytes: undefined };
		const bytes = this.#kept;
		this.#kept = undefined;
		this.#keptBytes = 0;
		return { taken, bytes };
	}

	#advance(bytes: Buffer): void {
		const stage = this.#stage;
		if (stage === "word") {
			this.#readWord(bytes.readUInt32LE(0));
			return;
		}
		this.#expect("word", wordBytes);
		if (stage === "token") {
			this.#receiver.token(bytes);
			return;
		}
		this.#paddingRest = padded(this.#size) - this.#size;
		if (stage === "whole") {
			this.#receiver.message(this.#type, bytes);
			return;
		}
		this.#pieceRest = this.#size - bytes.length;
		this.#receiver.begin(this.#type, bytes, this.#pieceRest);
		if (this.#pieceRest === 0) this.#receiver.end();
	}

	#readWord(word: number): void {
		this.#type = word & 31;
		// A size without the word itself is judged as -1 and the like.
		this.#size = (word >>> 5) - wordBytes;
		const delivery = this.#receiver.judge(this.#type, this.#size);
		if (delivery !== "whole") this.#expect("head", delivery);
		else if (this.#size > 0) this.#expect("whole", this.#size);
		else this.#receiver.message(this.#type, Buffer.alloc(0));
	}

	#expect(stage: Stage, bytes: number): void {
		this.#stage = stage;
		this.#need = bytes;
	}
}
