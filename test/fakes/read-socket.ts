import type { Socket } from "node:net";
import type { Take } from "../../src/guest/agent/blocks.ts";

/** An ordinary socket for the agent's end of a session: Node gives fresh memory for each read, so nothing needs keeping. */
export const readSocket =
	(socket: Socket) =>
	(take: Take): Socket =>
		socket.on("data", (chunk: Buffer) => take(chunk, () => () => {}));
