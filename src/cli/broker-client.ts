/** The client's end of broker.sock: finds or starts the broker, sends one request, and reads its answers. */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { brokerFrame, type Progress, parseProgress, parseRefused } from "../protocol/broker.ts";
import type { Frame } from "../protocol/frame.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";
import { BrokerConnection } from "./broker-connection.ts";
import { startBroker } from "./broker-start.ts";
import { orAborted } from "./on-abort.ts";

/** While somebody else starts the broker: a look every so often, for at most the time a start may take. */
const lookEveryMs = 20;
const looksMax = 1000;
/** A broker that leaves or is restarted under a request: nothing has been run then, so we ask the next one. */
const attemptsMax = 10;

export interface BrokerAnswers {
	onProgress?: (progress: Progress) => void;
	/** Called for every frame but progress and refused; true ends the wait. */
	onFrame: (frame: Frame) => boolean;
	/** Its reason ends the wait. */
	deadline?: AbortSignal;
}

/** Lost before an answer came: the request may be sent again. */
class BrokerLost extends Error {}

const never = new AbortController().signal;

/** Rejects with the reason of `deadline`, too. */
async function connectBroker(env: NodeJS.ProcessEnv, deadline: AbortSignal): Promise<BrokerConnection> {
	const runtimeDirectory = openRuntimeDirectory(env);
	const path = join(runtimeDirectory, brokerSocketName);
	for (let look = 0; look < looksMax; look++) {
		deadline.throwIfAborted();
		const socket = await tryConnect(path);
		if (socket !== undefined) return new BrokerConnection(socket);
		if (look % 10 === 0) await orAborted(deadline, startBroker(runtimeDirectory, env));
		else await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
	}
	throw new QubesLiteError("Internal", "the broker does not answer", { remedy: `rm ${path}` });
}

/** undefined where nobody listens. */
function tryConnect(path: string): Promise<Socket | undefined> {
	return new Promise((resolve, reject) => {
		const socket = connect(path);
		socket.once("connect", () => resolve(socket));
		socket.once("error", (cause) => {
			const errno = errnoOf(cause);
			if (errno === "ENOENT" || errno === "ECONNREFUSED" || errno === "EAGAIN") resolve(undefined);
			else reject(new QubesLiteError("Internal", `cannot connect to the broker (${errno}): ${path}`, { cause }));
		});
	});
}

/**
 * Sends `frames` and waits until `onFrame` says that it has its answer; resolves with the open connection, to which
 * nobody listens then. Rejects with the broker's refusal. A broker that goes away before is asked again, which is safe
 * until a ticket has been used.
 */
export async function askBroker(
	env: NodeJS.ProcessEnv,
	frames: readonly Buffer[],
	answers: BrokerAnswers,
): Promise<BrokerConnection> {
	for (let attempt = 1; ; attempt++) {
		const connection = await connectBroker(env, answers.deadline ?? never);
		try {
			await converse(connection, frames, answers);
			return connection;
		} catch (cause) {
			connection.close();
			if (!(cause instanceof BrokerLost)) throw cause;
			if (attempt === attemptsMax) {
				throw new QubesLiteError("Internal", `the broker went away ${attemptsMax} times without an answer`);
			}
		}
	}
}

function converse(connection: BrokerConnection, frames: readonly Buffer[], answers: BrokerAnswers): Promise<void> {
	const answered = new Promise<void>((resolve, reject) => {
		connection.listen({
			frame: (frame) => {
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
	return orAborted(answers.deadline ?? never, answered);
}

/** The JSON of the reply to a request that is answered at once. */
export async function callBroker(env: NodeJS.ProcessEnv, request: Buffer): Promise<unknown> {
	let reply: unknown;
	const connection = await askBroker(env, [request], {
		onFrame: (frame) => {
			if (frame.type !== brokerFrame.reply) return false;
			reply = JSON.parse(frame.payload.toString("utf8"));
			return true;
		},
	});
	connection.close();
	return reply;
}
