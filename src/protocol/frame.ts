/**
 * The frame: `u8 type, u32 length (big endian), payload`. All our sockets speak it: client ↔ broker, broker ↔ agent
 * (the control connection) and client ↔ agent (a session). A length is checked against the limit of its type before a
 * byte of the payload is kept, so a peer can make us hold at most one frame of the largest kind that it may send.
 */
import { QubesLiteError } from "../errors.ts";

export const frameHeaderBytes = 5;

/** Payload limits in bytes by frame type; a type that is not listed is refused. */
export type FrameLimits = ReadonlyMap<number, number>;

export interface Frame {
	readonly type: number;
	readonly payload: Buffer;
}

const nothing = Buffer.alloc(0);

export function encodeFrame(type: number, payload: Uint8Array = nothing): Buffer {
	const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
	frame.writeUInt8(type, 0);
	frame.writeUInt32BE(payload.length, 1);
	frame.set(payload, frameHeaderBytes);
	return frame;
}

export function encodeJsonFrame(type: number, value: object): Buffer {
	return encodeFrame(type, Buffer.from(JSON.stringify(value)));
}

/**
 * Cuts a byte stream into frames, whatever the chunks. `push` calls `receive` for each frame that is whole, then throws
 * BadRequest where an unknown type or a length over its limit follows; the connection is then of no use, since nobody
 * knows where the next frame begins.
 *
 * A payload may share memory with the chunk it came in: it is valid as long as the caller leaves chunks alone, as
 * node's sockets do.
 *
 * Frames of a `streamed` type carry bytes of a stream, and where they are cut means nothing: such a frame is given as it
 * comes, in pieces, and never copied.
 */
export class FrameDecoder {
	readonly #limits: FrameLimits;
	/** A frame that has begun: its header and payload, filled up to #held. Before the header is whole: just that. */
	#partial: Buffer | undefined;
	#held = 0;
	readonly #streamed: ReadonlySet<number>;
	#streamType = 0;
	/** What is still to come of a streamed frame. */
	#streamRest = 0;

	constructor(limits: FrameLimits, streamed: ReadonlySet<number> = new Set()) {
		this.#limits = limits;
		this.#streamed = streamed;
	}

	/** True between frames: an end of the stream here loses nothing. */
	get atBoundary(): boolean {
		return this.#partial === undefined && this.#streamRest === 0;
	}

	/** What `receive` throws ends it, and the connection's use with it. */
	push(chunk: Buffer, receive: (frame: Frame) => void): void {
		let offset = 0;
		while (offset < chunk.length) {
			if (this.#streamRest > 0) {
				const payload = chunk.subarray(offset, offset + this.#streamRest);
				this.#streamRest -= payload.length;
				offset += payload.length;
				receive({ type: this.#streamType, payload });
				continue;
			}
			if (this.#partial === undefined) {
				if (this.#streamed.has(chunk.readUInt8(offset)) && chunk.length - offset >= frameHeaderBytes) {
					this.#beginStreamed(chunk, offset);
					offset += frameHeaderBytes;
					continue;
				}
				const whole = this.#wholeFrame(chunk, offset);
				if (whole !== undefined) {
					offset += whole.length;
					receive({ type: whole.readUInt8(0), payload: whole.subarray(frameHeaderBytes) });
					continue;
				}
				this.#partial = Buffer.allocUnsafe(frameHeaderBytes);
				this.#held = 0;
			}
			offset += this.#fill(this.#partial, chunk, offset);
			if (this.#held < this.#partial.length) break;
			if (this.#streamed.has(this.#partial.readUInt8(0))) {
				this.#beginStreamed(this.#partial, 0);
				this.#partial = undefined;
				continue;
			}
			const size = this.#frameSize(this.#partial, 0);
			if (size > this.#partial.length) {
				const grown = Buffer.allocUnsafe(size);
				grown.set(this.#partial);
				this.#partial = grown;
				continue;
			}
			const whole = this.#partial;
			this.#partial = undefined;
			receive({ type: whole.readUInt8(0), payload: whole.subarray(frameHeaderBytes) });
		}
	}

	#beginStreamed(header: Buffer, offset: number): void {
		this.#streamType = header.readUInt8(offset);
		this.#streamRest = this.#frameSize(header, offset) - frameHeaderBytes;
	}

	/** The whole frame at `offset`, or undefined where the chunk ends too early. */
	#wholeFrame(chunk: Buffer, offset: number): Buffer | undefined {
		if (chunk.length - offset < frameHeaderBytes) return undefined;
		const size = this.#frameSize(chunk, offset);
		return chunk.length - offset < size ? undefined : chunk.subarray(offset, offset + size);
	}

	#fill(target: Buffer, chunk: Buffer, offset: number): number {
		const copied = chunk.copy(target, this.#held, offset);
		this.#held += copied;
		return copied;
	}

	#frameSize(header: Buffer, offset: number): number {
		const type = header.readUInt8(offset);
		const length = header.readUInt32BE(offset + 1);
		const limit = this.#limits.get(type);
		if (limit === undefined) throw new QubesLiteError("BadRequest", `a frame of unknown type ${type} arrived`);
		if (length > limit) {
			throw new QubesLiteError(
				"BadRequest",
				`a frame of type ${type} announces ${length} bytes; the limit is ${limit}`,
			);
		}
		return frameHeaderBytes + length;
	}
}
