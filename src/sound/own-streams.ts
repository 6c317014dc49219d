/** The streams of one kind that this connection has made: by their channels, each with its index among all of the host's. */
import { invalidIndex } from "./commands.ts";
import type { SampleSpec } from "./tag-reader.ts";

/** Of a kind and connection. A browser has one for each tab that plays; the host has 256 for all. */
const maxStreams = 16;
/** Data for a stream that the host has ended may still be on its way; of these so many are known. */
const maxEnded = 64;

export interface OwnStream {
	readonly channel: number;
	readonly index: number;
	/** What it was made with. */
	readonly spec: SampleSpec;
}

export class OwnStreams {
	readonly #streams = new Map<number, OwnStream>();
	readonly #ended = new Set<number>();
	#inMaking = 0;

	/** False: there are enough. */
	beginMaking(): boolean {
		if (this.#streams.size + this.#inMaking >= maxStreams) return false;
		this.#inMaking++;
		return true;
	}

	/** How that has ended; without a stream where the host refuses it. */
	endMaking(stream?: OwnStream): void {
		this.#inMaking--;
		if (stream === undefined) return;
		this.#ended.delete(stream.channel);
		this.#streams.set(stream.channel, stream);
	}

	has(channel: number): boolean {
		return this.#streams.has(channel);
	}

	specOf(channel: number): SampleSpec | undefined {
		return this.#streams.get(channel)?.spec;
	}

	/** There was such a stream not long ago. */
	hadLately(channel: number): boolean {
		return this.#ended.has(channel);
	}

	/** By its index among all of the host's. */
	hasIndex(index: number): boolean {
		return index !== invalidIndex && [...this.#streams.values()].some((stream) => stream.index === index);
	}

	end(channel: number): void {
		if (!this.#streams.delete(channel)) return;
		this.#ended.add(channel);
		const [oldest] = this.#ended;
		if (this.#ended.size > maxEnded && oldest !== undefined) this.#ended.delete(oldest);
	}
}
