/** Wayland's own messages: `u32 object, u16 opcode, u16 size, arguments`, where waypipe keeps in the opcode how many descriptors come along. */
import { isUtf8 } from "node:buffer";
import type { Blame } from "./faults.ts";
import type { Argument, Message } from "./interfaces.ts";

/** A string that is missing is undefined; a descriptor's place is not in the bytes, and has 0. */
export type Value = number | string | Buffer | undefined;

export const messageHeadBytes = 8;
const opcodeMask = 0x7ff;
const fdShift = 11;

export interface MessageHead {
	readonly object: number;
	readonly opcode: number;
	readonly fds: number;
	/** Of all of the message, in bytes. */
	readonly size: number;
}

export function readHead(bytes: Buffer, offset: number): MessageHead {
	const second = bytes.readUInt32LE(offset + 4);
	return {
		object: bytes.readUInt32LE(offset),
		opcode: second & opcodeMask,
		fds: (second & 0xffff) >>> fdShift,
		size: second >>> 16,
	};
}

/** `body` is what stands behind the head. Throws, blamed on its sender, where it is not what `message` says. */
export function readArguments(message: Message, body: Buffer, blame: Blame): Value[] {
	const values: Value[] = [];
	let offset = 0;
	const takeWord = (): number => {
		if (offset + 4 > body.length) throw blame(`${message.name} came too short`);
		offset += 4;
		return body.readUInt32LE(offset - 4);
	};
	const takeBytes = (length: number): Buffer => {
		const end = offset + Math.ceil(length / 4) * 4;
		if (end > body.length) throw blame(`${message.name} came too short`);
		const bytes = body.subarray(offset, offset + length);
		offset = end;
		return bytes;
	};
	for (const argument of message.arguments) {
		if (argument.kind === "h") values.push(0);
		else if (argument.kind === "a") values.push(takeBytes(takeWord()));
		else if (argument.kind === "s") values.push(readString(message, argument, takeWord, takeBytes, blame));
		else {
			const word = takeWord();
			const isMissing = word === 0 && (argument.kind === "n" || (argument.kind === "o" && !argument.isOptional));
			if (isMissing) throw blame(`${message.name} came without one of its objects`);
			values.push(argument.kind === "i" || argument.kind === "f" ? word | 0 : word);
		}
	}
	if (offset !== body.length) throw blame(`${message.name} came too long`);
	return values;
}

/** Texts that programs may have from a file's name or a page, and that never pass as they are. */
const fromAnywhere: ReadonlySet<string> = new Set(["xdg_toplevel.set_title", "xdg_toplevel.set_app_id"]);

function readString(
	message: Message,
	argument: Argument,
	takeWord: () => number,
	takeBytes: (length: number) => Buffer,
	blame: Blame,
): string | undefined {
	const length = takeWord();
	if (length === 0) {
		if (!argument.isOptional) throw blame(`${message.name} came without its text`);
		return undefined;
	}
	const bytes = takeBytes(length);
	if (bytes.indexOf(0) !== length - 1) throw blame(`a text in ${message.name} has no end, or two`);
	if (!isUtf8(bytes) && !fromAnywhere.has(message.name)) throw blame(`a text in ${message.name} is not UTF-8`);
	return bytes.toString("utf8", 0, length - 1);
}

/** What of a message its bytes depend on. */
export interface MessageForm extends Pick<Message, "opcode" | "fds"> {
	readonly arguments: readonly Pick<Argument, "kind">[];
}

/** One of our own making, or made over. Values are those of `message`, in order. */
export function encodeWayland(object: number, message: MessageForm, values: readonly Value[]): Buffer {
	const parts: Buffer[] = [Buffer.alloc(messageHeadBytes)];
	for (const [index, { kind }] of message.arguments.entries()) {
		const value = values[index];
		if (kind === "h") continue;
		if (kind === "s" || kind === "a") parts.push(...encodeBytes(value));
		else {
			const word = Buffer.alloc(4);
			word.writeInt32LE(Number(value ?? 0) | 0, 0);
			parts.push(word);
		}
	}
	const encoded = Buffer.concat(parts);
	encoded.writeUInt32LE(object, 0);
	encoded.writeUInt32LE(((encoded.length << 16) | (message.fds << fdShift) | message.opcode) >>> 0, 4);
	return encoded;
}

function encodeBytes(value: Value): Buffer[] {
	const length = Buffer.alloc(4);
	if (value === undefined || typeof value === "number") return [length];
	const bytes = typeof value === "string" ? Buffer.from(`${value}\0`) : value;
	length.writeUInt32LE(bytes.length, 0);
	return [length, bytes, Buffer.alloc(Math.ceil(bytes.length / 4) * 4 - bytes.length)];
}
