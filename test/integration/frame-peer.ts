/** Ends of the broker's sockets that a test plays itself, frame by frame: a client, and the agent of a guest. */
import type { Socket } from "node:net";
import {
	type BrokerRequest,
	brokerFrame,
	encodeExecBytes,
	encodeRequest,
	fromBrokerLimits,
	parseGranted,
	parseReady,
	parseRefused,
} from "../../src/protocol/broker.ts";
import {
	type AgentHello,
	controlFrame,
	type Expect,
	encodeExpected,
	encodeHeartbeat,
	encodeHello,
	encodeSessions,
	parseExpect,
	parseSessionNumber,
	type SessionFacts,
	toAgentLimits,
} from "../../src/protocol/control.ts";
import { type Frame, FrameDecoder, type FrameLimits } from "../../src/protocol/frame.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import type { FakeUser } from "./fake-user.ts";

const hangMs = 20_000;

class FramePeer {
	readonly #socket: Socket;
	readonly #frames: Frame[] = [];
	#look: () => void = () => {};
	readonly closed: Promise<unknown>;

	constructor(socket: Socket, limits: FrameLimits) {
		this.#socket = socket;
		/** Also by a reset: what was on its way to a peer that was killed. */
		this.closed = new Promise((resolve) => socket.once("close", resolve));
		const decoder = new FrameDecoder(limits);
		socket.on("data", (chunk: Buffer) => {
			decoder.push(chunk, (frame) => this.take(frame));
			this.#look();
		});
		socket.on("error", () => {});
		socket.once("close", () => this.#look());
	}

	/** Overridden where something is answered at once. */
	take(frame: Frame): void {
		this.#frames.push(frame);
	}

	send(frame: Buffer): void {
		this.#socket.write(frame);
	}

	/** The payload of the next frame of one of these types; what came before it is passed over. */
	async next(...types: readonly number[]): Promise<Frame> {
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => reject(new Error(`no frame of ${types} came`)), hangMs);
			this.#look = () => {
				for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
					if (!types.includes(frame.type)) continue;
					clearTimeout(timer);
					this.#look = () => {};
					resolve(frame);
					return;
				}
				if (!this.#socket.destroyed) return;
				clearTimeout(timer);
				reject(new Error(`the connection ended before a frame of ${types}`));
			};
			this.#look();
		});
	}

	/** As a process that is killed does. */
	close(): void {
		this.#socket.destroy();
	}
}

export type Refusal = ReturnType<typeof parseRefused>;

export class Client extends FramePeer {
	/** A client of the broker. `bytes` are the exec or attach bytes. */
	static async ask(user: FakeUser, request: BrokerRequest, bytes?: Buffer): Promise<Client> {
		const client = new Client(await user.connectBroker(), fromBrokerLimits);
		client.send(encodeRequest(request));
		if (bytes !== undefined) client.send(encodeExecBytes(bytes));
		return client;
	}

	/** The way to the guest and the number that the ticket has; rejects with the refusal. */
	async granted(): Promise<{ vm: string; boot: string; session: number }> {
		const ready = await this.#expect(brokerFrame.ready);
		const { session } = parseGranted(await this.#expect(brokerFrame.granted));
		return { ...parseReady(ready), session };
	}

	async reply(): Promise<unknown> {
		return JSON.parse((await this.#expect(brokerFrame.reply)).toString());
	}

	async refused(): Promise<Refusal> {
		return parseRefused((await this.next(brokerFrame.refused)).payload);
	}

	async #expect(type: number): Promise<Buffer> {
		const frame = await this.next(type, brokerFrame.refused);
		if (frame.type === brokerFrame.refused) throw new Error(parseRefused(frame.payload).message);
		return frame.payload;
	}
}

export const nonce = "9f3c".padEnd(32, "0");

export class Agent extends FramePeer {
	readonly expected: Expect[] = [];
	/** What it answers when it is asked for its sessions; undefined: nothing. */
	sessions: readonly SessionFacts[] | undefined = [];
	/** Its word for a ticket comes before its answer, as a real agent's does. */
	reportsTickets = false;
	/** How often it was asked. */
	asked = 0;
	#seq = 0;

	/** Dials in the place of the fake guest in `vm`, which is ordered not to, and says hello. */
	static async dial(user: FakeUser, vm: string, hello: Partial<AgentHello> = {}): Promise<Agent> {
		const agent = new Agent(await user.connect(`${vm}/vsock_5001`), toAgentLimits);
		const nothing = { phases: [], sessions: [], cgroups: [], lastSession: 0 };
		agent.send(encodeHello({ ...ourVersions, nonce, vm, ...nothing, ...hello }));
		return agent;
	}

	override take(frame: Frame): void {
		if (frame.type === controlFrame.expect) {
			const expect = parseExpect(frame.payload);
			this.expected.push(expect);
			if (this.reportsTickets) this.beat([], [], [expect.session]);
			this.send(encodeExpected({ session: expect.session, accepted: true }));
		} else if (frame.type === controlFrame.list) {
			this.asked += 1;
			if (this.sessions !== undefined) this.send(encodeSessions(this.sessions));
		} else {
			super.take(frame);
		}
	}

	beat(sessions: readonly number[], cgroups: readonly number[] = [], tickets: readonly number[] = []): void {
		this.#seq += 1;
		const memory = { totalKiB: 1, availableKiB: 1 };
		this.send(encodeHeartbeat({ seq: this.#seq, sessions, cgroups, tickets, memory }));
	}

	/** Resolves when the broker asks it to power off. */
	async askedToPowerOff(): Promise<void> {
		await this.next(controlFrame.poweroff);
	}

	/** Resolves with the next session whose client is gone, as the broker says. */
	async clientGone(): Promise<number> {
		return parseSessionNumber("clientGone", (await this.next(controlFrame.clientGone)).payload);
	}
}
