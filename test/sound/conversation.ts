/** A guest and a host at both ends of a connection, as packets, and those which most conversations have. */
import { command, invalidIndex } from "../../src/sound/commands.ts";
import type { SoundOptions } from "../../src/sound/request-context.ts";
import { SoundConnection } from "../../src/sound/sound-connection.ts";
import { type Property, TagReader } from "../../src/sound/tag-reader.ts";
import { commandChannel, descriptorBytes, TagWriter } from "../../src/sound/tag-writer.ts";

export interface Packet {
	readonly channel: number;
	readonly payload: Buffer;
}

export interface Said {
	readonly number: number;
	readonly tag: number;
	readonly body: TagReader;
}

export const spec = { format: 3, channels: 2, rate: 48_000 };
export const map = [1, 2];
export const tooOld = 31;
export const version = 35;

export const properties = (facts: Readonly<Record<string, string>>): Property[] =>
	Object.entries(facts).map(([key, value]) => ({ key, value: Buffer.from(`${value}\0`) }));

export const toFacts = (list: readonly Property[]): Record<string, string> =>
	Object.fromEntries(
		list.map(({ key, value }) => [key, value.toString()]).map(([key, text]) => [key, text?.slice(0, -1)]),
	);

/** A block of samples. */
export function block(channel: number, samples: Buffer, flags = 0): Buffer {
	const descriptor = Buffer.alloc(descriptorBytes);
	descriptor.writeUInt32BE(samples.length, 0);
	descriptor.writeUInt32BE(channel, 4);
	descriptor.writeUInt32BE(flags, 16);
	return Buffer.concat([descriptor, samples]);
}

export function packetsOf(bytes: Buffer): Packet[] {
	const packets: Packet[] = [];
	for (let at = 0; at < bytes.length; ) {
		const end = at + descriptorBytes + bytes.readUInt32BE(at);
		packets.push({ channel: bytes.readUInt32BE(at + 4), payload: bytes.subarray(at + descriptorBytes, end) });
		at = end;
	}
	return packets;
}

export const commandsOf = (bytes: Buffer): Said[] =>
	packetsOf(bytes)
		.filter(({ channel }) => channel === commandChannel)
		.map(({ payload }) => {
			const body = new TagReader(payload);
			return { number: body.u32(), tag: body.u32(), body };
		});

export class Conversation {
	readonly connection: SoundConnection;
	#toHost: Buffer[] = [];
	#toGuest: Buffer[] = [];

	constructor(options: Partial<SoundOptions> = {}) {
		this.connection = new SoundConnection(
			{ vm: "shopping", playback: true, capture: false, ...options },
			{ toHost: (bytes) => this.#toHost.push(bytes), toGuest: (bytes) => this.#toGuest.push(bytes) },
		);
	}

	/** Greeted and named, with nothing left to read. */
	static begun(options: Partial<SoundOptions> = {}, hostVersion = version): Conversation {
		const talk = new Conversation(options);
		talk.guest(greeting(version));
		talk.host(new TagWriter(command.reply, 0).u32(hostVersion));
		talk.guest(new TagWriter(command.setClientName, 1).properties(properties({ "application.name": "Firefox" })));
		talk.host(new TagWriter(command.reply, 1).u32(77));
		talk.heardByHost();
		talk.heardByGuest();
		return talk;
	}

	guest(packet: TagWriter | Buffer): void {
		this.connection.fromGuest(packet instanceof TagWriter ? packet.packet() : packet);
	}

	host(packet: TagWriter | Buffer): void {
		this.connection.fromHost(packet instanceof TagWriter ? packet.packet() : packet);
	}

	/** What has come to the host since the last time, as it came. */
	piecesToHost(): Buffer[] {
		const pieces = this.#toHost;
		this.#toHost = [];
		return pieces;
	}

	heardByHost(): Buffer {
		return Buffer.concat(this.piecesToHost());
	}

	heardByGuest(): Buffer {
		const bytes = Buffer.concat(this.#toGuest);
		this.#toGuest = [];
		return bytes;
	}

	/** The only command that the host has got since the last time. */
	asked(): Said {
		return only(commandsOf(this.heardByHost()));
	}

	told(): Said {
		return only(commandsOf(this.heardByGuest()));
	}

	/** [number, tag, code] of the only answer, a refusal. */
	refusal(): readonly number[] {
		const { number, tag, body } = this.told();
		return [number, tag, body.u32()];
	}

	/** A stream that plays. */
	play(tag: number, channel: number, index: number): void {
		this.guest(playRequest(tag));
		this.host(playReply(tag, channel, index));
		this.heardByHost();
		this.heardByGuest();
	}

	/** A stream that records from source 4. */
	record(tag: number, channel: number, index: number): void {
		this.guest(recordRequest(tag, { name: "mic" }));
		const { tag: question } = this.asked();
		this.host(device(new TagWriter(command.reply, question), 4, "mic", invalidIndex));
		this.host(recordReply(tag, channel, index, 4));
		this.heardByHost();
		this.heardByGuest();
	}
}

function only<T>(list: readonly T[]): T {
	const [first] = list;
	if (first === undefined || list.length !== 1) throw new Error(`${list.length} commands, and not one`);
	return first;
}

export const greeting = (asked: number, tag = 0): TagWriter =>
	new TagWriter(command.auth, tag).u32(asked).arbitrary(Buffer.alloc(256, 7));

interface PlayOptions {
	readonly sink?: string;
	readonly facts?: Readonly<Record<string, string>>;
	readonly sizes?: readonly [number, number, number, number];
	readonly volumes?: readonly number[];
	readonly encodings?: readonly number[];
	readonly rate?: number;
	/** "Don't move" and "pass through". */
	readonly isStubborn?: boolean;
}

export function playRequest(tag: number, options: PlayOptions = {}): TagWriter {
	const [max, target, prebuffer, minimum] = options.sizes ?? [invalidIndex, invalidIndex, invalidIndex, invalidIndex];
	const isStubborn = options.isStubborn === true;
	return new TagWriter(command.createPlaybackStream, tag)
		.sampleSpec({ ...spec, rate: options.rate ?? spec.rate })
		.channelMap(map)
		.u32(invalidIndex)
		.string(options.sink)
		.u32(max)
		.booleans(true)
		.u32(target)
		.u32(prebuffer)
		.u32(minimum)
		.u32(0)
		.volumes(options.volumes ?? [0x1_0000, 0x1_0000])
		.booleans(false, false, false, false, false, isStubborn, false)
		.booleans(false, true)
		.properties(properties(options.facts ?? { "media.name": "a song" }))
		.booleans(true, false, false, false, false, false, isStubborn)
		.formats((options.encodings ?? []).map((encoding) => ({ encoding, properties: [] })));
}

export const playReply = (tag: number, channel: number, index: number): TagWriter =>
	new TagWriter(command.reply, tag).u32(channel).u32(index).u32(4096);

interface RecordOptions {
	readonly name?: string;
	readonly index?: number;
	readonly ofInput?: number;
}

export const recordRequest = (tag: number, options: RecordOptions = {}): TagWriter =>
	new TagWriter(command.createRecordStream, tag)
		.sampleSpec(spec)
		.channelMap(map)
		.u32(options.index ?? invalidIndex)
		.string(options.name)
		.u32(invalidIndex)
		.booleans(false)
		.u32(invalidIndex)
		.booleans(...Array(7).fill(false))
		.booleans(false, false)
		.properties([])
		.u32(options.ofInput ?? invalidIndex)
		.booleans(false, false, false)
		.formats([])
		.volumes([0x1_0000, 0x1_0000])
		.booleans(false, false, false, false, false);

export const recordReply = (tag: number, channel: number, index: number, source: number): TagWriter =>
	new TagWriter(command.reply, tag)
		.u32(channel)
		.u32(index)
		.u32(1)
		.u32(2)
		.sampleSpec(spec)
		.channelMap(map)
		.u32(source)
		.string("mic");

/** As a host tells of one, with what is nobody's business; in the form of version 34 and later, or the older one. */
export function device(reply: TagWriter, index: number, name: string, monitor: number, form = version): TagWriter {
	reply.u32(index).string(name).string(`The ${name}`).sampleSpec(spec).channelMap(map).u32(3);
	reply.volumes([1, 1]).booleans(false).u32(monitor).string("another");
	reply.raw(Buffer.from("U\0\0\0\0\0\0\0\x01")).string("driver").u32(0);
	reply.properties(properties({ "device.description": "Speaker", "device.serial": "00:11:22", "sysfs.path": "/x" }));
	reply.raw(Buffer.from("U\0\0\0\0\0\0\0\x01V\0\x01\0\0")).u32(0).u32(65_537).u32(9);
	reply.u32(1).string("port").string("Port").u32(1).u32(0);
	if (form >= 34) reply.string("group").u32(2);
	return reply.string("port").formats([{ encoding: 1, properties: [] }]);
}

export const event = (number: number, ...values: readonly number[]): TagWriter =>
	values.reduce((writer, value) => writer.u32(value), new TagWriter(number, 0xffff_ffff));
