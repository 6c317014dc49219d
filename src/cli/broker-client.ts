/** The client's end of broker.sock: finds or starts the broker, sends one request, and reads its answers. */
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { brokerFrame, fromBrokerLimits, type Progress, parseProgress, parseRefused } from "../protocol/broker.ts";
import { type Frame, FrameDecoder } from "../protocol/frame.ts";
import { brokerSocketName, openRuntimeDirectory } from "../runtime-directory.ts";
import { startBroker } from "./broker-start.ts";

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

export async function connectBroker(env: NodeJS.ProcessEnv): Promise<Socket> {
	const runtimeDirectory = openRuntimeDirectory(env);
	const path = join(runtimeDirectory, brokerSocketName);
	for (let look = 0; look < looksMax; look++) {
		const socket = await tryConnect(path);
		if (socket !== undefined) return socket;
		if (look % 10 === 0) await startBroker(runtimeDirectory, env);
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
 * Sends `frames` and waits until `onFrame` says that it has its answer; resolves with the open connection. Rejects with
 * the broker's refusal. A broker that goes away before is asked again, which is safe until a ticket has been used.
 */
export async function askBroker(
	env: NodeJS.ProcessEnv,
	frames: readonly Buffer[],
	answers: BrokerAnswers,
): Promise<Socket> {
	for (let attempt = 1; ; attempt++) {
		answers.deadline?.throwIfAborted();
		const socket = await connectBroker(env);
		try {
			return await converse(socket, frames, answers);
		} catch (cause) {
			socket.destroy();
			if (!(cause instanceof BrokerLost)) throw cause;
			if (attempt === attemptsMax) {
				throw new QubesLiteError("Internal", `the broker went away ${attemptsMax} times without an answer`);
			}
		}
	}
}

function converse(socket: Socket, frames: readonly Buffer[], answers: BrokerAnswers): Promise<Socket> {
	const decoder = new FrameDecoder(fromBrokerLimits);
	return new Promise((resolve, reject) => {
		const lost = (): void => reject(new BrokerLost());
		const read = (chunk: Buffer): void => {
			try {
				decoder.push(chunk, (frame) => {
					if (frame.type === brokerFrame.progress) answers.onProgress?.(parseProgress(frame.payload));
					else if (frame.type === brokerFrame.refused) throw QubesLiteError.fromFacts(parseRefused(frame.payload));
					else if (answers.onFrame(frame)) {
						socket.off("data", read);
						socket.off("close", lost);
						resolve(socket);
					}
				});
			} catch (cause) {
				reject(QubesLiteError.from(cause));
			}
		};
		answers.deadline?.addEventListener("abort", () => reject(answers.deadline?.reason));
		socket.on("data", read);
		socket.once("close", lost);
		/** `close` follows, and says what there is to say. */
		socket.on("error", () => {});
		for (const frame of frames) socket.write(frame);
	});
}

/** The JSON of the reply to a request that is answered at once. */
export async function callBroker(env: NodeJS.ProcessEnv, request: Buffer): Promise<unknown> {
	let reply: unknown;
	const socket = await askBroker(env, [request], {
		onFrame: (frame) => {
			if (frame.type !== brokerFrame.reply) return false;
			reply = JSON.parse(frame.payload.toString("utf8"));
			return true;
		},
	});
	socket.destroy();
	return reply;
}
