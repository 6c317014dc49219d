/**
 * The control connection to the broker, kept up for as long as the guest runs: dialled again 200 ms after a loss, so
 * that a broker that was restarted hears of us at once.
 */
import type { Socket } from "node:net";
import { QubesLiteError } from "../../errors.ts";
import {
	type AgentHello,
	controlFrame,
	type EndedSession,
	type Expect,
	encodeExpected,
	encodeHeartbeat,
	encodeHello,
	encodeSessions,
	type Heartbeat,
	parseExpect,
	parsePoweroff,
	parseResumed,
	parseSeen,
	parseSessionNumber,
	parseWelcome,
	type Resumed,
	type SessionFacts,
	toAgentLimits,
} from "../../protocol/control.ts";
import { type Frame, FrameDecoder } from "../../protocol/frame.ts";
import { heartbeatIntervalMs } from "../../protocol/limits.ts";
import { agreeOnVersion } from "../../protocol/version.ts";

const redialMs = 200;
/** A broker that has not answered a hello or a heartbeat by then is gone. */
const answerWithinMs = 10_000;
/** When there is a reason to look: also a host that is short of time has answered by then. */
const lookWithinMs = 1_000;

export interface BrokerConnectionHost {
	/** Rejects where nobody answers. */
	connect(): Promise<Socket>;
	hello(): AgentHello;
	/** Everything of a heartbeat but its number. */
	report(): Omit<Heartbeat, "seq">;
	/** Takes no more tickets. */
	isGoingDown(): boolean;
	/** The broker has heard a heartbeat that told of these ends. */
	endsTold(ended: readonly EndedSession[]): void;
	announce(expect: Expect): boolean;
	list(): SessionFacts[];
	clientGone(session: number): void;
	/** Before it returns all is done that can be; never throws. */
	resumed(resumed: Resumed): void;
	powerOff(graceMs: number): void;
	log(text: string): void;
}

export class BrokerConnection {
	readonly #host: BrokerConnectionHost;
	#socket: Socket | undefined;
	#welcomed = false;
	#seq = 0;
	#answer: NodeJS.Timeout | undefined;
	/** The heartbeat that #answer waits for; 0 is the hello. */
	#awaited = 0;
	/** Heartbeats with ends of sessions that are not answered yet. */
	#telling: { readonly seq: number; readonly ended: readonly EndedSession[] }[] = [];
	#isLooking = false;

	constructor(host: BrokerConnectionHost) {
		this.#host = host;
		setInterval(() => this.beat(), heartbeatIntervalMs);
	}

	dial(): void {
		const again = (): void => {
			setTimeout(() => this.dial(), redialMs);
		};
		this.#host.connect().then((socket) => {
			socket.once("close", again);
			this.#speak(socket);
		}, again);
	}

	#speak(socket: Socket): void {
		const decoder = new FrameDecoder(toAgentLimits);
		this.#socket = socket;
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, (frame) => this.#receive(frame));
			} catch (cause) {
				this.#host.log(`the broker is not understood: ${QubesLiteError.from(cause).message}`);
				socket.destroy();
			}
		});
		socket.on("error", () => {});
		/** There is no half-close: what waits to be written would wait for ever. */
		socket.once("end", () => socket.destroy());
		socket.once("close", () => {
			this.#answered();
			this.#welcomed = false;
			this.#socket = undefined;
		});
		this.#seq = 0;
		this.#telling = [];
		socket.write(encodeHello(this.#host.hello()));
		this.#await(answerWithinMs);
	}

	/** Somebody wonders why we have not dialled. */
	look(): void {
		if (this.#isLooking) return;
		this.beat();
		clearTimeout(this.#answer);
		this.#isLooking = true;
		this.#await(lookWithinMs);
	}

	#await(withinMs: number): void {
		const socket = this.#socket;
		this.#awaited = this.#seq;
		this.#answer = setTimeout(() => {
			this.#host.log("the broker does not answer");
			socket?.destroy();
		}, withinMs);
	}

	#answered(): void {
		clearTimeout(this.#answer);
		this.#answer = undefined;
		this.#isLooking = false;
	}

	/** Says how things are, now. Without a welcome nobody listens, and the next hello says the same. */
	beat(): void {
		if (!this.#welcomed) return;
		this.#seq += 1;
		const report = this.#host.report();
		if (report.ended !== undefined) this.#telling.push({ seq: this.#seq, ended: report.ended });
		this.#send(encodeHeartbeat({ seq: this.#seq, ...report }));
		if (this.#answer === undefined) this.#await(answerWithinMs);
	}

	#send(frame: Buffer): void {
		this.#socket?.write(frame);
	}

	#seen(seq: number): void {
		if (seq >= this.#awaited) this.#answered();
		for (const { ended } of this.#telling.filter((told) => told.seq <= seq)) this.#host.endsTold(ended);
		this.#telling = this.#telling.filter((told) => told.seq > seq);
	}

	#receive(frame: Frame): void {
		switch (frame.type) {
			case controlFrame.welcome: {
				agreeOnVersion("the broker", parseWelcome(frame.payload));
				this.#answered();
				this.#welcomed = true;
				this.beat();
				return;
			}
			case controlFrame.expect: {
				const expect = parseExpect(frame.payload);
				const { session } = expect;
				const goingDown = this.#host.isGoingDown();
				const accepted = !goingDown && this.#host.announce(expect);
				/** Before the answer: by the time that the client has its ticket, our own word holds the vm. */
				if (accepted) this.beat();
				this.#send(encodeExpected({ session, accepted, ...(goingDown ? { goingDown } : {}) }));
				return;
			}
			case controlFrame.clientGone:
				this.#host.clientGone(parseSessionNumber("clientGone", frame.payload));
				return;
			case controlFrame.seen:
				this.#seen(parseSeen(frame.payload));
				return;
			case controlFrame.list:
				this.#send(encodeSessions(this.#host.list()));
				return;
			case controlFrame.resumed:
				this.#host.resumed(parseResumed(frame.payload));
				this.beat();
				return;
			case controlFrame.poweroff:
				this.#host.powerOff(parsePoweroff(frame.payload));
		}
	}
}
