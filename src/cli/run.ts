/** One run: a request, and as many attempts as its tickets need. */
import { resolve } from "node:path";
import { isatty } from "node:tty";
import { QubesLiteError } from "../errors.ts";
import { socketPathMaxBytes } from "../launch-plan.ts";
import { encodeRequest } from "../protocol/broker.ts";
import { parseStatusList } from "../protocol/broker-replies.ts";
import { encodeAttach, encodeExec } from "../protocol/exec.ts";
import { shellWord } from "../shell-word.ts";
import { Attempt, type Request, type RunContext } from "./attempt.ts";
import { callBroker, monotonicMs } from "./broker-client.ts";
import { program } from "./commands/run-in-vm.ts";
import { terminalSize, toExec } from "./exec-request.ts";
import { isInForeground } from "./raw-terminal.ts";
import type { Options } from "./run-arguments.ts";
import type { RunResult } from "./run-result.ts";
import { createStartDeadline } from "./start-deadline.ts";

/** A ticket can expire on a host that stalls; then we ask for another, once. */
const ticketsPerRun = 2;

/**
 * process.stdin is not touched: Node makes what it reads from non-blocking, for everybody who has it. In the background of a
 * shell the terminal is not ours: who would set it raw is stopped (SIGTTOU).
 */
const surroundings = () => ({
	stdin: { isTTY: isatty(0) && isInForeground() },
	stdout: process.stdout,
	stderr: process.stderr,
});

/** A request for the broker, with the bytes whose hash it announces. */
function toRequest(options: Options): Request {
	const { timeoutMs } = options;
	const { pid } = process;
	if (options.kind === "attach") {
		const { vm, session, boot } = options.id;
		const bytes = encodeAttach({ session, tty: process.stdout.isTTY ? terminalSize(surroundings()) : null });
		return { request: { method: "attach", vm, boot, timeoutMs, pid }, bytes, tty: null };
	}
	const { vm, disposable, start } = options;
	const exec = toExec(options, { ...surroundings(), env: process.env });
	const wayland = waylandSocket(process.env);
	const request = {
		...({ method: "run", vm, disposable, start, timeoutMs, pid, askedAt: monotonicMs() } as const),
		...(wayland !== undefined && { wayland }),
	};
	return { request, bytes: encodeExec(exec), tty: exec.tty };
}

/** Whoever sits before this terminal sees windows there: the broker may have been started from elsewhere. */
function waylandSocket({ WAYLAND_DISPLAY: display = "", XDG_RUNTIME_DIR: directory = "" }: NodeJS.ProcessEnv) {
	const path = resolve(directory, display);
	return display === "" || Buffer.byteLength(path) > socketPathMaxBytes ? undefined : path;
}

/** Resolves with how it ended; rejects with what kept it from running. */
export async function run(options: Options, context: RunContext): Promise<RunResult> {
	const request = toRequest(options);
	const deadline = createStartDeadline(options);
	try {
		for (let ticket = 1; ; ticket++) {
			const result = await new Attempt(options, request, context).run(deadline);
			if (result !== "expired") return result;
			if (ticket === ticketsPerRun) throw new QubesLiteError("Busy", "two tickets expired before they could be used");
		}
	} catch (cause) {
		throw await withOrderHint(cause, options);
	} finally {
		deadline.end();
	}
}

/** `run-in-vm firefox shopping`: the words were given the other way round. */
async function withOrderHint(cause: unknown, options: Options): Promise<unknown> {
	if (!(cause instanceof QubesLiteError) || cause.code !== "NoSuchVm") return cause;
	if (options.kind !== "run" || options.disposable) return cause;
	const [second = "", ...rest] = options.command;
	const names: readonly string[] = await callBroker(process.env, encodeRequest({ method: "list" })).then(
		(reply) => parseStatusList(reply).map(({ name }) => name),
		() => [],
	);
	if (!names.includes(second)) return cause;
	const words = [program, second, options.vm, ...rest].map(shellWord).join(" ");
	return new QubesLiteError(cause.code, cause.message, { remedy: `the vm comes first: ${words}`, cause });
}
