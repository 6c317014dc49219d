/** The guest's end of a connection: what its waypipe sends, judged message by message. */
import type { DiffCheck } from "./diff-check.ts";
import { GuestFault } from "./faults.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { DisplayLimits } from "./limits.ts";
import type { Outlet } from "./outlet.ts";
import type { Destination, OpenType, Pipes } from "./pipes.ts";
import type { Requests } from "./requests.ts";
import type { Delivery, MessageReceiver } from "./waypipe-reader.ts";
import { findTokenFault, isCounted, type MessageType, messageTypes, nameOfType, toPlainToken } from "./waypipe-wire.ts";

const fillHeadBytes = 12;
const transferHeadBytes = 4;
/** Of one piece of a pipe; waypipe reads at most 32 KiB at a time. */
const transferBytes = 1024 * 1024;
const ridsBytes = 1024;

export interface GuestStreamParts {
	readonly files: GuestFiles;
	readonly pipes: Pipes;
	readonly requests: Requests;
	readonly toHost: Outlet;
	readonly limits: DisplayLimits;
}

export class GuestStream implements MessageReceiver {
	readonly #parts: GuestStreamParts;
	#destination: Destination;
	#diff: DiffCheck | undefined;
	/** How many messages have come that waypipe numbers. */
	count = 0;
	isClosed = false;

	constructor(parts: GuestStreamParts) {
		this.#parts = parts;
	}

	token(token: Buffer): void {
		const fault = findTokenFault(token);
		if (fault !== undefined) throw new GuestFault(fault);
		this.#parts.toHost.raw([toPlainToken(token)]);
	}

	judge(type: number, size: number): Delivery {
		const name = nameOfType(type);
		const { limits } = this.#parts;
		switch (name) {
			case "protocol":
				return whole(name, size, size >= 0 && size % 4 === 0 && size <= limits.protocolBytes);
			case "injectRids":
				return whole(name, size, size >= 0 && size % 4 === 0 && size <= ridsBytes);
			case "openFile":
			case "extendFile":
				return whole(name, size, size === 8);
			case "bufferFill":
			case "bufferDiff":
				whole(name, size, size >= fillHeadBytes);
				return fillHeadBytes;
			case "pipeTransfer":
				whole(name, size, size >= transferHeadBytes && size <= transferBytes);
				return transferHeadBytes;
			case "close":
				return whole(name, size, size === 0 || size === 4);
			case undefined:
				throw new GuestFault(`it sent a message of type ${type}, which no display without a graphics card has`);
			case "restart":
				throw new GuestFault("its waypipe wanted to come back to a connection that was cut");
			default:
				return whole(name, size, size === 4);
		}
	}

	message(type: number, payload: Buffer): void {
		if (isCounted(type)) this.count++;
		const { files, pipes, requests, toHost } = this.#parts;
		switch (type) {
			case messageTypes.protocol: {
				const { messages, rids } = requests.pass(payload);
				if (rids.length > 0) toHost.send(messageTypes.injectRids, rids);
				if (messages.length > 0) toHost.send(messageTypes.protocol, [], messages);
				return;
			}
			case messageTypes.injectRids:
				requests.inject(wordsOf(payload));
				return;
			case messageTypes.openFile:
				this.#checkNew(payload.readInt32LE(0));
				files.open(payload.readInt32LE(0), payload.readUInt32LE(4));
				toHost.send(type, wordsOf(payload));
				return;
			case messageTypes.extendFile:
				if (files.extend(payload.readInt32LE(0), payload.readUInt32LE(4))) toHost.send(type, wordsOf(payload));
				return;
			case messageTypes.openReadPipe:
			case messageTypes.openWritePipe:
			case messageTypes.openDuplexPipe:
				this.#checkNew(payload.readInt32LE(0));
				pipes.open(type satisfies OpenType, payload.readInt32LE(0), true);
				return;
			case messageTypes.pipeShutdownRead:
			case messageTypes.pipeShutdownWrite:
				pipes.shutdown(type, payload.readInt32LE(0), true);
				return;
			case messageTypes.close:
				toHost.send(type, wordsOf(payload));
				this.isClosed = true;
				return;
		}
	}

	begin(type: number, head: Buffer, size: number): void {
		const { files, pipes, toHost } = this.#parts;
		const rid = head.readInt32LE(0);
		this.#diff = undefined;
		if (type === messageTypes.pipeTransfer) this.#destination = pipes.destination(rid, true);
		else if (type === messageTypes.bufferFill)
			this.#destination = files.fill(rid, head.readUInt32LE(4), head.readUInt32LE(8), size) ? "through" : undefined;
		else {
			this.#diff = files.diff(rid, head.readUInt32LE(4), head.readUInt32LE(8), size);
			this.#destination = this.#diff === undefined ? undefined : "through";
		}
		if (this.#destination === "through") toHost.begin(type as MessageType, head, size);
	}

	piece(piece: Buffer): void {
		this.#diff?.push(piece);
		if (this.#destination === "through") this.#parts.toHost.piece(piece);
		else this.#destination?.piece(piece);
	}

	end(): void {
		this.count++;
		this.#diff?.end();
		if (this.#destination === "through") this.#parts.toHost.end();
		this.#destination = undefined;
	}

	#checkNew(rid: number): void {
		if (rid <= 0) throw new GuestFault("it numbered a descriptor as only the host does");
		if (this.#parts.files.has(rid) || this.#parts.pipes.has(rid))
			throw new GuestFault("it numbered two descriptors alike");
	}
}

function whole(name: string, size: number, isRight: boolean): "whole" {
	if (!isRight) throw new GuestFault(`it sent a message (${name}) with ${size} bytes`);
	return "whole";
}

export function wordsOf(payload: Buffer): number[] {
	return Array.from({ length: payload.length / 4 }, (_, index) => payload.readInt32LE(4 * index));
}
