/**
 * The pipes of one connection, each by waypipe's id for it. One that a program has made is for one request, and one that the compositor
 * has made is for one event: until that one is seen nobody hears of the pipe, and where we answer it ourselves nobody ever does.
 */
import type { Sink } from "./clipboard.ts";
import { GuestFault } from "./faults.ts";
import type { DisplayLimits } from "./limits.ts";
import type { Outlet } from "./outlet.ts";
import { type MessageType, messageTypes } from "./waypipe-wire.ts";

export type OpenType =
	| typeof messageTypes.openReadPipe
	| typeof messageTypes.openWritePipe
	| typeof messageTypes.openDuplexPipe;

interface Pipe {
	readonly type: OpenType;
	/** Whether bytes may still go that way. */
	toGuest: boolean;
	toHost: boolean;
	/** Whether the other end knows it. */
	isPassed: boolean;
	/** What its opener said of its end before anybody else heard of it. */
	readonly early: MessageType[];
	/** Where we write into it: the guest reads no more. */
	readerGone: (() => void) | undefined;
}

/** Where the pieces of a transfer go; undefined where nobody wants them any more. */
export type Destination = "through" | Sink | undefined;

/** waypipe numbers its pipes from 1 up, and those of the host from -1 down. */
const firstOwnRid = -(2 ** 30);
/** Of one message, so that waypipe in the guest needs no large buffer. */
const transferBytes = 128 * 1024;

export class Pipes {
	readonly #toHost: Outlet;
	readonly #toGuest: Outlet;
	readonly #limits: DisplayLimits;
	readonly #pipes = new Map<number, Pipe>();
	/** Those that we have made in the guest, to read from it. */
	readonly #own = new Map<number, Sink>();
	#nextOwnRid = firstOwnRid;

	constructor(toHost: Outlet, toGuest: Outlet, limits: DisplayLimits) {
		this.#toHost = toHost;
		this.#toGuest = toGuest;
		this.#limits = limits;
	}

	/** `isGuest`: who has it. The end that opens one to read from the other gets what that one writes. */
	open(type: OpenType, rid: number, isGuest: boolean): void {
		if (isGuest && this.#pipes.size >= this.#limits.pipes)
			throw new GuestFault(`one of its programs has ${this.#limits.pipes} pipes`, "Limit");
		const toOpener = type !== messageTypes.openWritePipe;
		const fromOpener = type !== messageTypes.openReadPipe;
		this.#pipes.set(rid, {
			type,
			toGuest: isGuest ? toOpener : fromOpener,
			toHost: isGuest ? fromOpener : toOpener,
			isPassed: false,
			early: [],
			readerGone: undefined,
		});
	}

	has(rid: number): boolean {
		return this.#pipes.has(rid);
	}

	/** Tells the other end of it: the message that needs it follows. */
	pass(rid: number): void {
		const pipe = this.#pipes.get(rid);
		if (pipe === undefined || pipe.isPassed) return;
		pipe.isPassed = true;
		const other = rid > 0 ? this.#toHost : this.#toGuest;
		for (const type of [pipe.type, ...pipe.early]) other.send(type, [rid]);
		if (!pipe.toHost && !pipe.toGuest) this.#pipes.delete(rid);
	}

	/** For one of the compositor's that nobody is to write into. */
	refuse(rid: number): void {
		if (this.#pipes.delete(rid)) this.#toHost.send(messageTypes.pipeShutdownWrite, [rid]);
	}

	/** Writes into one that a program reads from. `readerGone` is called where it reads no more. */
	serve(rid: number, readerGone: () => void): Sink {
		const pipe = this.#pipes.get(rid);
		if (pipe !== undefined) pipe.readerGone = readerGone;
		if (pipe?.toGuest === false) this.#pipes.delete(rid);
		const end = (): void => {
			if (this.#pipes.delete(rid)) this.#toGuest.send(messageTypes.pipeShutdownWrite, [rid]);
		};
		return {
			piece: (piece) => {
				if (!this.#pipes.has(rid)) return;
				for (let offset = 0; offset < piece.length; offset += transferBytes)
					this.#toGuest.send(messageTypes.pipeTransfer, [rid], [piece.subarray(offset, offset + transferBytes)]);
			},
			end,
			// There is no other way to say so in a pipe.
			fail: end,
		};
	}

	/** Makes one that a program is to write into; what it writes goes to `sink`. Its id, for the message that needs it, and how to stop. */
	openOwn(sink: Sink): { rid: number; stop: () => void } {
		const rid = this.#nextOwnRid;
		this.#nextOwnRid--;
		this.#own.set(rid, sink);
		// A socket, since waypipe 0.8 reads only when its writer has ended, and a socket takes three times what a pipe takes until then.
		this.#toGuest.send(messageTypes.openDuplexPipe, [rid]);
		this.#toGuest.send(messageTypes.pipeShutdownWrite, [rid]);
		return {
			rid,
			stop: () => {
				if (this.#own.delete(rid)) this.#toGuest.send(messageTypes.pipeShutdownRead, [rid]);
			},
		};
	}

	/** Whether and where bytes from one end go on. Late ones are no fault: their pipe was open when they were sent. */
	destination(rid: number, isGuest: boolean): Destination {
		const own = isGuest ? this.#own.get(rid) : undefined;
		if (own !== undefined) return own;
		const pipe = this.#pipes.get(rid);
		if (pipe === undefined || !pipe.isPassed) return undefined;
		return (isGuest ? pipe.toHost : pipe.toGuest) ? "through" : undefined;
	}

	/** One end says that it writes (pipeShutdownWrite) or reads no more. */
	shutdown(type: MessageType, rid: number, isGuest: boolean): void {
		const isWriting = type === messageTypes.pipeShutdownWrite;
		const own = isGuest ? this.#own.get(rid) : undefined;
		if (own !== undefined) {
			this.#own.delete(rid);
			own.end();
			return;
		}
		const pipe = this.#pipes.get(rid);
		if (pipe === undefined) return;
		if (isGuest === isWriting) pipe.toHost = false;
		else pipe.toGuest = false;
		if (pipe.isPassed) (isGuest ? this.#toHost : this.#toGuest).send(type, [rid]);
		else if (pipe.readerGone === undefined) {
			// The request that it is for is still to come.
			if (!pipe.early.includes(type)) pipe.early.push(type);
			return;
		}
		if (pipe.toHost || pipe.toGuest) return;
		this.#pipes.delete(rid);
		pipe.readerGone?.();
	}

	/** The connection has ended. */
	close(): void {
		for (const sink of this.#own.values()) sink.fail("the program that had it on the clipboard has gone");
		for (const { readerGone } of this.#pipes.values()) readerGone?.();
		this.#own.clear();
		this.#pipes.clear();
	}
}
