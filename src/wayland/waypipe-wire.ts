/**
 * waypipe's own wire, as its versions 0.8 to 0.11 speak it: a token of 16 bytes, then messages with a word of size and type before
 * them and zeros behind them up to the next word. All of it is little endian, as the machines that we run on are.
 */

export const messageTypes = {
	protocol: 0,
	injectRids: 1,
	openFile: 2,
	extendFile: 3,
	bufferFill: 5,
	bufferDiff: 6,
	openReadPipe: 7,
	openWritePipe: 8,
	openDuplexPipe: 9,
	pipeTransfer: 10,
	pipeShutdownRead: 11,
	pipeShutdownWrite: 12,
	ack: 16,
	restart: 17,
	close: 18,
} as const;

export type MessageType = (typeof messageTypes)[keyof typeof messageTypes];

const typeNames = new Map<number, keyof typeof messageTypes>(
	(Object.keys(messageTypes) as (keyof typeof messageTypes)[]).map((name) => [messageTypes[name], name]),
);

/** undefined where it is none that a display without a graphics card has. */
export const nameOfType = (type: number): keyof typeof messageTypes | undefined => typeNames.get(type);

/** Neither of the two counts when waypipe numbers its messages, nor does the ack itself. */
export const isCounted = (type: number): boolean =>
	type !== messageTypes.ack && type !== messageTypes.restart && type !== messageTypes.close;

/** Of the word before a message's payload; the size in it has these four bytes, and not the zeros behind it. */
export const wordBytes = 4;

export const padded = (bytes: number): number => (bytes + 3) & ~3;

const zeros = Buffer.alloc(3);

/** The zeros behind a message of `size` bytes. */
export const padding = (size: number): Buffer => zeros.subarray(0, padded(size) - size);

/** A whole message; `words` come first in it, then `bytes`, which are not copied. */
export function encodeMessage(type: MessageType, words: readonly number[], bytes: readonly Buffer[] = []): Buffer[] {
	const size = wordBytes * (1 + words.length) + bytes.reduce((sum, { length }) => sum + length, 0);
	const head = Buffer.allocUnsafe(wordBytes * (1 + words.length));
	head.writeUInt32LE(((size << 5) | type) >>> 0, 0);
	for (const [index, word] of words.entries()) head.writeInt32LE(word | 0, wordBytes * (index + 1));
	return [head, ...bytes, padding(size)].filter(({ length }) => length > 0);
}

export const tokenBytes = 16;

const fixedBit = 1 << 7;
const noGraphicsCard = 1 << 2;
const compressionMask = 7 << 8;
const noCompression = 1 << 8;
const videoMask = 7 << 11;
const noVideo = 1 << 11;
/** One that has been cut and comes back; we keep nothing that it could come back to. */
const reconnecting = 1 << 1;

/** The token's word as our end wants it: no compression, so that sizes mean what they say; no video, no card, no return. */
const plainHeader = ((1 << 16) | fixedBit | noGraphicsCard | noCompression | noVideo) >>> 0;

/** What is wrong with a token, as the end of a sentence; undefined where nothing is. */
export function findTokenFault(token: Buffer): string | undefined {
	const header = token.readUInt32LE(0);
	if (header >>> 31 !== 0 || (header & fixedBit) === 0) return "its waypipe has another byte order";
	if (header >>> 16 !== 1) return `its waypipe speaks version ${header >>> 16} of the protocol, not 1`;
	if ((header & reconnecting) !== 0) return "its waypipe wanted to come back to a connection that was cut";
	if ((header & compressionMask) !== noCompression) return "its waypipe compresses; it is to run with --compress none";
	if ((header & videoMask) !== noVideo && (header & videoMask) !== 0) return "its waypipe sends videos";
	return undefined;
}

/** The token for the host's waypipe: the guest's key, and a header of ours. */
export function toPlainToken(token: Buffer): Buffer {
	const plain = Buffer.from(token);
	plain.writeUInt32LE(plainHeader, 0);
	return plain;
}
