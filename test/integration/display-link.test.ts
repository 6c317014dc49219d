/** The broker's connection to a vm's display, with one in its place that behaves badly. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DisplayEvent, DisplayLink } from "../../src/broker/display-link.ts";
import { displayFrame, encodeState } from "../../src/protocol/display.ts";
import { encodeFrame } from "../../src/protocol/frame.ts";
import { until } from "../fakes/fake-vmm-host.ts";

const firefox = { id: 1, title: "Firefox", app: "firefox" };
const foot = { id: 2, title: "foot", app: "foot" };

let directory: string;
let display: Server;
let link: DisplayLink;
const connections: Socket[] = [];
const events: DisplayEvent[] = [];

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-link-"));
	display = createServer((socket) => connections.push(socket.resume()));
	await once(display.listen(join(directory, "display.sock")), "listening");
	link = new DisplayLink(
		directory,
		() => null,
		(event) => events.push(event),
	);
	link.open();
	await until("it is connected", () => connections.length === 1);
	connections[0]?.write(encodeState({ helper: 70, windows: [firefox], cut: null }));
	await until("it knows the window", () => events.length === 1);
});

afterEach(() => {
	link.close();
	display.close();
	for (const socket of connections.splice(0)) socket.destroy();
	events.splice(0);
	rmSync(directory, { recursive: true });
});

test.each([
	["cuts it off", (socket: Socket) => socket.destroy()],
	[
		"says what it does not understand",
		(socket: Socket) => socket.write(encodeFrame(displayFrame.state, Buffer.from("?"))),
	],
])("asks a display again that %s, and keeps its windows meanwhile", async (_, misbehave) => {
	misbehave(connections[0] as Socket);
	await until("it is connected again", () => connections.length === 2);
	expect(link.state.windows).toEqual([firefox]);
	expect(events).toHaveLength(1);
	connections[1]?.write(encodeState({ helper: 70, windows: [foot], cut: null }));
	await until("it knows the other window", () => events.length === 2);
	expect(link.state.windows).toEqual([foot]);
});

test("finds a display that listens only later", async () => {
	link.close();
	display.close();
	link = new DisplayLink(
		directory,
		() => null,
		(event) => events.push(event),
	);
	link.open();
	await new Promise((resolve) => setTimeout(resolve, 300));
	display = createServer((socket) => connections.push(socket.resume()));
	await once(display.listen(join(directory, "display.sock")), "listening");
	await until("it is connected", () => connections.length === 2);
	expect(events).toHaveLength(1);
});

test("says of a display that nobody understands any more that it is cut, and takes back what it has said of one that comes late", async () => {
	const garbage = encodeFrame(displayFrame.state, Buffer.from("?"));
	display.on("connection", (socket: Socket) => socket.write(garbage));
	connections[0]?.write(garbage);
	await until("it says so", () => events.length > 1, 20_000);
	expect(events.slice(1)).toEqual([
		{ type: "state", windows: [], cut: expect.stringContaining("its helper vm-display has ended") },
		{ type: "notice", message: expect.stringContaining("was cut"), remedy: expect.stringContaining("restart") },
	]);
	expect(connections).toHaveLength(6);
	display.removeAllListeners("connection").on("connection", (socket: Socket) => {
		connections.push(socket.resume());
		socket.write(encodeState({ helper: 72, windows: [foot], cut: null }));
	});
	await until("it knows the late one's window", () => events.length === 4, 20_000);
	expect(link.state).toEqual({ windows: [foot], cut: null });
});

test("tells a display of the compositor only where that is another one", async () => {
	let wayland = "wayland-0";
	const heard: Buffer[] = [];
	const other = new DisplayLink(
		directory,
		() => wayland,
		() => {},
	);
	display.on("connection", (socket: Socket) => socket.on("data", (chunk: Buffer) => heard.push(chunk)));
	other.open();
	const said = () =>
		Buffer.concat(heard)
			.toString("latin1")
			.match(/wayland-\d/g);
	await until("it is told", () => said()?.length === 1);
	for (let time = 0; time < 5; time++) other.tellSession();
	wayland = "wayland-1";
	other.tellSession();
	other.tellSession();
	await until("it is told of the other one", () => said()?.includes("wayland-1") === true);
	await new Promise((resolve) => setTimeout(resolve, 50));
	expect(said()).toEqual(["wayland-0", "wayland-1"]);
	other.close();
});

test("says that the windows are lost when another display is in its place, and knows that one's", async () => {
	connections[0]?.destroy();
	await until("it is connected again", () => connections.length === 2);
	connections[1]?.write(encodeState({ helper: 71, windows: [{ ...foot, id: firefox.id }], cut: null }));
	await until("it knows the other window", () => events.length === 4);
	expect(events.slice(1)).toEqual([
		{ type: "state", windows: [], cut: null },
		{
			type: "notice",
			message: expect.stringContaining("its helper vm-display has ended, and it has another one"),
			remedy: null,
		},
		{ type: "state", windows: [{ ...foot, id: firefox.id }], cut: null },
	]);
});

test("knows of no windows any more when the display is gone", async () => {
	display.close();
	connections[0]?.destroy();
	await until("it tells that", () => events.length === 2);
	expect(events[1]).toEqual({ type: "state", windows: [], cut: null });
});

test("tells nothing when it is closed, and does not come again", async () => {
	connections[0]?.destroy();
	await until("it knows that", () => connections[0]?.destroyed === true);
	link.close();
	let comes = 0;
	const later = new DisplayLink(
		directory,
		() => {
			comes += 1;
			return null;
		},
		() => {},
	);
	later.open();
	await until("another one is connected", () => connections.length === 2);
	connections[1]?.destroy();
	await until("that one comes again, as the first one would have before it", () => comes === 2);
	await until("it is connected", () => connections.length >= 3);
	later.close();
	expect(connections).toHaveLength(3);
	expect(events).toHaveLength(1);
});
