/** The least that a Node server does for a heartbeat: reads it, takes its JSON apart, and answers. Says a word once it listens. */
import { createServer } from "node:net";
import { encodeSeen } from "../../src/protocol/control.ts";
import { frameHeaderBytes } from "../../src/protocol/frame.ts";

createServer((socket) => {
	socket.on("error", () => {});
	socket.on("data", (chunk: Buffer) => {
		const { seq } = JSON.parse(chunk.subarray(frameHeaderBytes).toString());
		socket.write(encodeSeen(seq));
	});
}).listen(process.argv[2], () => process.stdout.write("listens\n"));
