/** Opens the guest's command port through the vm's hybrid vsock: write `CONNECT 5000\n`, read `OK <port>\n`, then it is the guest's. */
import { connect, type Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import { guestCommandPort } from "../protocol/ports.ts";

const connectWithinMs = 10_000;
/** "OK 1073741824\n" is the longest answer. */
const answerMaxBytes = 32;

/** Resolves with the connection, paused, after the OK; what came behind it is still to be read. */
export function connectGuest(vsock: string): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const socket = connect(vsock);
		const fail = (what: string): void => {
			clearTimeout(timer);
			socket.destroy();
			reject(new QubesLiteError("Unresponsive", `the guest's command port ${what}`));
		};
		const timer = setTimeout(() => fail("does not answer"), connectWithinMs);
		let answer = Buffer.alloc(0);
		socket.on("error", (cause) => fail(`is not reachable (${cause.message})`));
		const closed = (): void => fail("refused the connection");
		socket.once("close", closed);
		const read = (chunk: Buffer): void => {
			answer = Buffer.concat([answer, chunk]);
			const end = answer.indexOf("\n");
			if (end < 0 && answer.length <= answerMaxBytes) return;
			if (end < 0 || !answer.toString("latin1", 0, end).startsWith("OK ")) {
				fail("gave a strange answer");
				return;
			}
			clearTimeout(timer);
			socket.off("data", read);
			socket.off("close", closed);
			socket.removeAllListeners("error");
			/** It may break before anybody has taken it over: `close` tells that. */
			socket.on("error", () => {});
			/** Paused first: unshift() on a flowing socket would lose the bytes. */
			socket.pause();
			if (end + 1 < answer.length) socket.unshift(answer.subarray(end + 1));
			resolve(socket);
		};
		socket.on("data", read);
		socket.write(`CONNECT ${guestCommandPort}\n`);
	});
}
