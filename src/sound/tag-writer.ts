/** Writes a packet with a command: what TagReader reads, behind the 20 bytes that announce it. */
import type { Format, Property, SampleSpec } from "./tag-reader.ts";

/** Length, channel, offset (twice 32 bits), flags. */
export const descriptorBytes = 20;
/** In the channel's place: what follows is a command. */
export const commandChannel = 0xffff_ffff;

export class TagWriter {
	readonly #parts: Buffer[] = [Buffer.alloc(descriptorBytes)];
	readonly tag: number;

	/** Of a command of this number; what answers it has the same tag. */
	constructor(number: number, tag: number) {
		this.tag = tag;
		this.u32(number).u32(tag);
	}

	u32(value: number): this {
		const bytes = Buffer.alloc(5, "L");
		bytes.writeUInt32BE(value, 1);
		return this.raw(bytes);
	}

	u8(value: number): this {
		return this.raw(Buffer.from([0x42, value]));
	}

	booleans(...values: readonly boolean[]): this {
		return this.raw(Buffer.from(values.map((value) => (value ? "1" : "0")).join("")));
	}

	string(text: string | undefined): this {
		return this.raw(Buffer.from(text === undefined ? "N" : `t${text}\0`));
	}

	sampleSpec({ format, channels, rate }: SampleSpec): this {
		const bytes = Buffer.from([0x61, format, channels, 0, 0, 0, 0]);
		bytes.writeUInt32BE(rate, 3);
		return this.raw(bytes);
	}

	channelMap(positions: readonly number[]): this {
		return this.raw(Buffer.from([0x6d, positions.length, ...positions]));
	}

	volumes(volumes: readonly number[]): this {
		const bytes = Buffer.alloc(2 + 4 * volumes.length, "v");
		bytes.writeUInt8(volumes.length, 1);
		for (const [index, volume] of volumes.entries()) bytes.writeUInt32BE(volume, 2 + 4 * index);
		return this.raw(bytes);
	}

	arbitrary(bytes: Buffer): this {
		const head = Buffer.alloc(5, "x");
		head.writeUInt32BE(bytes.length, 1);
		return this.raw(head).raw(bytes);
	}

	properties(properties: readonly Property[]): this {
		this.raw(Buffer.from("P"));
		for (const { key, value } of properties) this.string(key).u32(value.length).arbitrary(value);
		return this.string(undefined);
	}

	formats(formats: readonly Format[]): this {
		this.u8(formats.length);
		for (const { encoding, properties } of formats) this.raw(Buffer.from("f")).u8(encoding).properties(properties);
		return this;
	}

	/** Values as TagReader.raw() has given them. */
	raw(bytes: Buffer): this {
		this.#parts.push(bytes);
		return this;
	}

	/** The whole packet. */
	packet(): Buffer {
		const packet = Buffer.concat(this.#parts);
		packet.writeUInt32BE(packet.length - descriptorBytes, 0);
		packet.writeUInt32BE(commandChannel, 4);
		return packet;
	}
}
