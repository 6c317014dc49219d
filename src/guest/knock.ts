/**
 * A guest that has not dialled a new broker may hold a dead connection to the old one: vhost-device-vsock 0.3.0 does not
 * always say that the host's end is gone. A connection to its command port that asks for nothing makes it look.
 */
import { connect } from "node:net";
import { guestCommandPort } from "../protocol/ports.ts";
import { encodeSessionHello } from "../protocol/session.ts";

const knockWithinMs = 2_000;

/** Ends by itself, whatever the guest does. */
export function knock(vsock: string): void {
	const socket = connect(vsock, () => socket.write(`CONNECT ${guestCommandPort}\n`));
	socket.on("error", () => {});
	/** "OK <port>", and then the agent's hello. */
	let said = 0;
	socket.on("data", (chunk: Buffer) => {
		said += chunk.length;
		if (chunk.includes("OK ")) socket.write(encodeSessionHello());
		if (said > 32) socket.end();
	});
	socket.setTimeout(knockWithinMs, () => socket.destroy());
}
