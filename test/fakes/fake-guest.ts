/**
 * Stands for QEMU and the guest in it: `fake-guest ORDERS QEMU-ARGUMENT…`. Finds its place and name where QEMU and the
 * guest would, listens on the hybrid vsock, dials the broker, says hello, beats, takes in tickets and runs the commands of
 * sessions as processes of the host. What it does otherwise, a test orders (fake-guest-orders.ts).
 */
import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { Tickets } from "../../src/guest/agent/tickets.ts";
import {
	controlFrame,
	encodeExpected,
	encodeHeartbeat,
	encodeHello,
	nonceBytes,
	parseExpect,
	parsePoweroff,
	parseSessionId,
	toAgentLimits,
} from "../../src/protocol/control.ts";
import { type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { heartbeatIntervalMs, protocolVersion } from "../../src/protocol/limits.ts";
import { noteStart, type Orders, readOrders, type SessionOrder } from "./fake-guest-orders.ts";
import { FakeSession, signalGroup } from "./fake-guest-session.ts";

const [ordersDirectory = "", ...words] = process.argv.slice(2);
const vsock = find(/^socket,id=vsock,path=(.*)\/vhost-vsock\.sock$/, "/vsock");
const vm = find(/(?:^| )qubeslite\.vm=([^ ]+)/, "");
const start = noteStart(ordersDirectory, vm);

/** A real agent dials long after the broker has begun to listen; this one may come first. */
const firstRedialMs = 5;
const redialMs = 200;
const lookMs = 20;

const nonce = randomBytes(nonceBytes).toString("hex");
const tickets = new Tickets(() => performance.now());
const living = new Map<number, FakeSession>();
/** Leaders of process groups that outlive their session, by session. */
const groups = new Map<number, number>();
let lastSession = 0;
let hasExpiredOne = false;
let link: Socket | undefined;
let seq = 0;

function find(pattern: RegExp, suffix: string): string {
	for (const word of words) {
		const match = pattern.exec(word);
		if (match !== null) return `${match[1]}${suffix}`;
	}
	throw new Error(`no word matches ${pattern}: ${words.join(" ")}`);
}

function orders(): Orders {
	return readOrders(ordersDirectory, vm, start);
}

function takeSessionOrder(): SessionOrder | undefined {
	const { session } = orders();
	if (session !== "expiredOnce") return session;
	if (hasExpiredOne) return undefined;
	hasExpiredOne = true;
	return "expired";
}

/** The hybrid vsock: `CONNECT 5000`, `OK …`, and then the guest's port. */
function listen(): void {
	const server = createServer((socket) => {
		socket.on("error", () => {});
		socket.once("data", (request: Buffer) => {
			if (request.toString("latin1") !== "CONNECT 5000\n") {
				socket.destroy();
				return;
			}
			socket.write("OK 1234\n");
			new FakeSession(socket, {
				tickets,
				order: takeSessionOrder,
				opened(id, session) {
					lastSession = Math.max(lastSession, id);
					living.set(id, session);
					beat();
				},
				closed(id, group) {
					living.delete(id);
					if (group !== undefined) groups.set(id, group);
					lookAtGroups();
				},
			});
		});
	});
	server.listen(vsock);
}

/** What a session has left behind keeps the vm until it has ended. */
function lookAtGroups(): void {
	for (const [id, group] of groups) if (!signalGroup(group, 0)) groups.delete(id);
	beat();
	if (groups.size > 0) setTimeout(lookAtGroups, lookMs);
}

function beat(): void {
	seq += 1;
	const memory = { totalKiB: 1, availableKiB: 1 };
	link?.write(encodeHeartbeat({ seq, sessions: [...living.keys()], cgroups: [...groups.keys()], memory }));
}

function dial(delayMs: number): void {
	if (orders().hello === "never") {
		setTimeout(() => dial(delayMs), lookMs);
		return;
	}
	const socket = connect(`${vsock}_5001`, () => sayHello(socket));
	const decoder = new FrameDecoder(toAgentLimits);
	let wasWelcome = false;
	socket.on("data", (chunk: Buffer) => {
		for (const frame of decoder.push(chunk)) {
			wasWelcome = true;
			receive(frame, socket);
		}
	});
	socket.on("error", () => {});
	socket.once("close", () => {
		link = undefined;
		const nextMs = wasWelcome ? redialMs : delayMs;
		setTimeout(() => dial(nextMs), nextMs);
	});
}

function sayHello(socket: Socket): void {
	const { hello } = orders();
	if (hello === "garbage") socket.write("GET / HTTP/1.1\r\n\r\n");
	else if (hello === "oversized") socket.write(Buffer.from([controlFrame.hello, 0xff, 0xff, 0xff, 0xff]));
	else
		socket.write(
			encodeHello({
				version: protocolVersion + (hello === "ofAnotherVersion" ? 1 : 0),
				nonce: hello === "ofAnotherBoot" ? randomBytes(nonceBytes).toString("hex") : nonce,
				vm: hello === "ofAnotherVm" ? "stranger" : vm,
				phases: [],
				sessions: [...living.keys()],
				cgroups: [...groups.keys()],
				lastSession,
			}),
		);
}

function receive(frame: Frame, socket: Socket): void {
	switch (frame.type) {
		case controlFrame.welcome:
			link = socket;
			seq = 0;
			beat();
			break;
		case controlFrame.expect: {
			const expect = parseExpect(frame.payload);
			const order = orders().tickets;
			if (order === "unanswered") break;
			const accepted = order !== "tooMany" && tickets.announce(expect);
			socket.write(encodeExpected({ session: expect.session, accepted }));
			break;
		}
		case controlFrame.clientGone: {
			const session = parseSessionId("clientGone", frame.payload);
			tickets.withdraw(session);
			living.get(session)?.clientGone();
			break;
		}
		case controlFrame.poweroff:
			if (orders().ignoresPowerOff !== true) setTimeout(powerOff, orders().powerOffDelayMs ?? 0, frame.payload);
	}
}

/** Commands may end by themselves within the grace that the broker gives. */
function powerOff(payload: Buffer): void {
	for (const session of living.values()) session.signal("SIGTERM");
	for (const group of groups.values()) signalGroup(group, "SIGTERM");
	const deadline = performance.now() + parsePoweroff(payload);
	const look = (): void => {
		if (living.size + groups.size === 0 || performance.now() > deadline) process.exit(0);
		setTimeout(look, lookMs);
	};
	look();
}

const { console, silent, exitAtBoot, helloDelayMs, ignoresSigterm } = orders();
process.on("SIGTERM", () => {
	if (ignoresSigterm !== true) process.exit(0);
});
if (console !== undefined) writeSync(1, console);
if (exitAtBoot !== undefined) {
	writeSync(2, exitAtBoot.words);
	process.exit(exitAtBoot.status);
}
listen();
setInterval(beat, heartbeatIntervalMs);
if (silent !== true) {
	for (const phase of ["init", "root", "agent"]) writeSync(1, `qubes-lite: phase ${phase}\n`);
	setTimeout(() => dial(firstRedialMs), helloDelayMs ?? 0);
}
