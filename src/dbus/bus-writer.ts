/**
 * What we send to the bus, as far as it has not taken it. It takes all at once as a rule, but what many have waited for may be answered in
 * one turn of ours, a hundred MiB of it: answers wait here as what they are made of, and become bytes when the bus has room for them.
 */
import type { Socket } from "node:net";

/** Of these it takes a few ms: a pipe that does not run dry. */
const fullBytes = 4 * 1024 * 1024;
/** Signals and errors wait for nothing. A bus that is stopped must not cost us our memory: what waits for it is as much as that. */
const mostBytes = 32 * 1024 * 1024;

export interface BusWriterOptions {
	/** The bus takes again what it has not taken before. */
	hasRoom(): void;
	/** It has not taken anything for so long that we give it up. */
	isStuck(): void;
}

export class BusWriter {
	readonly #socket: Socket;
	readonly #options: BusWriterOptions;
	/** Who waits for room, the first one first. */
	readonly #turns: (() => void)[] = [];

	constructor(socket: Socket, options: BusWriterOptions) {
		this.#socket = socket;
		this.#options = options;
		socket.on("drain", () => {
			this.#takeTurns();
			if (!this.isFull) options.hasRoom();
		});
	}

	/** More should wait. */
	get isFull(): boolean {
		return this.#socket.writableLength > fullBytes;
	}

	write(bytes: Buffer): void {
		this.#socket.write(bytes);
		if (this.#socket.writableLength > mostBytes) this.#options.isStuck();
	}

	/** Calls `act`, which writes something and must not throw, behind whoever waits already: at once where there is room. */
	inTurn(act: () => void): void {
		this.#turns.push(act);
		this.#takeTurns();
	}

	/** Nothing is written any more: nobody waits for it. */
	end(): void {
		for (const act of this.#turns.splice(0)) act();
	}

	#takeTurns(): void {
		while (this.#turns.length > 0 && !this.isFull) this.#turns.shift()?.();
	}
}
