/** The host's end of a connection: what its waypipe sends, for the guest. */
import type { Events } from "./events.ts";
import { HostFault } from "./faults.ts";
import { wordsOf } from "./guest-stream.ts";
import type { Outlet } from "./outlet.ts";
import type { Destination, Pipes } from "./pipes.ts";
import type { Delivery, MessageReceiver } from "./waypipe-reader.ts";
import { isCounted, type MessageType, messageTypes, nameOfType } from "./waypipe-wire.ts";

/** Of a message that is read whole; what waypipe reads of the compositor at a time is far less. */
const wholeBytes = 16 * 1024 * 1024;

export interface HostStreamParts {
	readonly pipes: Pipes;
	readonly events: Events;
	readonly toGuest: Outlet;
}

export class HostStream implements MessageReceiver {
	readonly #parts: HostStreamParts;
	#destination: Destination;
	count = 0;

	constructor(parts: HostStreamParts) {
		this.#parts = parts;
	}

	token(): void {}

	judge(type: number, size: number): Delivery {
		const name = nameOfType(type);
		if (name === undefined || name === "restart")
			throw new HostFault(`the host's waypipe sent a message of type ${type}`);
		const headBytes = name === "bufferFill" || name === "bufferDiff" ? 12 : name === "pipeTransfer" ? 4 : undefined;
		const isRight =
			headBytes !== undefined
				? size >= headBytes
				: size >= (name === "protocol" || name === "injectRids" || name === "close" ? 0 : 4) &&
					size % 4 === 0 &&
					size <= wholeBytes;
		if (!isRight) throw new HostFault(`the host's waypipe sent a message (${name}) with ${size} bytes`);
		return headBytes ?? "whole";
	}

	message(type: number, payload: Buffer): void {
		if (isCounted(type)) this.count++;
		const { pipes, events, toGuest } = this.#parts;
		switch (type) {
			case messageTypes.protocol: {
				const { messages, rids } = events.pass(payload);
				if (rids.length > 0) toGuest.send(messageTypes.injectRids, rids);
				if (messages.length > 0) toGuest.send(messageTypes.protocol, [], messages);
				return;
			}
			case messageTypes.injectRids:
				events.inject(wordsOf(payload));
				return;
			case messageTypes.openReadPipe:
			case messageTypes.openWritePipe:
			case messageTypes.openDuplexPipe:
				pipes.open(type, payload.readInt32LE(0), false);
				return;
			case messageTypes.pipeShutdownRead:
			case messageTypes.pipeShutdownWrite:
				pipes.shutdown(type, payload.readInt32LE(0), false);
				return;
			case messageTypes.ack:
				return;
			default:
				toGuest.send(type as MessageType, wordsOf(payload));
		}
	}

	begin(type: number, head: Buffer, size: number): void {
		this.#destination =
			type === messageTypes.pipeTransfer ? this.#parts.pipes.destination(head.readInt32LE(0), false) : "through";
		if (this.#destination === "through") this.#parts.toGuest.begin(type as MessageType, head, size);
	}

	piece(piece: Buffer): void {
		if (this.#destination === "through") this.#parts.toGuest.piece(piece);
	}

	end(): void {
		this.count++;
		if (this.#destination === "through") this.#parts.toGuest.end();
		this.#destination = undefined;
	}
}
