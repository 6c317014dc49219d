/** The client's end of broker.sock: finds or starts the broker, sends one request, and reads its answers. */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { brokerFrame, type Progress, parseProgress, parseRefused } from "../protocol/broker.ts";
import type { Frame } from "../protocol/frame.ts";
import { messageMaxBytes } from "../protocol/limits.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";
import { orAborted } from "../session-client/on-abort.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { BrokerConnection } from "./broker-connection.ts";
import { startBroker } from "./broker-start.ts";

/** While somebody else starts the broker: a look every so often, for at most the time a start may take. */
const lookEveryMs = 20;
const looksMax = 1000;
/** A broker that leaves or is restarted under a request: nothing has been run then, so we ask the next one. */
const attemptsMax = 10;
const pauseMaxMs = 1000;

/**
 * A service manager's socket accepts for a broker that it then can't start. One that starts says something at once; on a
 * busy host, or while it waits for another to leave, that takes some seconds.
 */
const firstFrameWithinMs = 15_000;

export interface BrokerAnswers {
	onProgress?: (progress: Progress) => void;
	/** Called for every frame but progress and refused; true ends the wait. */
	onFrame: (frame: Frame) => boolean;
	/** Its reason ends the wait. */
	deadline?: AbortSignal;
}

/** CLOCK_MONOTONIC, ms: what a request's `askedAt` is in, so that the order of requests survives a broker. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** Lost before an answer came: the request may be sent again. */
class BrokerLost extends Error {}

const never = new AbortController().signal;

/** Rejects with the reason of `deadline`, too. */
async function connectBroker(env: NodeJS.ProcessEnv, deadline: AbortSignal): Promise<BrokerConnection> {
	const runtimeDirectory = openRuntimeDirectory(env);
	const path = join(runtimeDirectory, brokerSocketName);
	let socket: Awaited<ReturnType<typeof tryConnect>> = "nobody";
	let timesNobody = 0;
	for (let look = 0; look < looksMax; look++) {
		deadline.throwIfAborted();
		socket = await tryConnect(path);
		if (typeof socket === "object") return new BrokerConnection(socket);
		if (socket === "lost") continue;
		if (socket === "nobody" && timesNobody++ % 10 === 0) await orAborted(deadline, startBroker(runtimeDirectory, env));
		else await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
	}
	if (socket === "crowd") throw brokerSilent();
	throw new QubesLiteError("Internal", "the broker does not answer", { remedy: `rm ${path}` });
}

/**
 * "crowd": somebody listens, and as many wait there as can. "lost": who listened has ended before we were accepted, which
 * the kernel tells as ECONNRESET (unix_release_sock in net/unix/af_unix.c), and libuv as a connect that failed.
 */
function tryConnect(path: string): Promise<Socket | "nobody" | "crowd" | "lost"> {
	return new Promise((resolve, reject) => {
		const socket = connect(path);
		socket.once("connect", () => resolve(socket));
		socket.once("error", (cause) => {
			const errno = errnoOf(cause);
			if (errno === "ENOENT" || errno === "ECONNREFUSED") resolve("nobody");
			else if (errno === "EAGAIN") resolve("crowd");
			else if (errno === "ECONNRESET") resolve("lost");
			else reject(new QubesLiteError("Internal", `cannot connect to the broker (${errno}): ${path}`, { cause }));
		});
	});
}

/**
 * Sends `frames()` and waits until `onFrame` says that it has its answer; resolves with the open connection, to which
 * nobody listens then. Rejects with the broker's refusal. A broker that goes away before is asked again, which is safe
 * until a ticket has been used; one that does so again and again has more and more time.
 */
export async function askBroker(
	env: NodeJS.ProcessEnv,
	frames: () => readonly Buffer[],
	answers: BrokerAnswers,
): Promise<BrokerConnection> {
	for (let attempt = 1; ; attempt++) {
		const connection = await connectBroker(env, answers.deadline ?? never);
		try {
			await converse(connection, frames(), answers);
			return connection;
		} catch (cause) {
			connection.close();
			if (!(cause instanceof BrokerLost)) throw cause;
			if (attempt === attemptsMax) {
				throw new QubesLiteError("Internal", `the broker went away ${attemptsMax} times without an answer`, {
					remedy: "qubes-lite doctor",
				});
			}
			const pauseMs = attempt === 1 ? 0 : Math.min(lookEveryMs * 2 ** attempt, pauseMaxMs);
			await orAborted(answers.deadline ?? never, new Promise((resolve) => setTimeout(resolve, pauseMs)));
		}
	}
}

function converse(connection: BrokerConnection, frames: readonly Buffer[], answers: BrokerAnswers): Promise<void> {
	let silence: NodeJS.Timeout | undefined;
	const answered = new Promise<void>((resolve, reject) => {
		silence = setTimeout(() => reject(brokerSilent()), firstFrameWithinMs);
		connection.listen({
			frame: (frame) => {
				clearTimeout(silence);
				if (frame.type === brokerFrame.progress) answers.onProgress?.(parseProgress(frame.payload));
				else if (frame.type === brokerFrame.refused) throw QubesLiteError.fromFacts(parseRefused(frame.payload));
				else if (answers.onFrame(frame)) {
					connection.listen(null);
					resolve();
				}
			},
			failed: reject,
			closed: () => reject(new BrokerLost()),
		});
	});
	for (const frame of frames) connection.send(frame);
	return orAborted(answers.deadline ?? never, answered).finally(() => clearTimeout(silence));
}

const brokerSilent = (): QubesLiteError =>
	new QubesLiteError("Unresponsive", `the broker has not answered within ${firstFrameWithinMs / 1000} s`, {
		remedy: "systemctl --user status qubes-lite-broker",
	});

/** The JSON of the reply to a request that has one; `onProgress` hears what a vm is at meanwhile. A warning of the broker's is told. */
export async function callBroker(
	env: NodeJS.ProcessEnv,
	request: Buffer,
	onProgress: (progress: Progress) => void = () => {},
): Promise<unknown> {
	let reply: unknown;
	const connection = await askBroker(env, () => [request], {
		onProgress,
		onFrame: (frame) => {
			if (frame.type !== brokerFrame.reply) return false;
			reply = JSON.parse(frame.payload.toString("utf8"));
			return true;
		},
	});
	connection.close();
	tellWarning(reply);
	return reply;
}

/** Its lines as a terminal may have them. */
export function tellWarning(reply: unknown): void {
	const { warning } = reply as { readonly warning?: unknown };
	if (typeof warning === "string")
		process.stderr.write(`qubes-lite: warning: ${toSafeText(warning.slice(0, messageMaxBytes))}\n`);
}
