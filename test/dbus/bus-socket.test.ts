import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openBusSocket } from "../../src/dbus/bus-socket.ts";

const ok = "OK 0123456789abcdef0123456789abcdef\r\n";

it.each([
	["a bus", [ok], undefined],
	["a bus that speaks in pieces", ["O", "K 01", "23\r", "\n"], undefined],
	["one that refuses us", ["REJECTED EXTERNAL\r\n"], "it refuses us"],
	["another protocol", ["HTTP/1.1 400 Bad Request\r\n"], "it does not speak D-Bus"],
	["one that never ends its line", ["OK ", "x".repeat(100)], "it does not speak D-Bus"],
	["one that says nothing", [], "no answer within 300 ms"],
	["one that hangs up", [null], "it hangs up"],
])("%s is known by its first words", async (_, pieces, problem) => {
	const directory = mkdtempSync(join(tmpdir(), "bus-"));
	const server = createServer((client) => {
		client.on("error", () => {});
		client.once("data", () => {
			for (const piece of pieces) setImmediate(() => (piece === null ? client.end() : client.write(piece)));
		});
	}).listen(join(directory, "bus"));
	try {
		await once(server, "listening");
		const found = await openBusSocket(join(directory, "bus"), 300).then(
			(socket) => void socket.destroy(),
			(cause: Error) => cause.message,
		);
		expect(found).toBe(problem);
	} finally {
		server.close();
		rmSync(directory, { recursive: true });
	}
});
