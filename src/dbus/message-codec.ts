/**
 * Messages of D-Bus as bytes (D-Bus specification, "Message Protocol"). Of dbus-next only the codec is used, here and in body-writer.ts: its
 * connection ends Node with errors that nobody can catch, by a refused Hello or by bytes that are no message.
 */
import DBusBuffer, { type SignatureTree } from "dbus-next/lib/dbus-buffer.js";
import marshalling from "dbus-next/lib/marshall-compat.js";
import messages from "dbus-next/lib/message.js";
import variants from "dbus-next/lib/variant.js";
import { encodeBody } from "./body-writer.ts";

export const messageType = { call: 1, reply: 2, error: 3, signal: 4 } as const;
export const messageFlags = { noReplyExpected: 1, noAutoStart: 2 } as const;

export interface OutgoingMessage {
	readonly type: number;
	/** 0 if absent. */
	readonly flags?: number;
	/** From 1. */
	readonly serial: number;
	/** Of a signal: absent, it is for all who have asked the bus for it. */
	readonly destination?: string;
	readonly path?: string;
	readonly interface?: string;
	readonly member?: string;
	readonly errorName?: string;
	readonly replySerial?: number;
	/** D-Bus type signature of `body`. */
	readonly signature: string;
	readonly body: readonly unknown[] | EncodedBody;
}

/** A body whose bytes are made once, for what is asked again and again. */
export class EncodedBody {
	readonly bytes: Buffer;

	/** Throws where `body` does not fit its signature. */
	constructor(signature: string, body: readonly unknown[]) {
		this.bytes = encodeBody(signature, body);
	}
}

/** Texts that it does not have are "", its replySerial is then 0. */
export interface IncomingMessage {
	readonly type: number;
	readonly expectsReply: boolean;
	readonly serial: number;
	readonly path: string;
	readonly interface: string;
	readonly member: string;
	readonly errorName: string;
	readonly replySerial: number;
	readonly sender: string;
	/** Whom it is for. A signal without one is for all who have asked the bus for it; one with it may come from anybody, unasked. */
	readonly destination: string;
	/** D-Bus type signature of its body. */
	readonly signature: string;
	/**
	 * The body as plain values, and Variants; a file descriptor is its index: none is ever taken. Throws RangeError where it is not what its
	 * signature says, or is more than a message of its type may be.
	 */
	read(): readonly unknown[];
}

/** `value` as a variant of one complete type. */
export const toVariant = (signature: string, value: unknown): object => new variants.Variant(signature, value);

/** Throws where the body does not fit its signature. */
export function encodeMessage({ body, ...message }: OutgoingMessage): Buffer {
	const bytes = body instanceof EncodedBody ? body.bytes : encodeBody(message.signature, body);
	const [header] = messages.marshall(message);
	header.writeUInt32LE(bytes.length, lengthAt);
	return Buffer.concat([header, bytes]);
}

/**
 * All that systemd says of 127 units is below 1 MiB; the specification's 128 MiB would cost several GiB as objects. What is longer is
 * given out by its header, and skipped: anybody on the bus may send us such a message, and would end our connection by it.
 */
const messageMaxBytes = 16 * 1024 * 1024;
/** Whoever calls us says a command with its arguments at most (protocol/limits.ts, execMaxBytes). */
export const callMaxBytes = 4 * 1024 * 1024 + 64 * 1024;
/**
 * Values of a call or a signal, which anybody may send: more words than the kernel of a guest takes with a command. A variant, which costs a
 * KiB where a byte on the bus does, counts as many: 4 MiB of them took a GiB and two seconds.
 */
const valuesMax = 256 * 1024;
const variantValues = 64;
/** "Maximum length of a message" of the specification: what claims to be longer comes from nobody who speaks D-Bus. */
const specifiedMaxBytes = 128 * 1024 * 1024;
/** Paths and names have 255 bytes or so each. A message with more has nobody whom we could answer. */
const fieldsMaxBytes = 64 * 1024;

const headerBytes = 16;
/** Where the length of the body is in the header. */
const lengthAt = 4;
const littleEndian = 0x6c;
const bigEndian = 0x42;

/** Bytes in, in pieces of any size; messages out. */
export class MessageReader {
	#pieces: Buffer[] = [];
	#bytes = 0;
	#wanted = headerBytes;
	/** Of a message that is too long: what is still to come of it. */
	#skipped = 0;

	/** The messages that are complete with this piece. Throws at the first that is none; after that there is no way on. */
	*read(piece: Buffer): Generator<IncomingMessage, void> {
		const fresh = this.#skip(piece);
		this.#pieces.push(fresh);
		this.#bytes += fresh.length;
		if (this.#bytes < this.#wanted) return;
		let rest: Buffer = Buffer.concat(this.#pieces);
		for (;;) {
			const { fields, body, isTooLong } = rest.length < headerBytes ? nothingYet : measure(rest);
			const isNobodys = fields > fieldsMaxBytes;
			const ours = isNobodys ? 0 : isTooLong ? fields : fields + body;
			this.#wanted = ours;
			if (rest.length < ours) break;
			const message = isNobodys ? undefined : decodeMessage(rest.subarray(0, ours), isTooLong ? body : null);
			this.#skipped = isNobodys ? fields + body : isTooLong ? body : 0;
			rest = this.#skip(rest.subarray(ours));
			if (message !== undefined) yield message;
		}
		this.#pieces = [rest];
		this.#bytes = rest.length;
	}

	#skip(piece: Buffer): Buffer {
		const bytes = Math.min(this.#skipped, piece.length);
		this.#skipped -= bytes;
		return piece.subarray(bytes);
	}
}

interface Measure {
	/** Of the header, its fields included. */
	readonly fields: number;
	readonly body: number;
	/** Nobody will read its body. */
	readonly isTooLong: boolean;
}

const nothingYet: Measure = { fields: headerBytes, body: 0, isTooLong: false };

/** Throws RangeError for what is no message. */
function measure(header: Buffer): Measure {
	const endian = header[0];
	if (endian !== littleEndian && endian !== bigEndian) throw new RangeError("a message of no known byte order");
	if (header[3] !== 1) throw new RangeError(`a message of version ${header[3]} of the protocol`);
	const numberAt = (at: number): number =>
		endian === littleEndian ? header.readUInt32LE(at) : header.readUInt32BE(at);
	const fields = headerBytes + Math.ceil(numberAt(12) / 8) * 8;
	const body = numberAt(lengthAt);
	const length = fields + body;
	if (length > specifiedMaxBytes) throw new RangeError(`a message of ${length} bytes, more than ${specifiedMaxBytes}`);
	return { fields, body, isTooLong: length > longestOf(header[1]) };
}

const longestOf = (type: number | undefined): number => (type === messageType.call ? callMaxBytes : messageMaxBytes);

/** Without it an array that is longer than its message, or whose elements take no bytes, would be read for ever. */
class BoundedBuffer extends DBusBuffer {
	/** Values that may still be read. */
	left = Number.POSITIVE_INFINITY;

	override readTree(tree: SignatureTree): unknown {
		if (tree.type === "h") return super.readTree({ type: "u", child: [] });
		this.left -= tree.type === "v" ? variantValues : 1;
		if (this.left < 0)
			throw new RangeError(`more than ${valuesMax} values, of which a variant counts as ${variantValues}`);
		if ("({r".includes(tree.type) && tree.child.length === 0) throw new RangeError("a struct of nothing");
		return super.readTree(tree);
	}

	override readArray(element: SignatureTree, bytes: number): unknown {
		if (bytes > this.buffer.length - this.pos) throw new RangeError("an array that is longer than its message");
		return super.readArray(element, bytes);
	}
}

const fieldNames = [
	"",
	...["path", "interface", "member", "errorName", "replySerial", "destination", "sender", "signature"],
] as const;

/** `bytes` is exactly one, or the header of one whose body, of `skipped` bytes, is left out. */
function decodeMessage(bytes: Buffer, skipped: number | null): IncomingMessage {
	const buffer = new BoundedBuffer(bytes, 0, bytes.readUInt8(0));
	const [, type, flags, , , serial, list] = buffer.read("yyyyuua(yv)") as number[] & {
		6: [number, [unknown, [unknown]]][];
	};
	buffer.align(3);
	const fields = new Map(list.map(([code, [, [value]]]) => [fieldNames[code], value]));
	const text = (name: (typeof fieldNames)[number]): string => {
		const value = fields.get(name);
		return typeof value === "string" ? value : "";
	};
	const signature = text("signature");
	return {
		type: type ?? 0,
		expectsReply: type === messageType.call && ((flags ?? 0) & messageFlags.noReplyExpected) === 0,
		serial: serial ?? 0,
		path: text("path"),
		interface: text("interface"),
		member: text("member"),
		errorName: text("errorName"),
		replySerial: Number(fields.get("replySerial") ?? 0),
		sender: text("sender"),
		destination: text("destination"),
		signature,
		read() {
			if (skipped !== null) throw new RangeError(`a message of ${skipped} bytes, more than ${longestOf(type)}`);
			if (type === messageType.call || type === messageType.signal) buffer.left = valuesMax;
			const { body } = marshalling.messageToJsFmt({ signature, body: buffer.read(signature) });
			if (buffer.pos !== bytes.length) throw new RangeError("a message whose length is not that of its parts");
			return body;
		},
	};
}
