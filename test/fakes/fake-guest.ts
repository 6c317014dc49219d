/**
 * Stands for QEMU and the guest in it: `fake-guest ORDERS QEMU-ARGUMENT…`. Finds its place and name where QEMU and the
 * guest would, listens on the hybrid vsock, dials the broker, says hello, beats, and takes in tickets. Sessions are the real
 * agent's, with processes of the host as commands. What it does otherwise, a test orders (fake-guest-orders.ts).
 */
import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { createStartCommand } from "../../src/guest/agent/command.ts";
import { Connection } from "../../src/guest/agent/connection.ts";
import { Sessions } from "../../src/guest/agent/sessions.ts";
import {
	controlFrame,
	encodeExpected,
	encodeHeartbeat,
	encodeHello,
	encodeSessions,
	nonceBytes,
	parseExpect,
	parsePoweroff,
	parseSessionNumber,
	toAgentLimits,
} from "../../src/protocol/control.ts";
import { type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { heartbeatIntervalMs } from "../../src/protocol/limits.ts";
import { ourVersions, type Versions } from "../../src/protocol/version.ts";
import { noteStart, type Orders, readOrders, type SessionOrder } from "./fake-guest-orders.ts";
import { fakeProcessGroups } from "./fake-guest-processes.ts";
import { FakeSession, withoutExit } from "./fake-guest-session.ts";
import { readSocket } from "./read-socket.ts";

const [ordersDirectory = "", ...words] = process.argv.slice(2);
const vsock = find(/^socket,id=vsock,path=(.*)\/vhost-vsock\.sock$/, "/vsock");
const vm = find(/(?:^| )qubeslite\.vm=([^ ]+)/, "");
const start = noteStart(ordersDirectory, vm);

/** A real agent dials long after the broker has begun to listen; this one may come first. */
const firstRedialMs = 5;
const redialMs = 200;
const lookMs = 20;

const nonce = randomBytes(nonceBytes).toString("hex");
const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
let lastSession = 0;
const sessions = new Sessions({
	cgroups: fakeProcessGroups,
	numbers: {
		get last() {
			return lastSession;
		},
		used: (number) => {
			lastSession = Math.max(lastSession, number);
		},
	},
	startCommand: createStartCommand({
		findUser: (name) => ({ name: name ?? "user", uid, gid, home: "/", shell: "/bin/sh", groups: [] }),
		/** All its environment goes to the command: its words tell the census, and the supervisor, whose process this is. */
		environment: () => process.env as Record<string, string>,
	}),
	changed: beat,
	knocked: () => {},
	log: (text) => void writeSync(1, `qubes-lite: agent: ${text}\n`),
});
let isGoingDown = false;
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
			const order = takeSessionOrder();
			if (order === undefined) new Connection(readSocket(socket), sessions);
			else if (order === "noExit") new Connection(readSocket(withoutExit(socket)), sessions);
			else new FakeSession(socket, order);
		});
	});
	server.listen(vsock);
}

function beat(): void {
	seq += 1;
	const { lastSession: _, ...living } = sessions.report();
	link?.write(encodeHeartbeat({ seq, ...living, memory: { totalKiB: 1, availableKiB: 1 } }));
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
		decoder.push(chunk, (frame) => {
			wasWelcome = true;
			receive(frame, socket);
		});
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
				...versionsOf(hello),
				nonce: hello === "ofAnotherBoot" ? randomBytes(nonceBytes).toString("hex") : nonce,
				vm: hello === "ofAnotherVm" ? "stranger" : vm,
				phases: [],
				...sessions.report(),
			}),
		);
}

function versionsOf(hello: Orders["hello"]): Versions {
	const { version, oldest } = ourVersions;
	if (hello === "ofAnOlderVersion") return { version: oldest - 1, oldest: oldest - 1 };
	if (hello === "ofANewerVersion") return { version: version + 1, oldest: version };
	return hello === "ofAnotherVersion" ? { version: version + 1, oldest: version + 1 } : ourVersions;
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
			const { session } = expect;
			const accepted = !isGoingDown && order !== "tooMany" && sessions.announce(expect);
			if (accepted) beat();
			socket.write(encodeExpected({ session, accepted, ...(isGoingDown ? { goingDown: true } : {}) }));
			break;
		}
		case controlFrame.clientGone:
			sessions.clientGone(parseSessionNumber("clientGone", frame.payload));
			break;
		case controlFrame.list:
			socket.write(encodeSessions(sessions.list()));
			break;
		case controlFrame.poweroff:
			if (orders().ignoresPowerOff === true) break;
			isGoingDown = true;
			setTimeout(powerOff, orders().powerOffDelayMs ?? 0, frame.payload);
	}
}

function powerOff(payload: Buffer): void {
	void sessions.endAll(parsePoweroff(payload)).then(() => process.exit(0));
}

const { console, deafConsole, silent, exitAtBoot, helloDelayMs, phaseDelayMs, ignoresSigterm } = orders();
process.on("SIGTERM", () => {
	if (ignoresSigterm !== true) process.exit(0);
});
if (console !== undefined) writeSync(1, console);
if (exitAtBoot !== undefined) {
	writeSync(2, exitAtBoot.words);
	process.exit(exitAtBoot.status);
}
if (deafConsole !== true) process.stdin.on("data", (typed: Buffer) => writeSync(1, typed));
listen();
setInterval(beat, heartbeatIntervalMs);
if (silent !== true) {
	for (const [index, phase] of ["init", "root", "agent"].entries()) {
		const say = (): void => void writeSync(1, `qubes-lite: phase ${phase}\n`);
		if (phaseDelayMs === undefined) say();
		else setTimeout(say, (index + 1) * phaseDelayMs);
	}
	setTimeout(() => dial(firstRedialMs), helloDelayMs ?? 0);
}
