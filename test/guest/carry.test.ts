import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { carry } from "../../src/guest/display/carry.ts";
import { Lifeline } from "../../src/guest/display/lifeline.ts";

let directory: string;
let server: Server;
const accepted: Socket[] = [];

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-carry-"));
	server = createServer((socket) => accepted.push(socket.on("error", () => {}).resume()));
	await once(server.listen(join(directory, "sock")), "listening");
});
afterEach(() => {
	server.close();
	for (const socket of accepted.splice(0)) socket.destroy();
	rmSync(directory, { recursive: true });
});

/** Of a connection: our end, and the other one. */
async function pair(): Promise<[Socket, Socket]> {
	const socket = connect(join(directory, "sock"));
	const [, [other]] = await Promise.all([once(socket, "connect"), once(server, "connection")]);
	return [socket.on("error", () => {}), other];
}

test("What is carried ends with the host, also where only the lifeline tells of that; what comes then is carried anew.", async () => {
	const ends: Socket[] = [];
	const lifeline = new Lifeline(async () => {
		const [line, end] = await pair();
		ends.push(end);
		return line;
	});
	const carried: Socket[] = [];
	for (let times = 0; times < 2; times++) {
		const [[program], [host]] = [await pair(), await pair()];
		carry(program, host, await lifeline.get());
		carried.push(program, host);
	}
	expect(ends).toHaveLength(1);
	const gone = Promise.all(carried.map((socket) => once(socket, "close")));
	ends[0]?.destroy();
	await gone;
	const [program, theirs] = await pair();
	const [host, end] = await pair();
	carry(program, host, await lifeline.get());
	expect(ends).toHaveLength(2);
	const heard = once(end, "data");
	theirs.write("on");
	expect(String((await heard)[0])).toBe("on");
});

test("A lifeline that could not be made is made for the next.", async () => {
	let isThere = false;
	const lifeline = new Lifeline(async () => {
		if (!isThere) throw new Error("no host");
		return (await pair())[0];
	});
	await expect(lifeline.get()).rejects.toThrow("no host");
	isThere = true;
	expect((await lifeline.get()).destroyed).toBe(false);
});
