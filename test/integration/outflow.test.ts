/** What waits for a socket whose other end does not read, with real ones. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Outflow } from "../../src/display/streams.ts";
import { until } from "../fakes/fake-vmm-host.ts";

const mostBytes = 1024 * 1024;
/** More than a socket of this host holds by itself, and than may wait. */
const muchBytes = 8 * 1024 * 1024;

let directory: string;
const server = createServer({ pauseOnConnect: true });
let target: Socket;
let reader: Socket;
/** Those who speak to it: the other one, and its own end. */
let sources: Socket[];
let waitingBytes: number;
let outflow: Outflow;

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-outflow-"));
	server.listen(join(directory, "socket"));
	await once(server, "listening");
	target = connect(join(directory, "socket"));
	[reader] = (await once(server, "connection")) as [Socket];
	sources = [new Socket(), target];
	waitingBytes = 0;
	outflow = new Outflow(target, {
		mostBytes,
		sources,
		changed: (bytes) => {
			waitingBytes += bytes;
		},
	});
});

afterEach(async () => {
	target.destroy();
	reader.destroy();
	server.close();
	await once(server, "close");
	rmSync(directory, { recursive: true });
});

const arePaused = (): boolean[] => sources.map((source) => source.isPaused());

test("lets all wait who speak to an end that takes nothing, until it does", async () => {
	outflow.give([Buffer.alloc(mostBytes / 2)]);
	expect(arePaused()).toEqual([false, false]);
	outflow.give([Buffer.alloc(muchBytes)]);
	expect(arePaused()).toEqual([true, true]);
	// One that was resumed by what it says to somebody else.
	sources[0]?.resume();
	outflow.give([Buffer.alloc(1)]);
	expect(arePaused()).toEqual([true, true]);
	reader.resume();
	await until("it is taken", () => waitingBytes === 0);
	expect(arePaused()).toEqual([false, false]);
});

test("counts small pieces for what they cost", async () => {
	outflow.give([Buffer.alloc(muchBytes / 8)]);
	const before = waitingBytes;
	outflow.give(Array.from({ length: 1000 }, () => Buffer.alloc(4)));
	expect(waitingBytes - before).toBeGreaterThan(100_000);
});

test("counts nothing any more for an end that has gone", async () => {
	outflow.give([Buffer.alloc(muchBytes)]);
	expect(waitingBytes).toBeGreaterThan(mostBytes);
	target.destroy();
	await until("it is given up", () => waitingBytes === 0);
	outflow.give([Buffer.alloc(muchBytes)]);
	expect(waitingBytes).toBe(0);
});
