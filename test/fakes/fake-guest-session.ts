/** The fake guest's end of one session: the real protocol, the real output pump, and a process of the host as the command. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { constants as osConstants, tmpdir } from "node:os";
import { join } from "node:path";
import { errnoOf } from "../../src/errors.ts";
import { OutputPump } from "../../src/guest/agent/output.ts";
import type { Tickets } from "../../src/guest/agent/tickets.ts";
import { parseExec } from "../../src/protocol/exec.ts";
import { encodeFrame, encodeJsonFrame, type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { dataMaxBytes, protocolVersion } from "../../src/protocol/limits.ts";
import {
	type CommandEnd,
	encodeCredit,
	encodeExit,
	encodeFailed,
	encodeSessionHello,
	encodeStarted,
	fromClientLimits,
	parseCredit,
	sessionFrame,
	splitTicketedExec,
} from "../../src/protocol/session.ts";
import { ReceiveWindow, stdinWindowBytes, streamWindowBytes } from "../../src/protocol/stream-window.ts";
import type { SessionOrder } from "./fake-guest-orders.ts";

export interface FakeSessionHost {
	readonly tickets: Tickets;
	order(): SessionOrder | undefined;
	opened(id: number, session: FakeSession): void;
	/** The session is over; `group` leads the processes that may be left. */
	closed(id: number, group: number | undefined): void;
}

/** From SIGHUP to SIGKILL for the command of a client that is gone. */
const goneMs = 500;

export class FakeSession {
	readonly #socket: Socket;
	readonly #host: FakeSessionHost;
	readonly #input = new ReceiveWindow(stdinWindowBytes);
	#id: number | undefined;
	#command: ChildProcess | undefined;
	#pump: OutputPump | undefined;
	#early: Frame[] = [];

	constructor(socket: Socket, host: FakeSessionHost) {
		this.#socket = socket;
		this.#host = host;
		const decoder = new FrameDecoder(fromClientLimits);
		socket.on("data", (chunk: Buffer) => {
			try {
				for (const frame of decoder.push(chunk)) this.#receive(frame);
			} catch {
				socket.destroy();
			}
		});
		socket.on("error", () => {});
		socket.once("close", () => {
			if (this.#id !== undefined) host.closed(this.#id, this.#command?.pid);
			this.clientGone();
		});
		socket.write(encodeSessionHello(protocolVersion));
	}

	/** Ends the command and whatever it started. Idempotent. */
	clientGone(): void {
		this.#socket.destroy();
		this.#pump?.destroy();
		this.signal("SIGHUP");
		setTimeout(() => this.signal("SIGKILL"), goneMs).unref();
	}

	signal(signal: NodeJS.Signals): void {
		if (this.#command?.pid !== undefined) signalGroup(this.#command.pid, signal);
	}

	#receive(frame: Frame): void {
		if (frame.type === sessionFrame.exec) this.#execute(frame.payload);
		else if (this.#command === undefined) this.#early.push(frame);
		else this.#take(frame, this.#command);
	}

	#execute(payload: Buffer): void {
		const { ticket, exec } = splitTicketedExec(payload);
		const redeemed = this.#host.tickets.redeem(ticket, exec);
		const order = this.#host.order();
		if (redeemed.session === null) {
			this.#fail(redeemed.refusal);
			return;
		}
		if (order === "expired" || order === "refused") {
			this.#fail(order);
			return;
		}
		this.#id = redeemed.session;
		this.#host.opened(redeemed.session, this);
		if (order !== undefined && this.#misbehave(order)) return;
		const [file = "", ...args] = parseExec(exec).argv;
		// All its environment goes to the command: its words tell the census, and the supervisor, whose process this is.
		const [stdout, stderr] = [makeFifo(), makeFifo()];
		const command = spawn(file, args, { detached: true, cwd: "/", stdio: ["pipe", stdout.child, stderr.child] });
		for (const { child } of [stdout, stderr]) closeSync(child);
		command.once("error", (cause) =>
			this.#fail(errnoOf(cause) === "ENOENT" ? "notFound" : "notExecutable", cause.message),
		);
		command.once("spawn", () => void this.#run(command, [stdout.ours, stderr.ours], order));
	}

	async #run(
		command: ChildProcess,
		[stdout, stderr]: [number, number],
		order: SessionOrder | undefined,
	): Promise<void> {
		this.#command = command;
		command.stdin?.on("error", () => command.stdin?.destroy());
		this.#socket.write(encodeStarted(command.pid ?? 0));
		this.#pump = new OutputPump(this.#socket, stdout, stderr);
		for (const frame of this.#early.splice(0)) this.#take(frame, command);
		if (this.#socket.destroyed) this.clientGone();
		const end = await new Promise<CommandEnd>((resolve) => {
			command.once("exit", (code, signal) =>
				resolve(signal === null ? { code: code ?? 0 } : { signal, signalNumber: osConstants.signals[signal] }),
			);
		});
		this.#pump.commandEnded();
		await this.#pump.drained;
		if (order === "noExit") this.#socket.destroy();
		else this.#socket.write(encodeExit({ end, guestMicros: 1 }));
	}

	#take(frame: Frame, command: ChildProcess): void {
		if (frame.type === sessionFrame.stdin) {
			this.#input.received(frame.payload.length);
			command.stdin?.write(frame.payload, () => {
				const credit = this.#input.consumed(frame.payload.length);
				if (credit > 0) this.#socket.write(encodeCredit("stdin", credit));
			});
		} else if (frame.type === sessionFrame.stdinEof) {
			command.stdin?.end();
		} else if (frame.type === sessionFrame.credit) {
			const { stream, bytes } = parseCredit(frame.payload);
			if (stream !== "stdin") this.#pump?.credited(stream, bytes);
		}
	}

	#fail(failure: Parameters<typeof encodeFailed>[0], message = `the ticket is ${failure}`): void {
		this.#socket.write(encodeFailed(failure, message));
	}

	/** True where that is all that the client gets. */
	#misbehave(order: SessionOrder): boolean {
		switch (order) {
			case "garbage":
				return this.#socket.write("HTTP/1.1 200 OK\r\n\r\n\x1b]0;owned\x07");
			case "oversized":
				return this.#socket.write(Buffer.from([sessionFrame.stdout, 0xff, 0xff, 0xff, 0xff]));
			case "halfFrame":
				this.#socket.end(Buffer.from([sessionFrame.exit, 0, 0, 0, 40, 0x7b]));
				return true;
			case "floods":
				for (let sent = 0; sent <= 2 * (streamWindowBytes + dataMaxBytes); sent += dataMaxBytes) {
					this.#socket.write(encodeFrame(sessionFrame.stdout, Buffer.alloc(dataMaxBytes, "x")));
				}
				return true;
			case "exitOutOfRange":
				return this.#socket.write(encodeJsonFrame(sessionFrame.exit, { code: 256, guestMicros: 1 }));
			case "creditForNothing":
				return this.#socket.write(encodeCredit("stdin", 2 ** 31));
			default:
				return order === "mute";
		}
	}
}

/** A pipe for an output, as the agent's are; no fork is worth a stock here. */
function makeFifo(): { child: number; ours: number } {
	const directory = mkdtempSync(join(tmpdir(), "ql-fifo-"));
	const path = join(directory, "fifo");
	spawnSync("mkfifo", ["-m", "600", path]);
	const ours = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
	const child = openSync(path, constants.O_WRONLY);
	rmSync(directory, { recursive: true });
	return { child, ours };
}

/** A group that has ended is no error. Group 0 would be our own. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
	try {
		return process.kill(-group, signal);
	} catch {
		return false;
	}
}
