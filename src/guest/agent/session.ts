/**
 * One session: a command with its streams, cgroup and end. It has at most one client. A session that is not detached lives
 * and dies with its client; a detached one goes on without, keeps the last of its output, and its end, for one that comes.
 * Over when the command has ended, its outputs are drained, and the client has left.
 */
import type { Socket } from "node:net";
import { QubesLiteError } from "../../errors.ts";
import type { SessionFacts } from "../../protocol/control.ts";
import type { Exec, TerminalSize } from "../../protocol/exec.ts";
import {
	type CommandEnd,
	type Exit,
	encodeAttached,
	encodeExit,
	encodeStarted,
	type Stream,
} from "../../protocol/session.ts";
import type { SignalName } from "../../protocol/signals.ts";
import type { SessionProcesses } from "./cgroup.ts";
import type { Command, StartCommand } from "./command.ts";
import { OutputPump } from "./output.ts";

/** End of input as a terminal takes it (Ctrl-D, termios(3) VEOF): the first ends an unfinished line, the second is the end. */
const terminalEof = Buffer.from([4, 4]);

export interface SessionOrigin {
	readonly id: number;
	readonly exec: Exec;
	readonly cgroup: SessionProcesses;
	/** Of the exec frame, on the agent's clock, µs. */
	readonly receivedAt: number;
	readonly nowMicros: () => number;
	/** Its command has ended, and its outputs are drained. */
	readonly ended: (end: CommandEnd) => void;
	/** The session is over; its cgroup may still be populated. Called again when a client that came back to it leaves. */
	readonly closed: () => void;
}

export class Session {
	readonly #origin: SessionOrigin;
	readonly #command: Command;
	readonly #pump: OutputPump;
	#client: Socket | undefined;
	#exit: Exit | undefined;
	#stdinEnded = false;

	/** Throws StartFailure; nothing is left running then. */
	static start(origin: SessionOrigin, startCommand: StartCommand): Session {
		return new Session(origin, startCommand(origin.exec, origin.cgroup));
	}

	private constructor(origin: SessionOrigin, command: Command) {
		this.#origin = origin;
		this.#command = command;
		this.#pump = new OutputPump({ stdout: command.stdout, stderr: command.stderr, isKept: origin.exec.detach });
		command.stdin.on("error", () => command.stdin.destroy());
		/** Nobody can be asked for input: it is empty, as under nohup(1). A terminal may be typed on later. */
		if (origin.exec.detach && origin.exec.input !== true && !command.isTerminal) command.stdin.destroy();
		void this.#untilEnd();
	}

	get isDetached(): boolean {
		return this.#origin.exec.detach;
	}

	get hasClient(): boolean {
		return this.#client !== undefined;
	}

	get hasEnded(): boolean {
		return this.#exit !== undefined;
	}

	facts(): Omit<SessionFacts, "leftProcesses"> {
		const { id, exec, receivedAt, nowMicros } = this.#origin;
		const path = exec.argv[0] ?? "";
		return {
			session: id,
			command: path.slice(path.lastIndexOf("/") + 1).slice(0, 64),
			user: this.#command.user.slice(0, 64),
			ageMs: Math.round((nowMicros() - receivedAt) / 1000),
			isTerminal: this.#command.isTerminal,
			isDetached: this.isDetached,
			hasClient: this.hasClient,
			end: this.#exit?.end ?? null,
		};
	}

	/** The client that began it. */
	begin(client: Socket): void {
		client.write(encodeStarted(this.#command.pid));
		this.#take(client);
	}

	/** A client that came back. */
	resume(client: Socket, size: TerminalSize | null): void {
		const { pid, isTerminal } = this.#command;
		client.write(encodeAttached({ pid, isTerminal, lost: this.#pump.lost }));
		if (size !== null) this.#redraw(size);
		this.#take(client);
	}

	/** The kernel sends WINCH only for a size that differs, and a program draws its screen anew only on WINCH. */
	#redraw(size: TerminalSize): void {
		this.#command.resize({ rows: size.rows, columns: size.columns === 1 ? 2 : size.columns - 1 });
		this.#command.resize(size);
	}

	#take(client: Socket): void {
		this.#client = client;
		this.#pump.attach(client);
		if (client.destroyed) this.clientLeft();
		else this.#tellExit();
	}

	/** A command that has its client's attention no more is ended, unless it is detached. Idempotent. */
	clientLeft(): void {
		if (this.#client === undefined) return;
		this.#client = undefined;
		this.#pump.detach();
		if (this.hasEnded) this.#origin.closed();
		else if (this.isDetached) this.#endInputWithClient();
		else {
			this.#command.stdin.destroy();
			this.#origin.cgroup.end();
		}
	}

	/** What the client that began it has not sent by now, nobody will; on a terminal another one may type. */
	#endInputWithClient(): void {
		if (!this.#command.isTerminal) this.#command.stdin.end();
	}

	/** Calls `consumed` when the bytes have been taken, or nobody takes them any more: the client's writer must not hang. */
	write(bytes: Buffer, consumed: () => void): void {
		const { stdin } = this.#command;
		if (this.#stdinEnded || stdin.destroyed) consumed();
		else stdin.write(bytes, consumed);
	}

	endInput(): void {
		if (this.#stdinEnded) return;
		const { stdin, isTerminal } = this.#command;
		if (!isTerminal) {
			this.#stdinEnded = true;
			stdin.end();
		} else if (!stdin.destroyed) stdin.write(terminalEof);
	}

	credited(stream: Stream, bytes: number): void {
		if (stream === "stdin") throw new QubesLiteError("BadRequest", "the client can't give credit for its own stream");
		this.#pump.credited(stream, bytes);
	}

	resize(size: TerminalSize): void {
		this.#command.resize(size);
	}

	/** To the command's process group; once the command has ended, to what it left behind. */
	signal(signal: SignalName): void {
		if (this.#command.hasEnded()) this.#origin.cgroup.signal(signal);
		else this.#command.signal(signal);
	}

	async #untilEnd(): Promise<void> {
		const end = await this.#command.ended;
		this.#pump.commandEnded();
		await this.#pump.drained;
		const { nowMicros, receivedAt, closed, ended } = this.#origin;
		this.#exit = { end, guestMicros: nowMicros() - receivedAt };
		ended(end);
		this.#command.stdin.destroy();
		if (this.#client === undefined) closed();
		else this.#tellExit();
	}

	/**
	 * The last frame. The session counts as alive until the client has read it and left: a vm that went down before would
	 * take the end of the output with it.
	 */
	#tellExit(): void {
		if (this.#exit !== undefined && this.#client?.destroyed === false) this.#client.write(encodeExit(this.#exit));
	}
}
