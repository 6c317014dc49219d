/** A watcher that does not read, beside one that does: over real sockets, with vms that only come and go. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ClientConnection } from "../../src/broker/client-connection.ts";
import type { EventSource } from "../../src/broker/event-stream.ts";
import type { RegistryWatcher } from "../../src/broker/registry.ts";
import { serveEvents } from "../../src/broker/serve-events.ts";
import type { Vm } from "../../src/broker/vm.ts";
import { QubesLiteError } from "../../src/errors.ts";
import { brokerFrame, fromBrokerLimits, parseRefused } from "../../src/protocol/broker.ts";
import { type BrokerEvent, parseEvent } from "../../src/protocol/broker-events.ts";
import { FrameDecoder } from "../../src/protocol/frame.ts";
import { initialContext } from "../../src/statemachines/vm-context.ts";
import { defaultInput } from "../statemachines/vm-harness.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const vm = {
	config: { name: "shopping" },
	snapshot: () => ({
		state: "stopped",
		context: initialContext({ ...defaultInput, now: () => 0 }),
		instance: undefined,
	}),
	watch: () => () => {},
	notices: () => () => {},
} as unknown as Vm;

class Watched implements EventSource {
	readonly watchers = new Set<RegistryWatcher>();
	readonly pid = 7;
	readonly now = (): number => 0;
	readonly wallNow = (): number => 0;
	readonly mayTell = (): boolean => true;
	readonly onPolicy = () => () => {};
	readonly registry = {
		all: (): Vm[] => [vm],
		isConfigured: (): boolean => true,
		isPreloaded: (): boolean => false,
		watch: (watcher: RegistryWatcher) => {
			this.watchers.add(watcher);
			return () => this.watchers.delete(watcher);
		},
	};

	/** Two events and an `is`. */
	happen(): void {
		for (const watcher of this.watchers) {
			watcher.gone?.(vm);
			watcher.added?.(vm);
		}
	}
}

async function pair(name: string, lastWordWithinMs = 60_000): Promise<{ client: ClientConnection; socket: Socket }> {
	const server = createServer();
	const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
	await new Promise<void>((resolve) => server.listen(join(directory, name), resolve));
	const socket = connect(join(directory, name));
	const client = new ClientConnection(await accepted, lastWordWithinMs);
	server.close();
	return { client, socket };
}

it("who does not read is cut off, hears why if they read soon, and holds up nobody", async () => {
	const source = new Watched();
	const [slow, quick] = [await pair("slow"), await pair("quick")];
	const served = serveEvents(slow.client, null, source).catch((cause: unknown) => {
		slow.client.refuse(QubesLiteError.from(cause));
		return cause;
	});
	void serveEvents(quick.client, null, source);
	const heard: BrokerEvent[] = [];
	const decoder = new FrameDecoder(fromBrokerLimits);
	quick.socket.on("data", (chunk) => decoder.push(chunk, ({ payload }) => heard.push(parseEvent(payload))));
	let happened = 0;
	while (source.watchers.size === 2) {
		expect(slow.client.waitingBytes).toBeLessThanOrEqual(256 * 1024);
		source.happen();
		happened += 1;
		await delay(0);
		expect(happened).toBeLessThan(20_000);
	}
	expect(await served).toMatchObject({
		code: "Limit",
		message: expect.stringMatching(/^this watcher does not read: /),
	});
	/** "broker", "is", and three for each. */
	await expect.poll(() => heard.length).toBe(2 + 3 * happened);
	expect(heard.slice(-3).map(({ type }) => type)).toEqual(["vm-gone", "vm-added", "is"]);
	const last: { type: number; payload: Buffer }[] = [];
	const slowDecoder = new FrameDecoder(fromBrokerLimits);
	slow.socket.on("data", (chunk) => slowDecoder.push(chunk, (frame) => last.splice(0, 1, frame)));
	await new Promise((resolve) => slow.socket.once("close", resolve));
	expect(last[0]?.type).toBe(brokerFrame.refused);
	expect(parseRefused(last[0]?.payload ?? Buffer.of()).code).toBe("Limit");
	quick.socket.destroy();
	await expect.poll(() => source.watchers.size).toBe(0);
});

it("who never reads again is let go of", async () => {
	const source = new Watched();
	const { client, socket } = await pair("never", 100);
	const served = serveEvents(client, null, source).catch((cause: unknown) => client.refuse(QubesLiteError.from(cause)));
	while (source.watchers.size > 0) {
		source.happen();
		await delay(0);
	}
	await served;
	await expect.poll(() => client.gone.aborted, { timeout: 4_000 }).toBe(true);
	socket.destroy();
});
