/** A guest's end of one session that does not do what the protocol says: what a test has ordered. */
import type { Socket } from "node:net";
import { encodeFrame, encodeJsonFrame, type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { dataMaxBytes } from "../../src/protocol/limits.ts";
import {
	encodeCredit,
	encodeFailed,
	encodeSessionHello,
	encodeStarted,
	fromClientLimits,
	sessionFrame,
} from "../../src/protocol/session.ts";
import { streamWindowBytes } from "../../src/protocol/stream-window.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import type { SessionOrder } from "./fake-guest-orders.ts";

/** A session, as far as its ticket has been shown: what else it gets is in `order`. */
export class FakeSession {
	readonly #socket: Socket;

	constructor(socket: Socket, order: Exclude<SessionOrder, "noExit">) {
		this.#socket = socket;
		const decoder = new FrameDecoder(fromClientLimits);
		const receive = (frame: Frame): void => {
			if (frame.type === sessionFrame.exec || frame.type === sessionFrame.attach) this.#misbehave(order);
		};
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, receive);
			} catch {
				socket.destroy();
			}
		});
		const isOfAnotherVersion = order === "ofAnOlderVersion" || order === "ofANewerVersion";
		if (!isOfAnotherVersion) socket.write(encodeSessionHello());
		else {
			const version = order === "ofANewerVersion" ? ourVersions.version + 1 : ourVersions.oldest - 1;
			socket.write(encodeSessionHello({ version, oldest: version }));
		}
	}

	#misbehave(order: SessionOrder): void {
		if (order === "halfFrame") this.#socket.end(Buffer.from([sessionFrame.exit, 0, 0, 0, 40, 0x7b]));
		else for (const bytes of wordsOf(order)) this.#socket.write(bytes);
	}
}

function wordsOf(order: SessionOrder): (Buffer | string)[] {
	switch (order) {
		case "expired":
		case "expiredOnce":
			return [encodeFailed("expired", "the ticket is expired")];
		case "refused":
			return [encodeFailed("refused", "the ticket is refused")];
		case "garbage":
			return ["HTTP/1.1 200 OK\r\n\r\n\x1b]0;owned\x07"];
		case "oversized":
			return [Buffer.from([sessionFrame.stdout, 0xff, 0xff, 0xff, 0xff])];
		case "floods": {
			const frame = encodeFrame(sessionFrame.stdout, Buffer.alloc(dataMaxBytes, "x"));
			return [
				encodeStarted(1),
				...Array(Math.ceil((2 * (streamWindowBytes + dataMaxBytes)) / dataMaxBytes) + 1).fill(frame),
			];
		}
		case "exitOutOfRange":
			return [encodeStarted(1), encodeJsonFrame(sessionFrame.exit, { code: 256, guestMicros: 1 })];
		case "creditForNothing":
			return [encodeStarted(1), encodeCredit("stdin", 2 ** 31)];
		default:
			return [];
	}
}

/** The command runs, but its end is never told: the connection ends in its place. */
export function withoutExit(socket: Socket): Socket {
	const write = socket.write.bind(socket) as (...words: unknown[]) => boolean;
	socket.write = ((bytes: Uint8Array, ...words: unknown[]) => {
		if (bytes[0] !== sessionFrame.exit) return write(bytes, ...words);
		socket.destroySoon();
		return true;
	}) as typeof socket.write;
	return socket;
}
