/**
 * The guest in a fake vmm: listens on the hybrid vsock, dials the broker, says hello, beats, takes in tickets, and says its
 * phases on the console. Sessions are the real agent's, with processes of the host as commands. What it does otherwise, a
 * test orders (fake-guest-orders.ts).
 */
import { randomBytes } from "node:crypto";
import { rmSync, writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { createStartCommand } from "../../src/guest/agent/command.ts";
import { Connection } from "../../src/guest/agent/connection.ts";
import { Sessions } from "../../src/guest/agent/sessions.ts";
import {
	controlFrame,
	type EndedSession,
	encodeExpected,
	encodeHeartbeat,
	encodeHello,
	encodeSessions,
	nonceBytes,
	parseExpect,
	parsePoweroff,
	parseSeen,
	parseSessionNumber,
	toAgentLimits,
} from "../../src/protocol/control.ts";
import { type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { heartbeatIntervalMs } from "../../src/protocol/limits.ts";
import { ourVersions, type Versions } from "../../src/protocol/version.ts";
import type { Orders, SessionOrder } from "./fake-guest-orders.ts";
import { fakeProcessGroups } from "./fake-guest-processes.ts";
import { FakeSession, withoutExit } from "./fake-guest-session.ts";
import { readSocket } from "./read-socket.ts";

/** A real agent dials long after the broker has begun to listen; this one may come first. */
const firstRedialMs = 5;
const redialMs = 200;
const lookMs = 20;
/** A guest's init lets the sessions end by themselves when the power button is pressed. */
const buttonGraceMs = 1000;

export interface Machine {
	/** What it is called on its kernel command line. */
	readonly vm: string;
	/** The hybrid vsock's socket; without it the guest is only heard on its console. */
	readonly vsock: string | undefined;
	/** As they are now. */
	orders(): Orders;
	/** It is off, of its own will. */
	powerOff(): void;
}

export class FakeGuest {
	readonly #machine: Machine;
	readonly #nonce = randomBytes(nonceBytes).toString("hex");
	readonly #sessions: Sessions;
	#isGoingDown = false;
	#hasExpiredOne = false;
	#link: Socket | undefined;
	#seq = 0;
	/** By heartbeat. */
	readonly #telling = new Map<number, EndedSession[]>();

	constructor(machine: Machine) {
		this.#machine = machine;
		this.#sessions = createSessions(() => this.#beat());
	}

	/** Lets the kernel run: console, listener, dial. */
	boot(): void {
		const { deafConsole, silent, helloDelayMs, phaseDelayMs } = this.#machine.orders();
		if (deafConsole !== true) process.stdin.on("data", (typed: Buffer) => writeSync(1, typed));
		this.#listen();
		setInterval(() => this.#beat(), heartbeatIntervalMs);
		if (silent === true) return;
		for (const [index, phase] of ["init", "root", "agent"].entries()) {
			const say = (): void => void writeSync(1, `qubes-lite: phase ${phase}\n`);
			if (phaseDelayMs === undefined) say();
			else setTimeout(say, (index + 1) * phaseDelayMs);
		}
		setTimeout(() => this.#dial(firstRedialMs), helloDelayMs ?? 0);
	}

	pressPowerButton(): void {
		if (this.#machine.orders().ignoresPowerButton !== true) this.#goDown(buttonGraceMs);
	}

	/** The hybrid vsock: `CONNECT 5000`, `OK …`, and then the guest's port. */
	#listen(): void {
		if (this.#machine.vsock === undefined) return;
		const server = createServer((socket) => {
			socket.on("error", () => {});
			socket.once("data", (request: Buffer) => {
				if (request.toString("latin1") !== "CONNECT 5000\n") {
					socket.destroy();
					return;
				}
				socket.write("OK 1234\n");
				const order = this.#takeSessionOrder();
				if (order === undefined) new Connection(readSocket(socket), this.#sessions);
				else if (order === "noExit") new Connection(readSocket(withoutExit(socket)), this.#sessions);
				else new FakeSession(socket, order);
			});
		});
		// As vhost-device-vsock does with what an earlier one left.
		rmSync(this.#machine.vsock, { force: true });
		server.listen(this.#machine.vsock);
	}

	#takeSessionOrder(): SessionOrder | undefined {
		const { session } = this.#machine.orders();
		if (session !== "expiredOnce") return session;
		if (this.#hasExpiredOne) return undefined;
		this.#hasExpiredOne = true;
		return "expired";
	}

	#beat(): void {
		this.#seq += 1;
		const { lastSession: _, ...living } = this.#sessions.report();
		const memory = { totalKiB: 1, availableKiB: 1 };
		const ended = this.#sessions.ends();
		if (ended.length > 0) this.#telling.set(this.#seq, ended);
		this.#link?.write(encodeHeartbeat({ seq: this.#seq, ...living, ...(ended.length > 0 && { ended }), memory }));
	}

	#dial(delayMs: number): void {
		if (this.#machine.vsock === undefined) return;
		if (this.#machine.orders().hello === "never") {
			setTimeout(() => this.#dial(delayMs), lookMs);
			return;
		}
		const socket = connect(`${this.#machine.vsock}_5001`, () => this.#sayHello(socket));
		const decoder = new FrameDecoder(toAgentLimits);
		let wasWelcome = false;
		socket.on("data", (chunk: Buffer) => {
			decoder.push(chunk, (frame) => {
				wasWelcome = true;
				this.#receive(frame, socket);
			});
		});
		socket.on("error", () => {});
		socket.once("close", () => {
			this.#link = undefined;
			const nextMs = wasWelcome ? redialMs : delayMs;
			setTimeout(() => this.#dial(nextMs), nextMs);
		});
	}

	#sayHello(socket: Socket): void {
		const { hello } = this.#machine.orders();
		if (hello === "garbage") socket.write("GET / HTTP/1.1\r\n\r\n");
		else if (hello === "oversized") socket.write(Buffer.from([controlFrame.hello, 0xff, 0xff, 0xff, 0xff]));
		else
			socket.write(
				encodeHello({
					...versionsOf(hello),
					nonce: hello === "ofAnotherBoot" ? randomBytes(nonceBytes).toString("hex") : this.#nonce,
					vm: hello === "ofAnotherVm" ? "stranger" : this.#machine.vm,
					phases: [],
					...this.#sessions.report(),
				}),
			);
	}

	#receive(frame: Frame, socket: Socket): void {
		switch (frame.type) {
			case controlFrame.welcome:
				this.#link = socket;
				this.#seq = 0;
				this.#telling.clear();
				this.#beat();
				break;
			case controlFrame.expect: {
				const expect = parseExpect(frame.payload);
				const order = this.#machine.orders().tickets;
				if (order === "unanswered") break;
				const { session } = expect;
				const accepted = !this.#isGoingDown && order !== "tooMany" && this.#sessions.announce(expect);
				if (accepted) this.#beat();
				socket.write(encodeExpected({ session, accepted, ...(this.#isGoingDown ? { goingDown: true } : {}) }));
				break;
			}
			case controlFrame.seen: {
				const seq = parseSeen(frame.payload);
				this.#sessions.endsTold(this.#telling.get(seq) ?? []);
				this.#telling.delete(seq);
				break;
			}
			case controlFrame.clientGone:
				this.#sessions.clientGone(parseSessionNumber("clientGone", frame.payload));
				break;
			case controlFrame.list:
				socket.write(encodeSessions(this.#sessions.list()));
				break;
			case controlFrame.poweroff:
				if (this.#machine.orders().ignoresPowerOff !== true) this.#goDown(parsePoweroff(frame.payload));
		}
	}

	#goDown(graceMs: number): void {
		this.#isGoingDown = true;
		setTimeout(() => {
			void this.#sessions.endAll(graceMs).then(() => this.#machine.powerOff());
		}, this.#machine.orders().powerOffDelayMs ?? 0);
	}
}

function createSessions(changed: () => void): Sessions {
	const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
	let lastSession = 0;
	return new Sessions({
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
		changed,
		knocked: () => {},
		log: (text) => void writeSync(1, `qubes-lite: agent: ${text}\n`),
	});
}

function versionsOf(hello: Orders["hello"]): Versions {
	const { version, oldest } = ourVersions;
	if (hello === "ofAnOlderVersion") return { version: oldest - 1, oldest: oldest - 1 };
	if (hello === "ofANewerVersion") return { version: version + 1, oldest: version };
	return hello === "ofAnotherVersion" ? { version: version + 1, oldest: version + 1 } : ourVersions;
}
