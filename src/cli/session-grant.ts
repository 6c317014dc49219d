/** From a request to the broker to an open connection to the guest and the ticket for it. */
import type { Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import {
	type BrokerRequest,
	brokerFrame,
	encodeExecBytes,
	encodeRequest,
	type Granted,
	type Notice,
	type Progress,
	parseGranted,
	parseReady,
	type Ready,
} from "../protocol/broker.ts";
import { connectGuest } from "../session-client/guest-connection.ts";
import { orAborted } from "../session-client/on-abort.ts";
import { askBroker } from "./broker-client.ts";
import { BrokerHold } from "./broker-hold.ts";

export interface Opened {
	/** To be ended with the session: its end tells the broker that we are gone. */
	readonly hold: BrokerHold;
	readonly guest: Socket;
	readonly ready: Ready;
	readonly granted: Granted;
}

export interface GrantRequest {
	readonly request: BrokerRequest & { readonly method: "run" | "attach" };
	/** The exec or attach bytes. */
	readonly bytes: Buffer;
	readonly onProgress: (progress: Progress) => void;
	/** What people should know while the session runs. */
	readonly onNotice: (notice: Notice) => void;
	/** Its reason ends the wait. */
	readonly deadline: AbortSignal;
}

/**
 * The way to the guest is opened while the agent takes in the ticket. Rejects with nothing left open: with what the broker
 * says, also where the guest can't be reached because its vm has just ended.
 */
export async function openGrant({ request, bytes, onProgress, onNotice, deadline }: GrantRequest): Promise<Opened> {
	let guest: Promise<Socket> | undefined;
	let ready: Ready | undefined;
	let granted: Granted | undefined;
	const closeGuest = (): void => {
		guest?.then((socket) => socket.destroy()).catch(() => {});
	};
	try {
		let instance: string | undefined;
		const frames = () => [
			encodeRequest(request.method === "run" ? { ...request, instance } : request),
			encodeExecBytes(bytes),
		];
		const connection = await askBroker(process.env, frames, {
			deadline,
			onProgress: (progress) => {
				instance = progress.instance ?? instance;
				onProgress(progress);
			},
			onFrame: (frame) => {
				if (frame.type === brokerFrame.ready) {
					closeGuest();
					ready = parseReady(frame.payload);
					guest = connectGuest(ready.vsock);
					guest.catch(() => {});
				} else if (frame.type === brokerFrame.granted) {
					granted = parseGranted(frame.payload);
				}
				return granted !== undefined;
			},
		});
		if (guest === undefined || ready === undefined || granted === undefined) {
			connection.close();
			throw new QubesLiteError("Internal", "the broker granted a session without the way to it");
		}
		const { vm, boot } = ready;
		const { session } = granted;
		const hold = new BrokerHold(
			connection,
			{ method: "hold", vm, boot, session, pid: process.pid },
			process.env,
			onNotice,
		);
		try {
			return { hold, guest: await orAborted(deadline, guest), ready, granted };
		} catch (cause) {
			const reason = deadline.aborted ? undefined : await hold.reason();
			hold.end();
			throw reason ?? cause;
		}
	} catch (cause) {
		closeGuest();
		throw cause;
	}
}
