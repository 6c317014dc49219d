/**
 * The helper that keeps a vm's windows and sound, as a process, and a guest that takes nothing of what it is told: its display ends, or waits, and this host's memory
 * is not where it waits.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { closed } from "../../src/display/streams.ts";
import { encodeWatch } from "../../src/protocol/display.ts";
import { command, unaskedTag } from "../../src/sound/commands.ts";
import { TagWriter } from "../../src/sound/tag-writer.ts";
import { messageOf } from "../../src/wayland/interfaces.ts";
import { encodeWayland, type Value } from "../../src/wayland/wayland-wire.ts";
import { encodeMessage, messageTypes, toPlainToken } from "../../src/wayland/waypipe-wire.ts";
import { Compositor } from "../e2e/compositor.ts";
import { until } from "../fakes/fake-vmm-host.ts";

const script = fileURLToPath(new URL("../../dist/vm-display.cjs", import.meta.url));
/** Nothing waits so long that somebody reads. */
const waitsAfterMs = 1_000;
/** Far more than is to wait anywhere. */
const floods = 64;

let compositor: Compositor;
beforeAll(async () => {
	compositor = new Compositor();
	await compositor.start();
});
afterAll(async () => await compositor.stop());

let directory: string;
let helper: ChildProcess;
/** To its log. */
let said: string;
const sockets: Socket[] = [];

beforeEach(async () => {
	directory = join(mkdtempSync(join(tmpdir(), "ql-hostile-")), "qubes-lite", "shopping");
	mkdirSync(directory, { recursive: true, mode: 0o700 });
	const words = ["--vm", "shopping", "--directory", directory, "--windows", "waypipe", "--sound", "playback"];
	helper = spawn(process.execPath, [script, ...words], {
		stdio: ["ignore", "ignore", "pipe"],
		env: { PATH: process.env.PATH },
	});
	said = "";
	helper.stderr?.on("data", (chunk: Buffer) => {
		said += chunk.toString();
	});
	await until("it listens", () => existsSync(join(directory, "display.sock")));
	const broker = dial("display.sock").resume();
	broker.write(encodeWatch({ wayland: compositor.socket }));
	await once(broker, "data");
});

afterEach(async () => {
	for (const socket of sockets.splice(0)) socket.destroy();
	helper.kill("SIGTERM");
	if (helper.exitCode === null && helper.signalCode === null) await once(helper, "exit");
	rmSync(join(directory, "../.."), { recursive: true });
});

/** Does not read. */
function dial(name: string): Socket {
	const socket = connect(join(directory, name)).pause();
	socket.on("error", () => {});
	sockets.push(socket);
	return socket;
}

/** How many times `bytes` are taken until they wait. */
async function countTaken(socket: Socket, bytes: Buffer): Promise<number> {
	for (let taken = 0; taken < floods; taken++) {
		const written = new Promise<boolean>((resolve) => socket.write(bytes, (cause) => resolve(cause == null)));
		let timer: NodeJS.Timeout | undefined;
		const waits = new Promise<boolean>((resolve) => {
			timer = setTimeout(() => resolve(false), waitsAfterMs);
		});
		const isTaken = await Promise.race([written, waits]);
		clearTimeout(timer);
		if (!isTaken) return taken;
	}
	return floods;
}

const say = (...requests: readonly Buffer[]): Buffer =>
	Buffer.concat(encodeMessage(messageTypes.protocol, [], requests));
const request = (id: number, name: string, ...values: readonly Value[]): Buffer =>
	encodeWayland(id, messageOf(name), values);

/** The compositor's numbers for its globals, as the guest is told them. */
async function findGlobals(guest: Socket, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
	let told = Buffer.alloc(0);
	guest.on("data", (chunk: Buffer) => {
		told = Buffer.concat([told, chunk]);
	});
	guest.resume();
	await until("they are told", () => names.every((name) => told.includes(`${name}\0`)));
	guest.pause().removeAllListeners("data");
	return new Map(names.map((name) => [name, told.readUInt32LE(told.indexOf(`${name}\0`) - 8)]));
}

test("starts nothing for connections that say nothing", async () => {
	const silent = Array.from({ length: 20 }, () => dial("vsock_6000"));
	for (const socket of silent.slice(10)) await closed(socket.resume().end());
	const guest = dial("vsock_6000");
	guest.write(Buffer.concat([toPlainToken(Buffer.alloc(16)), say(request(1, "wl_display.get_registry", 2))]));
	await findGlobals(guest, ["wl_seat"]);
	expect(readdirSync(directory).filter((name) => name.startsWith("wp-"))).toHaveLength(1);
});

const manager = "wl_data_device_manager";
/** Each takes the clipboard from the other, which is told so. */
const turns = [6, 7].map((source) => request(5, "wl_data_device.set_selection", source, 0));
const flood = say(...Array.from({ length: 10_000 }, () => turns).flat());

/** A program that is about to say `flood`. */
async function dialFlooder(): Promise<Socket> {
	const guest = dial("vsock_6000");
	guest.write(Buffer.concat([toPlainToken(Buffer.alloc(16)), say(request(1, "wl_display.get_registry", 2))]));
	const globals = await findGlobals(guest, [manager, "wl_seat"]);
	const bind = (name: string, version: number, id: number): Buffer =>
		request(2, "wl_registry.bind", globals.get(name), name, version, id);
	guest.write(
		say(
			bind(manager, 3, 3),
			bind("wl_seat", 5, 4),
			request(3, `${manager}.get_data_device`, 5, 4),
			...[6, 7].map((id) => request(3, `${manager}.create_data_source`, id)),
		),
	);
	return guest;
}

test("lets a program wait that does not read what it asks for", async () => {
	expect(await countTaken(await dialFlooder(), flood)).toBeLessThan(floods / 2);
	compositor.tree();
});

test("cuts the display of a vm many of whose programs do not read what they ask for", async () => {
	const guests: Socket[] = [];
	for (let count = 0; count < 48; count++) guests.push(await dialFlooder());
	for (const guest of guests) for (let times = 0; times < 4; times++) guest.write(flood);
	await until("it is cut", () => said.includes("the display of shopping was cut: its programs did not take"), 60_000);
	for (const guest of guests) await closed(guest.resume());
	compositor.tree();
}, 90_000);

test("lets the sound server wait for a program that does not read", async () => {
	mkdirSync(join(directory, "../../pulse"));
	const server = createServer({ pauseOnConnect: true });
	try {
		server.listen(join(directory, "../../pulse/native"));
		await once(server, "listening");
		dial("vsock_6001");
		const [host] = (await once(server, "connection")) as [Socket];
		sockets.push(host.on("error", () => {}));
		const event = new TagWriter(command.subscribeEvent, unaskedTag).u32(0x10).u32(1).packet();
		const flood = Buffer.concat(Array.from({ length: 10_000 }, () => event));
		expect(await countTaken(host, flood)).toBeLessThan(floods / 2);
	} finally {
		server.close();
	}
});

test("says in its log once what a guest does again and again", async () => {
	const times = 50;
	for (let done = 0; done < times; done++) {
		const guest = dial("vsock_6001").resume();
		guest.write(Buffer.alloc(64, 0xff));
		await closed(guest);
	}
	await until("it has said it", () => said.includes("sound"));
	expect(said.trim().split("\n").length).toBeLessThan(times / 2);
});
