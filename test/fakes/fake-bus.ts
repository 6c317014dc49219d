/** A bus of one socket: it takes everybody in, and answers as the test says. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { encodeMessage, type IncomingMessage, MessageReader, messageType } from "../../src/dbus/message-codec.ts";

type Answer = (message: IncomingMessage, client: Socket) => void;

export class FakeBus {
	readonly #server: Server;
	readonly #clients = new Set<Socket>();

	private constructor(server: Server) {
		this.#server = server;
		server.on("connection", (client) => {
			this.#clients.add(client);
			client.on("error", () => {});
			client.on("close", () => this.#clients.delete(client));
		});
	}

	/** `answer` hears each message. */
	static async listen(path: string, answer: Answer = welcome): Promise<FakeBus> {
		const server = createServer((client) => serve(client, answer)).listen(path);
		await once(server, "listening");
		return new FakeBus(server);
	}

	/** How many clients' sockets are open. */
	get clients(): number {
		return this.#clients.size;
	}

	/** Takes nothing that clients send, until readOn(). */
	stopReading(): void {
		for (const client of this.#clients) client.pause();
	}

	readOn(): void {
		for (const client of this.#clients) client.resume();
	}

	/** Sends to all. */
	send(bytes: Buffer): void {
		for (const client of this.#clients) client.write(bytes);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (const client of this.#clients) client.destroy();
		this.#server.close();
		await once(this.#server, "close");
	}
}

function serve(client: Socket, answer: Answer): void {
	const reader = new MessageReader();
	let words = "";
	client.on("data", (piece: Buffer) => {
		let rest = piece;
		if (!words.endsWith("BEGIN\r\n")) {
			const begin = piece.indexOf("BEGIN\r\n");
			const end = begin < 0 ? piece.length : begin + "BEGIN\r\n".length;
			words += piece.subarray(0, end).toString("latin1");
			if (words.endsWith("\r\n") && begin < 0) client.write("OK 0123456789abcdef0123456789abcdef\r\n");
			rest = piece.subarray(end);
		}
		for (const message of reader.read(rest)) answer(message, client);
	});
}

const destination = ":1.1";

/** Answers Hello, and nothing else. */
export const welcome: Answer = ({ member, serial }, client) => {
	if (member === "Hello") client.write(toReply(serial, "s", [destination]));
};

export const toReply = (replySerial: number, signature: string, body: readonly unknown[]): Buffer =>
	encodeMessage({ type: messageType.reply, serial: 1, destination, replySerial, signature, body });

export const toError = (replySerial: number, errorName: string, text: string): Buffer =>
	encodeMessage({
		type: messageType.error,
		serial: 1,
		destination,
		replySerial,
		errorName,
		signature: "s",
		body: [text],
	});

export const toSignal = (member: string, signature: string, body: readonly unknown[]): Buffer =>
	encodeMessage({
		...{ type: messageType.signal, serial: 1, destination, path: "/a", interface: "a.b", member },
		...{ signature, body },
	});
