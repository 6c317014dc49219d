/** Reads a tagstruct: values one after the other, each with its type before it. Throws BadRequest for another type than is asked for. */
import { QubesLiteError } from "../errors.ts";

/**
 * Types, as the wire has them: `t` a string (or none), `L` 32 and `B` 8 bits, `R` and `r` 64 bits, `1` true or false, `a` a sample's format, `m` a channel map, `v` a
 * volume for each channel, `V` one volume, `T` an instant, `U` microseconds, `P` properties, `f` a format with properties.
 */
type Kind = "t" | "L" | "B" | "R" | "r" | "1" | "a" | "m" | "v" | "V" | "T" | "U" | "P" | "f";

export interface SampleSpec {
	readonly format: number;
	readonly channels: number;
	readonly rate: number;
}

export interface Property {
	readonly key: string;
	readonly value: Buffer;
}

export interface Format {
	readonly encoding: number;
	readonly properties: readonly Property[];
}

/** PulseAudio's own. */
const maxChannels = 32;

const fixedBytes: Partial<Record<Kind, number>> = { L: 4, B: 1, R: 8, r: 8, V: 4, T: 8, U: 8 };

export class TagReader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	get isAtEnd(): boolean {
		return this.#at === this.#bytes.length;
	}

	/** Another reader, at the same place. */
	fork(): TagReader {
		return new TagReader(this.#bytes.subarray(this.#at));
	}

	/** Nothing may follow. */
	end(): void {
		if (!this.isAtEnd) throw new QubesLiteError("BadRequest", "a sound command has more than belongs to it");
	}

	u32(): number {
		return this.#fixed("L").readUInt32BE(0);
	}

	u8(): number {
		return this.#fixed("B").readUInt8(0);
	}

	boolean(): boolean {
		const tag = this.#bytes[this.#at];
		if (tag !== 0x30 && tag !== 0x31) throw wrong();
		this.#at++;
		return tag === 0x31;
	}

	/** undefined where there is none, which is another thing than an empty one. */
	string(): string | undefined {
		if (this.#bytes[this.#at] === 0x4e) {
			this.#at++;
			return undefined;
		}
		this.#tag("t");
		const end = this.#bytes.indexOf(0, this.#at);
		if (end < 0) throw wrong();
		const text = this.#bytes.toString("utf8", this.#at, end);
		this.#at = end + 1;
		return text;
	}

	sampleSpec(): SampleSpec {
		this.#tag("a");
		const bytes = this.#take(6);
		return { format: bytes.readUInt8(0), channels: bytes.readUInt8(1), rate: bytes.readUInt32BE(2) };
	}

	channelMap(): readonly number[] {
		this.#tag("m");
		return [...this.#take(this.#channels())];
	}

	volumes(): readonly number[] {
		this.#tag("v");
		const bytes = this.#take(4 * this.#channels());
		return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32BE(4 * index));
	}

	/** Bytes whose number is known, as a cookie's is. */
	arbitrary(length: number): Buffer {
		this.#tag("x");
		if (this.#take(4).readUInt32BE(0) !== length) throw wrong();
		return this.#take(length);
	}

	properties(): Property[] {
		this.#tag("P");
		const properties: Property[] = [];
		for (let key = this.string(); key !== undefined; key = this.string()) {
			properties.push({ key, value: this.arbitrary(this.u32()) });
		}
		return properties;
	}

	format(): Format {
		this.#tag("f");
		return { encoding: this.u8(), properties: this.properties() };
	}

	/** The bytes of values of these types, to be passed on as they are. */
	raw(kinds: string): Buffer {
		return this.measured(() => {
			for (const kind of kinds) this.#skip(kind as Kind);
		});
	}

	/** The bytes of what `read` reads. */
	measured(read: () => void): Buffer {
		const from = this.#at;
		read();
		return this.#bytes.subarray(from, this.#at);
	}

	/** Whatever follows, unread. */
	rest(): Buffer {
		return this.#take(this.#bytes.length - this.#at);
	}

	#skip(kind: Kind): void {
		if (kind in fixedBytes) this.#fixed(kind);
		else if (kind === "t") this.string();
		else if (kind === "1") this.boolean();
		else if (kind === "a") this.sampleSpec();
		else if (kind === "m") this.channelMap();
		else if (kind === "v") this.volumes();
		else if (kind === "P") this.properties();
		else this.format();
	}

	#fixed(kind: Kind): Buffer {
		this.#tag(kind);
		return this.#take(fixedBytes[kind] ?? 0);
	}

	#channels(): number {
		const channels = this.#take(1).readUInt8(0);
		if (channels > maxChannels) throw wrong();
		return channels;
	}

	#tag(kind: Kind | "x"): void {
		if (this.#bytes[this.#at] !== kind.charCodeAt(0)) throw wrong();
		this.#at++;
	}

	#take(length: number): Buffer {
		if (length > this.#bytes.length - this.#at) throw wrong();
		this.#at += length;
		return this.#bytes.subarray(this.#at - length, this.#at);
	}
}

const wrong = (): QubesLiteError => new QubesLiteError("BadRequest", "a sound command is not of its form");
