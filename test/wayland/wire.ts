/** waypipe's and Wayland's bytes as tests write and read them, apart from the code under test but for the table of messages. */
import { interfaces, type Message } from "../../src/wayland/interfaces.ts";

export const wireTypes = [
	...["protocol", "injectRids", "openFile", "extendFile", "openDmabuf", "bufferFill", "bufferDiff"],
	...["openReadPipe", "openWritePipe", "openDuplexPipe", "pipeTransfer", "pipeShutdownRead", "pipeShutdownWrite"],
	...["openVideoSource", "openVideoTarget", "videoPacket", "ack", "restart", "close"],
];

export function words(...values: number[]): Buffer {
	const bytes = Buffer.alloc(4 * values.length);
	for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * index);
	return bytes;
}

/** A message of waypipe's. */
export function wire(type: string | number, ...parts: readonly Uint8Array[]): Buffer {
	const payload = Buffer.concat(parts);
	const number = typeof type === "number" ? type : wireTypes.indexOf(type);
	const size = payload.length + 4;
	return Buffer.concat([words(size * 32 + number), payload, Buffer.alloc((4 - (size % 4)) % 4)]);
}

/** 16 bytes, as `waypipe --no-gpu --compress none server` sends them first. */
export const token = words(0x1_0984, 1, 2, 3);

export type Argument = number | string | Buffer | null;

export function find(name: string, kind: "requests" | "events"): Message {
	const message = interfaces.get(name.split(".")[0] ?? "")?.[kind].find((known) => known.name === name);
	if (message === undefined) throw new Error(`no ${kind} ${name}`);
	return message;
}

/** A message of Wayland's: numbers as they are, texts and arrays with their lengths. Descriptors are not in it. */
export function wayland(object: number, message: Message, args: readonly Argument[]): Buffer {
	const body = Buffer.concat(
		args.map((argument) => {
			if (typeof argument === "number") return words(argument);
			if (argument === null) return words(0);
			const bytes = typeof argument === "string" ? Buffer.from(`${argument}\0`) : argument;
			return Buffer.concat([words(bytes.length), bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
		}),
	);
	return Buffer.concat([words(object, (body.length + 8) * 65536 + message.fds * 2048 + message.opcode), body]);
}

export interface WireMessage {
	readonly type: string;
	readonly payload: Buffer;
}

/** All of `stream`'s messages without acks; those of waypipe's that only carry on a pipe are one. */
export function readWire(stream: Buffer): WireMessage[] {
	const messages: WireMessage[] = [];
	let offset = 0;
	while (offset < stream.length) {
		const word = stream.readUInt32LE(offset);
		const size = Math.floor(word / 32);
		const payload = stream.subarray(offset + 4, offset + size);
		if (size < 4 || payload.length !== size - 4)
			throw new Error(`a message of ${size} bytes at ${offset} is not whole`);
		offset += Math.ceil(size / 4) * 4;
		const type = wireTypes[word % 32] ?? "?";
		const last = messages.at(-1);
		const isMore =
			type === "pipeTransfer" && last?.type === type && last.payload.readInt32LE(0) === payload.readInt32LE(0);
		if (isMore) messages[messages.length - 1] = { type, payload: Buffer.concat([last.payload, payload.subarray(4)]) };
		else if (type !== "ack") messages.push({ type, payload });
	}
	return messages;
}

/** "xdg_toplevel@13.set_title [shopping] mail": the messages of a payload, by what their objects are. */
export function readWayland(payload: Buffer, kind: "requests" | "events", interfaceOf: Map<number, string>): string[] {
	const lines: string[] = [];
	let offset = 0;
	while (offset < payload.length) {
		const id = payload.readUInt32LE(offset);
		const second = payload.readUInt32LE(offset + 4);
		const name = interfaceOf.get(id) ?? "";
		const message = interfaces.get(name)?.[kind][second & 0x7ff];
		if (message === undefined) throw new Error(`an unknown message ${second & 0x7ff} of ${id} (${name})`);
		if ((second & 0xffff) >>> 11 !== message.fds) throw new Error(`${message.name} has a wrong count of descriptors`);
		let at = offset + 8;
		const said = message.arguments.flatMap(({ kind: letter, interfaceName }) => {
			if (letter === "h") return [];
			const word = payload.readInt32LE(at);
			at += 4;
			if (letter === "n" && interfaceName !== undefined) interfaceOf.set(word >>> 0, interfaceName);
			if (letter !== "s" && letter !== "a") return [letter === "n" || letter === "o" ? `#${word >>> 0}` : String(word)];
			const bytes = payload.subarray(at, at + word);
			at += Math.ceil(word / 4) * 4;
			if (word === 0) return [letter === "s" ? "(nothing)" : "[]"];
			return [letter === "s" ? bytes.toString("utf8", 0, word - 1) : `[${word}]`];
		});
		offset += second >>> 16;
		if (at !== offset) throw new Error(`${message.name} has ${offset - at} bytes too many`);
		lines.push([message.name.replace(".", `@${id}.`), ...said].join(" "));
	}
	return lines;
}
