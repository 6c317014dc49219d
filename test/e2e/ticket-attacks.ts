/**
 * Ways into a guest's command port without the broker's permission for just that, tried frame by frame: the same against
 * a fake guest and a real one. Each attack resolves with what the agent answered, in order.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
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
import { encodeAttach, encodeExec } from "../../src/protocol/exec.ts";
import { encodeFrame, type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { ticketBytes } from "../../src/protocol/limits.ts";
import {
	encodeSessionHello,
	encodeTicketedAttach,
	encodeTicketedExec,
	parseExit,
	parseFailed,
	sessionFrame,
	toClientLimits,
} from "../../src/protocol/session.ts";
import { connectGuest } from "../../src/session-client/guest-connection.ts";

/** Longer than the agent waits for a ticket, 15 s. */
const hangMs = 25_000;

export interface Target {
	/** Where broker.sock is, and a directory for each vm. */
	readonly runtime: string;
	/** Both run. */
	readonly vm: string;
	readonly otherVm: string;
}

/** What the broker grants. */
export interface Permit {
	readonly ticket: Buffer;
	readonly vsock: string;
	/** Leaves the broker, as a client that is gone. */
	leave(): void;
}

/** Asks as run-in-vm does; `bytes` is what the ticket is for. */
export async function askForTicket({ runtime }: Target, request: BrokerRequest, bytes: Buffer): Promise<Permit> {
	const socket = connect(join(runtime, "broker.sock"));
	const decoder = new FrameDecoder(fromBrokerLimits);
	socket.write(Buffer.concat([encodeRequest(request), encodeExecBytes(bytes)]));
	return await new Promise((resolve, reject) => {
		let vsock = "";
		socket.on("error", reject);
		socket.once("close", () => reject(new Error("the broker has left")));
		socket.on("data", (chunk: Buffer) => {
			decoder.push(chunk, ({ type, payload }) => {
				if (type === brokerFrame.refused) reject(new Error(parseRefused(payload).message));
				if (type === brokerFrame.ready) ({ vsock } = parseReady(payload));
				if (type !== brokerFrame.granted) return;
				resolve({ ticket: parseGranted(payload).ticket, vsock, leave: () => socket.destroy() });
			});
		});
	});
}

/** A connection to a guest's command port. */
export class Knock {
	readonly #socket: Socket;
	readonly #answers: string[] = [];
	#told: () => void = () => {};

	private constructor(socket: Socket) {
		this.#socket = socket;
		const decoder = new FrameDecoder(toClientLimits);
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => {
			decoder.push(chunk, (frame) => this.#take(frame));
		});
		socket.once("close", () => this.#tell("closed"));
		socket.resume();
	}

	static async at(vsock: string, ...frames: readonly Buffer[]): Promise<Knock> {
		const knock = new Knock(await connectGuest(vsock));
		knock.send(...frames);
		return knock;
	}

	send(...frames: readonly Buffer[]): void {
		if (frames.length > 0) this.#socket.write(Buffer.concat(frames));
	}

	/** The agent's next word: "started", "attached", "refused: …", "exit 0" or "closed". */
	async answer(): Promise<string> {
		const deadline = AbortSignal.timeout(hangMs);
		while (this.#answers.length === 0) {
			await new Promise<void>((resolve, reject) => {
				this.#told = resolve;
				deadline.addEventListener("abort", () => reject(new Error("the agent says nothing")), { once: true });
			});
		}
		return this.#answers.shift() ?? "";
	}

	leave(): void {
		this.#socket.destroy();
	}

	#tell(answer: string): void {
		this.#answers.push(answer);
		this.#told();
	}

	#take({ type, payload }: Frame): void {
		if (type === sessionFrame.started) this.#tell("started");
		else if (type === sessionFrame.attached) this.#tell("attached");
		else if (type === sessionFrame.exit) this.#tell(`exit ${JSON.stringify(parseExit(payload).end)}`);
		else if (type === sessionFrame.failed) {
			const { failure, message } = parseFailed(payload);
			this.#tell(`${failure}: ${message}`);
		}
	}
}

/** The one answer to a client that says just this. */
export async function knockOnce(vsock: string, ...frames: readonly Buffer[]): Promise<string> {
	const knock = await Knock.at(vsock, ...frames);
	try {
		return await knock.answer();
	} finally {
		knock.leave();
	}
}

export const hello = encodeSessionHello();
const execOf = (...argv: string[]): Buffer =>
	encodeExec({ argv, env: {}, cwd: null, user: null, tty: null, detach: false });

/** What an attacker would run. That no file of this name is ever there proves that nobody did. */
export const mark = `/tmp/ql-attack-${randomBytes(8).toString("hex")}`;
const leaveMark = execOf("touch", `${mark}-0`);
/** Runs until its input ends. */
const cat = execOf("cat");
const attachBytes = encodeAttach({ session: 1, tty: null });

const runIn = (vm: string): BrokerRequest => ({
	...{ method: "run", vm, disposable: false, start: true, timeoutMs: 0 },
	pid: process.pid,
});
const attachIn = (vm: string): BrokerRequest => ({ method: "attach", vm, boot: null, timeoutMs: 0, pid: process.pid });

export const permitToRun = (target: Target, vm = target.vm, bytes = leaveMark): Promise<Permit> =>
	askForTicket(target, runIn(vm), bytes);
export const execWith = ({ ticket }: Permit, bytes = leaveMark): Buffer => encodeTicketedExec(ticket, bytes);

const wayTo = ({ runtime, vm }: Target): string => join(runtime, vm, "vsock");
const oneByteChanged = (bytes: Buffer): Buffer => {
	const changed = Buffer.from(bytes);
	/** Of the file's name; behind it is its NUL. */
	changed.writeUInt8("1".charCodeAt(0), changed.length - 2);
	return changed;
};

export interface Attack {
	readonly what: string;
	readonly answers: readonly string[];
	readonly run: (target: Target) => Promise<string[]>;
}

const invalid = "refused: the ticket is not valid here";

/** With a permit of its own, that is given back. */
async function withPermit<T>(asked: Promise<Permit>, use: (permit: Permit) => Promise<T>): Promise<T> {
	const permit = await asked;
	try {
		return await use(permit);
	} finally {
		permit.leave();
	}
}

export const attacks: readonly Attack[] = [
	{
		what: "a command without a ticket",
		answers: [invalid],
		run: async (target) => [await knockOnce(wayTo(target), hello, encodeFrame(sessionFrame.exec, leaveMark))],
	},
	{
		what: "an exec frame, and an attach frame, of nothing",
		answers: [invalid, invalid],
		run: async (target) => [
			await knockOnce(wayTo(target), hello, encodeFrame(sessionFrame.exec)),
			await knockOnce(wayTo(target), hello, encodeFrame(sessionFrame.attach)),
		],
	},
	{
		what: "a random ticket",
		answers: [invalid, invalid],
		run: async (target) => [
			await knockOnce(wayTo(target), hello, encodeTicketedExec(randomBytes(ticketBytes), leaveMark)),
			await knockOnce(wayTo(target), hello, encodeTicketedAttach(randomBytes(ticketBytes), attachBytes)),
		],
	},
	{
		what: "a ticket for another command, of which one byte differs, and then for the right one: it is used up",
		answers: [invalid, invalid],
		run: (target) =>
			withPermit(permitToRun(target), async (permit) => [
				await knockOnce(permit.vsock, hello, execWith(permit, oneByteChanged(leaveMark))),
				await knockOnce(permit.vsock, hello, execWith(permit)),
			]),
	},
	{
		what: "another vm's ticket, which is still good there",
		answers: [invalid, "started"],
		run: (target) =>
			withPermit(permitToRun(target, target.otherVm, cat), async (permit) => [
				await knockOnce(wayTo(target), hello, execWith(permit, cat)),
				await knockOnce(permit.vsock, hello, execWith(permit, cat)),
			]),
	},
	{
		what: "a ticket whose session runs, which goes on undisturbed, and once more after its end",
		answers: ["started", invalid, 'exit {"code":0}', invalid],
		run: (target) =>
			withPermit(permitToRun(target, target.vm, cat), async (permit) => {
				const first = await Knock.at(permit.vsock, hello, execWith(permit, cat));
				const answers = [await first.answer()];
				answers.push(await knockOnce(permit.vsock, hello, execWith(permit, cat)));
				first.send(encodeFrame(sessionFrame.stdinEof));
				answers.push(await first.answer());
				first.leave();
				answers.push(await knockOnce(permit.vsock, hello, execWith(permit, cat)));
				return answers;
			}),
	},
	{
		what: "a second command on the connection of a session, with a ticket that is good",
		answers: ["started", "closed", "started"],
		run: (target) =>
			withPermit(permitToRun(target, target.vm, cat), (first) =>
				withPermit(permitToRun(target, target.vm, cat), async (second) => {
					const knock = await Knock.at(first.vsock, hello, execWith(first, cat));
					const answers = [await knock.answer()];
					knock.send(execWith(second, cat));
					answers.push(await knock.answer());
					/** It was not even looked at. */
					answers.push(await knockOnce(second.vsock, hello, execWith(second, cat)));
					return answers;
				}),
			),
	},
	{
		what: "a ticket that is good, without a hello",
		answers: ["refused: the session must begin with hello"],
		run: (target) =>
			withPermit(permitToRun(target), async (permit) => [await knockOnce(permit.vsock, execWith(permit))]),
	},
	{
		what: "two commands at once on one connection, each with a ticket that is good",
		answers: ["started", "closed"],
		run: (target) =>
			withPermit(permitToRun(target, target.vm, cat), (first) =>
				withPermit(permitToRun(target, target.vm), async (second) => {
					const knock = await Knock.at(first.vsock, hello, execWith(first, cat), execWith(second));
					return [await knock.answer(), await knock.answer()];
				}),
			),
	},
	{
		what: "a ticket that is good, after a second hello",
		answers: ["refused: the session has its hello already"],
		run: (target) =>
			withPermit(permitToRun(target), async (permit) => [
				await knockOnce(permit.vsock, hello, hello, execWith(permit)),
			]),
	},
	{
		what: "a ticket for a command in an attach frame, before what it is for and before what it is not for",
		answers: ["refused: the attach message is not JSON", invalid],
		run: async (target) => [
			await withPermit(permitToRun(target), (permit) =>
				knockOnce(permit.vsock, hello, encodeTicketedAttach(permit.ticket, leaveMark)),
			),
			await withPermit(permitToRun(target), (permit) =>
				knockOnce(permit.vsock, hello, encodeTicketedAttach(permit.ticket, attachBytes)),
			),
		],
	},
	{
		what: "a ticket for an attachment in an exec frame, before what it is for and before what it is not for",
		answers: ["refused: the exec message is malformed: its header's length is wrong", invalid],
		run: async (target) => [
			await withPermit(askForTicket(target, attachIn(target.vm), attachBytes), (permit) =>
				knockOnce(permit.vsock, hello, encodeTicketedExec(permit.ticket, attachBytes)),
			),
			await withPermit(askForTicket(target, attachIn(target.vm), attachBytes), (permit) =>
				knockOnce(permit.vsock, hello, execWith(permit)),
			),
		],
	},
	{
		what: "a ticket for an attachment to another session",
		answers: [invalid],
		run: (target) =>
			withPermit(askForTicket(target, attachIn(target.vm), attachBytes), async ({ vsock, ticket }) => {
				const other = encodeAttach({ session: 2, tty: null });
				return [await knockOnce(vsock, hello, encodeTicketedAttach(ticket, other))];
			}),
	},
	{
		what: "a ticket whose client has left the broker",
		answers: [invalid],
		run: async (target) => {
			const permit = await permitToRun(target);
			permit.leave();
			/** The agent is told before it is told of the next one. */
			await withPermit(permitToRun(target), async () => {});
			return [await knockOnce(permit.vsock, hello, execWith(permit))];
		},
	},
];
