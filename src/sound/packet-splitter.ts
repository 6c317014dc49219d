/**
 * Cuts a stream of bytes into packets. A command is given whole; a block of samples as it comes, in pieces that share memory with the chunks, since only its head is
 * looked at. Lengths are checked before anything is kept.
 */
import { QubesLiteError } from "../errors.ts";
import { commandChannel, descriptorBytes } from "./tag-writer.ts";

export interface PacketLimits {
	readonly commandBytes: number;
	readonly blockBytes: number;
}

export interface PacketReceiver {
	/** Without its descriptor. */
	command(payload: Buffer): void;
	/** A block's descriptor, whose flags and length are in order. False: nobody wants it, and its bytes are thrown away. */
	beginBlock(channel: number, descriptor: Buffer): boolean;
	/** Of the block that has begun. */
	piece(bytes: Buffer): void;
}

/** How a block's offset counts; relative to the end is the last. */
const maxSeekMode = 3;

export class PacketSplitter {
	readonly #limits: PacketLimits;
	readonly #receiver: PacketReceiver;
	readonly #head = Buffer.alloc(descriptorBytes);
	#headLength = 0;
	#command: Buffer | undefined;
	#commandLength = 0;
	#blockRest = 0;
	#isWanted = false;

	constructor(limits: PacketLimits, receiver: PacketReceiver) {
		this.#limits = limits;
		this.#receiver = receiver;
	}

	/** False inside a block that is passed on: a packet of ours may not come between its pieces. */
	get isBetweenPackets(): boolean {
		return this.#blockRest === 0 || !this.#isWanted;
	}

	/** Throws BadRequest for what breaks the protocol; nothing that follows can be understood then. What the receiver throws passes. */
	push(chunk: Buffer): void {
		let rest = chunk;
		while (rest.length > 0) {
			if (this.#blockRest > 0) {
				const piece = rest.subarray(0, this.#blockRest);
				this.#blockRest -= piece.length;
				rest = rest.subarray(piece.length);
				if (this.#isWanted) this.#receiver.piece(piece);
			} else if (this.#command !== undefined) {
				const copied = rest.copy(this.#command, this.#commandLength);
				this.#commandLength += copied;
				rest = rest.subarray(copied);
				if (this.#commandLength < this.#command.length) return;
				const payload = this.#command;
				this.#command = undefined;
				this.#receiver.command(payload);
			} else {
				const copied = rest.copy(this.#head, this.#headLength);
				this.#headLength += copied;
				rest = rest.subarray(copied);
				if (this.#headLength < descriptorBytes) return;
				this.#headLength = 0;
				this.#begin(Buffer.from(this.#head));
			}
		}
	}

	#begin(descriptor: Buffer): void {
		const length = descriptor.readUInt32BE(0);
		const channel = descriptor.readUInt32BE(4);
		const flags = descriptor.readUInt32BE(16);
		const isCommand = channel === commandChannel;
		if (flags > (isCommand ? 0 : maxSeekMode)) {
			throw new QubesLiteError(
				"BadRequest",
				"a sound packet has flags that are not allowed, as those for shared memory",
			);
		}
		const limit = isCommand ? this.#limits.commandBytes : this.#limits.blockBytes;
		if (length === 0 || length > limit) {
			throw new QubesLiteError(
				"BadRequest",
				`a sound packet announces ${length} bytes; there must be some, and the limit is ${limit}`,
			);
		}
		if (isCommand) {
			this.#command = Buffer.allocUnsafe(length);
			this.#commandLength = 0;
		} else {
			this.#isWanted = this.#receiver.beginBlock(channel, descriptor);
			this.#blockRest = length;
		}
	}
}
