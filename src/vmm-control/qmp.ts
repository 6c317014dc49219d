/**
 * QEMU's control socket (QMP: JSON objects, one a line). A greeting comes, capabilities are agreed on, a command is
 * answered; events come in between. QEMU serves one client at a time and lets the next wait, so each command has a
 * connection of its own, as short as can be. A guest may have taken QEMU over: what comes is bounded, and not believed.
 */
import { connect, type Socket } from "node:net";
import { errnoOf, QubesLiteError } from "../errors.ts";
import type { VmmControl } from "./vmm-control.ts";

/** From the call to the answer. QEMU answers within ms, unless it hangs or somebody else holds its socket. */
const withinMs = 2_000;
/** Greeting, two answers and some events are 1 KiB. */
const answerMaxBytes = 64 * 1024;
/** Of what QEMU says is wrong. */
const reasonMaxLength = 200;

type Command = "qmp_capabilities" | "query-status" | "system_powerdown" | "stop" | "cont";
type Answer = Readonly<Record<string, unknown>>;

/** Makes ours unlike those of any other client of the same vmm, an earlier broker among them. */
let asked = 0;

export class QmpControl implements VmmControl {
	readonly #path: string;
	/** Ours come one after the other: of those that wait QEMU's socket holds two, and refuses the third. */
	#last: Promise<unknown> = Promise.resolve();

	constructor(path: string) {
		this.#path = path;
	}

	async pressPowerButton(): Promise<void> {
		await this.#tell("system_powerdown");
	}

	async pause(): Promise<void> {
		await this.#tell("stop");
	}

	async resume(): Promise<void> {
		await this.#tell("cont");
	}

	async stop(): Promise<never> {
		throw new QubesLiteError("Unsupported", "QEMU ends in good order by SIGTERM");
	}

	async takeMemory(): Promise<never> {
		throw noBalloon();
	}

	async memory(): Promise<never> {
		throw noBalloon();
	}

	async isPaused(boundMs = withinMs): Promise<boolean> {
		const status = await this.#tell("query-status", boundMs);
		if (typeof status !== "object" || status === null || !("status" in status)) throw strange(this.#path);
		return status.status === "paused";
	}

	/** Whoever is before us is done by its own deadline, which is before ours. */
	#tell(command: Command, boundMs = withinMs): Promise<unknown> {
		const deadline = performance.now() + boundMs;
		const told = this.#last.then(() => exchange(this.#path, command, { deadline, boundMs }));
		this.#last = told.catch(() => {});
		return told;
	}
}

/** What QEMU returns to `command`. When this has settled its connection is closed. */
async function exchange(
	path: string,
	command: Command,
	{ deadline, boundMs }: { readonly deadline: number; readonly boundMs: number },
): Promise<unknown> {
	const answered = Promise.withResolvers<unknown>();
	const timer = setTimeout(
		() => answered.reject(unresponsive(path, command, boundMs)),
		Math.max(deadline - performance.now(), 0),
	);
	const socket = connect(path);
	const closed = new Promise((resolve) => socket.once("close", resolve));
	socket.on("error", (cause) => answered.reject(unreachable(path, cause)));
	socket.once("close", () => answered.reject(new QubesLiteError("NotRunning", `the vmm at ${path} went away`)));
	converse(socket, path, command, answered);
	try {
		return await answered.promise;
	} finally {
		clearTimeout(timer);
		socket.destroy();
		await closed;
	}
}

function converse(
	socket: Socket,
	path: string,
	command: Command,
	{ resolve, reject }: Pick<PromiseWithResolvers<unknown>, "resolve" | "reject">,
): void {
	let waitsFor: "greeting" | Command = "greeting";
	let id = "";
	const say = (next: Command): void => {
		waitsFor = next;
		asked += 1;
		id = `${next} ${process.pid}.${performance.timeOrigin}.${asked}`;
		socket.write(`${JSON.stringify({ execute: next, id })}\n`);
	};
	const hear = (answer: Answer): void => {
		if (waitsFor === "greeting" && "QMP" in answer) {
			say("qmp_capabilities");
		} else if (answer.id !== id || waitsFor === "greeting") {
			/** QEMU gives the next client what one that went away would have been told. */
			if (!("event" in answer || "return" in answer || "error" in answer)) throw strange(path);
		} else if (waitsFor === "qmp_capabilities" && isAgreedOn(answer.error)) {
			say(command);
		} else if ("error" in answer) {
			throw refused(waitsFor, answer.error);
		} else if (!("return" in answer)) {
			throw strange(path);
		} else if (waitsFor === command) {
			resolve(answer.return);
		} else {
			say(command);
		}
	};
	let total = 0;
	let rest = "";
	socket.setEncoding("utf8").on("data", (text: string) => {
		total += Buffer.byteLength(text);
		const lines = `${rest}${text}`.split("\n");
		rest = lines.pop() ?? "";
		try {
			for (const line of lines) hear(parseLine(path, line));
			if (total > answerMaxBytes) throw strange(path);
		} catch (cause) {
			reject(cause);
			socket.destroy();
		}
	});
}

function parseLine(path: string, line: string): Answer {
	let value: unknown;
	try {
		value = JSON.parse(line);
	} catch (cause) {
		throw strange(path, cause);
	}
	if (typeof value !== "object" || value === null) throw strange(path);
	return value as Answer;
}

/**
 * What one that went away has still asked for is done after the next one's greeting: then that has agreed on capabilities already, and there
 * is no such command any more (QEMU's monitor/qmp.c).
 */
const isAgreedOn = (error: unknown): boolean =>
	typeof error === "object" && error !== null && "class" in error && error.class === "CommandNotFound";

const noBalloon = (): QubesLiteError =>
	new QubesLiteError("Unsupported", "QEMU's vms keep their memory while they run", {
		remedy: 'give the vm less "memory" in the configuration, or "hypervisor": "crosvm"',
	});

function unresponsive(path: string, command: Command, boundMs: number): QubesLiteError {
	return new QubesLiteError("Unresponsive", `the vmm did not answer ${command} within ${boundMs / 1000} s`, {
		remedy: `see whether another program is connected to ${path}; else the vmm hangs: kill the vm`,
	});
}

function unreachable(path: string, cause: Error): QubesLiteError {
	const errno = errnoOf(cause);
	if (errno === "ENOENT" || errno === "ECONNREFUSED" || errno === "ECONNRESET" || errno === "EPIPE")
		return new QubesLiteError("NotRunning", `no vmm serves ${path}`, { cause });
	// The queue of those who wait is full.
	if (errno === "EAGAIN")
		return new QubesLiteError("Unresponsive", `too many programs wait for the vmm at ${path}`, { cause });
	return new QubesLiteError("Internal", `the vmm can't be reached at ${path}: ${errno ?? cause.message}`, { cause });
}

function strange(path: string, cause?: unknown): QubesLiteError {
	return new QubesLiteError("Internal", `what answers at ${path} does not speak QMP`, { cause });
}

/** Its own words go no further than as plain ones. */
function refused(command: Command, error: unknown): QubesLiteError {
	const words = typeof error === "object" && error !== null && "desc" in error ? String(error.desc) : "no reason given";
	const reason = words.slice(0, reasonMaxLength).replaceAll(/[^ -~]/g, "?");
	return new QubesLiteError("Internal", `the vmm refused ${command}: ${reason}`);
}
