/** What one end has not taken makes those wait that it comes from. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { give } from "../../src/display/streams.ts";
import { until } from "../fakes/fake-vmm-host.ts";

let directory: string;
let server: Server;
let ends: Socket[];

/** Both ends of one connection, neither of which is read. */
async function pair(): Promise<[Socket, Socket]> {
	const here = connect(join(directory, "socket")).pause();
	const [there] = await once(server, "connection");
	ends.push(here, there);
	return [here, there];
}

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-streams-"));
	server = createServer({ pauseOnConnect: true });
	await once(server.listen(join(directory, "socket")), "listening");
	ends = [];
});

afterEach(() => {
	for (const socket of ends) socket.destroy();
	server.close();
	rmSync(directory, { recursive: true });
});

test("neither source is read while the target has not taken what it was given, and both are when it has", async () => {
	const [target, reader] = await pair();
	const sources = [(await pair())[0].resume(), (await pair())[0].resume()];
	const give64 = () => give(target, [Buffer.alloc(64 * 1024)], 256 * 1024, ...sources);
	give64();
	expect(sources.map((source) => source.isPaused())).toEqual([false, false]);
	for (let kiB = 64; kiB < 4096; kiB += 64) give64();
	expect(sources.map((source) => source.isPaused())).toEqual([true, true]);
	reader.resume();
	await until("all is taken", () => target.writableLength === 0);
	await until("they are read", () => sources.every((source) => !source.isPaused()));
});
