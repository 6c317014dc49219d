/** `qubes-lite console VM`: a running vm's serial console, for whoever must see what no agent tells. It boots no vm and keeps none up. */
import { constants } from "node:os";
import { join } from "node:path";
import { isatty } from "node:tty";
import { QubesLiteError } from "../errors.ts";
import { ringFileBytes, vmFiles } from "../launch-plan.ts";
import { encodeRequest } from "../protocol/broker.ts";
import { parseDirectoryReply } from "../protocol/broker-replies.ts";
import { callBroker } from "./broker-client.ts";
import { type ConsoleInput, openConsoleInput } from "./console-input.ts";
import { DirectoryChanges } from "./directory-changes.ts";
import { RingReader, readLastLines } from "./follow-ring.ts";
import { isInForeground, RawTerminal } from "./raw-terminal.ts";
import { StdoutSink } from "./stdout-sink.ts";

/** Ctrl-], as in telnet and `virsh console`: no shell or editor needs it. */
const escapeKey = 0x1d;
/** Shown at first; on a terminal that is higher, as many as it has beside our own words. */
const fewestLines = 20;
/** After the last line of a script's input: an emulated guest takes some tenths of a second to start a program. */
const quietMs = 1000;
/** What a guest that does not read leaves waiting beside the FIFO's own 64 KiB. */
const waitingMaxBytes = 64 * 1024;
/** From the launch's begin to the FIFO: the shim makes it at once. */
const openTries = { count: 50, everyMs: 100 };
const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

type End = "left" | "stopped" | "quiet" | "unread";

/** Resolves with the exit status when it was left, the vm has stopped, or a script's input has ended and nothing more comes. */
export async function openConsole(vm: string): Promise<number> {
	const reply = await callBroker(process.env, encodeRequest({ method: "console", vm }));
	const directory = parseDirectoryReply(reply);
	const input = await waitForInput(vm, directory);
	const isOurTerminal = isatty(0) && isInForeground();
	const isInteractive = isOurTerminal && process.stdout.isTTY;
	if (isInteractive) process.stderr.write(`Console of ${vm}; Ctrl-] leaves\n`);
	const view = new ConsoleView(directory, input);
	const terminal = isInteractive ? RawTerminal.on(process.stdin) : null;
	const restore = (): void => {
		view.restore();
		terminal?.leave();
	};
	const forget = onSignals(restore, () => terminal?.enterAgain());
	let end: End;
	try {
		terminal?.enter();
		await view.begin(isInteractive ? Math.max(fewestLines, (process.stdout.rows || 0) - 2) : fewestLines);
		// Not before: what a guest writes back must not push out what it had said.
		if (terminal !== null) typeKeys(input, () => view.finish("left"));
		else if (isOurTerminal || !isatty(0)) typeInput(input, () => view.inputEnded());
		end = await view.follow();
	} finally {
		restore();
		forget();
		process.stdin.destroy();
		input.close();
		await view.close();
	}
	if (view.isMidLine && isInteractive) process.stderr.write("\n");
	if (end === "stopped") process.stderr.write(`${vm} has stopped\n`);
	else if (isInteractive) process.stderr.write(`left the console of ${vm}, which runs on\n`);
	return 0;
}

async function waitForInput(vm: string, directory: string): Promise<ConsoleInput> {
	for (let tries = 0; tries < openTries.count; tries++) {
		const input = openConsoleInput(join(directory, vmFiles.consoleInput));
		if (input !== undefined) return input;
		await new Promise((resolve) => setTimeout(resolve, openTries.everyMs));
	}
	throw new QubesLiteError("NotRunning", `${vm} has no console that can be typed on`, {
		remedy: `qubes-lite logs --console ${vm}`,
	});
}

/** What the guest writes, on our standard output. */
class ConsoleView {
	readonly #input: ConsoleInput;
	readonly #reader: RingReader;
	readonly #changes: DirectoryChanges;
	readonly #sink = new StdoutSink(true);
	#end: End | undefined;
	/** No earlier than this it has been quiet for long enough. */
	#quietAt = Number.POSITIVE_INFINITY;
	#hasInputEnded = false;
	/** The last thing shown was not a whole line. */
	isMidLine = false;

	constructor(directory: string, input: ConsoleInput) {
		this.#input = input;
		this.#reader = new RingReader(join(directory, vmFiles.console));
		this.#changes = new DirectoryChanges([directory]);
	}

	finish(end: End): void {
		this.#end ??= end;
		this.#changes.wake();
	}

	inputEnded(): void {
		this.#hasInputEnded = true;
		this.#deferQuiet();
		this.#changes.wake();
	}

	restore(): void {
		this.#sink.restore();
	}

	/** Shows the last `lines`. */
	async begin(lines: number): Promise<void> {
		await this.#put(await readLastLines(this.#reader, lines, 3 * ringFileBytes));
	}

	/** Shows what comes then, until the end. */
	async follow(): Promise<End> {
		for (;;) {
			// Asked in this order: what a vm said before its end is there now.
			const isUp = this.#input.isRead();
			await this.#putRest();
			if (!isUp) this.finish("stopped");
			if (performance.now() >= this.#quietAt) this.finish("quiet");
			if (this.#end !== undefined) return this.#end;
			await this.#changes.next(this.#hasInputEnded ? quietMs / 4 : undefined);
		}
	}

	async close(): Promise<void> {
		this.#changes.close();
		await this.#reader.close();
	}

	async #putRest(): Promise<void> {
		while (this.#end === undefined) {
			const bytes = await this.#reader.read();
			if (bytes === undefined) return;
			await this.#put(bytes);
		}
	}

	async #put(bytes: Buffer): Promise<void> {
		if (bytes.length === 0) return;
		this.isMidLine = bytes.at(-1) !== 0x0a;
		if (!(await this.#sink.write(bytes))) this.finish("unread");
		this.#deferQuiet();
	}

	#deferQuiet(): void {
		if (this.#hasInputEnded) this.#quietAt = performance.now() + quietMs;
	}
}

/** Keys of a terminal. What a guest does not read is dropped in the end: the escape key must be heard behind it. */
function typeKeys(input: ConsoleInput, leave: () => void): void {
	process.stdin.on("data", (keys: Buffer) => {
		const leaveAt = keys.indexOf(escapeKey);
		const typed = leaveAt < 0 ? keys : keys.subarray(0, leaveAt);
		if (input.waitingBytes < waitingMaxBytes) input.write(typed);
		if (leaveAt >= 0) leave();
	});
	process.stdin.once("end", leave);
	process.stdin.once("error", leave);
}

/** All of a pipe or file, no faster than the guest reads. */
function typeInput(input: ConsoleInput, ended: () => void): void {
	const { stdin } = process;
	stdin.on("data", (bytes: Buffer) => {
		input.write(bytes);
		if (input.waitingBytes < waitingMaxBytes) return;
		stdin.pause();
		void input.empty().then(() => stdin.resume());
	});
	const end = (): void => void input.empty().then(ended);
	stdin.once("end", end);
	/** A closed or unreadable standard input is an empty one. */
	stdin.once("error", end);
}

/** A signal that ends us finds the terminal restored; after a stop it is raw again. Returns how to take that back. */
function onSignals(restore: () => void, resumed: () => void): () => void {
	const listeners = endingSignals.map((signal) => {
		const listener = (): void => {
			restore();
			process.exit(128 + constants.signals[signal]);
		};
		process.on(signal, listener);
		return (): unknown => process.off(signal, listener);
	});
	process.on("SIGCONT", resumed);
	return () => {
		process.off("SIGCONT", resumed);
		for (const forget of listeners) forget();
	};
}
