/** From a request to the broker to an open connection to the guest and the ticket for it. */
import type { Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import {
	type BrokerRequest,
	brokerFrame,
	encodeExecBytes,
	encodeRequest,
	type Granted,
	parseGranted,
	parseReady,
	type Ready,
} from "../protocol/broker.ts";
import { askBroker } from "./broker-client.ts";
import { connectGuest } from "./guest-connection.ts";

export interface Opened {
	/** Kept open while the session runs: its end tells the broker that we are gone. */
	readonly broker: Socket;
	readonly guest: Socket;
	readonly ready: Ready;
	readonly granted: Granted;
}

export interface GrantRequest {
	readonly request: BrokerRequest & { readonly method: "run" | "attach" };
	/** The exec or attach bytes. */
	readonly bytes: Buffer;
	readonly onProgress: (phase: string) => void;
	readonly deadline: AbortSignal;
}

/** The way to the guest is opened while the agent takes in the ticket. Rejects with nothing left open. */
export async function openGrant({ request, bytes, onProgress, deadline }: GrantRequest): Promise<Opened> {
	let guest: Promise<Socket> | undefined;
	let ready: Ready | undefined;
	let granted: Granted | undefined;
	const closeGuest = (): void => {
		guest?.then((socket) => socket.destroy()).catch(() => {});
	};
	const broker = await askBroker(process.env, [encodeRequest(request), encodeExecBytes(bytes)], {
		deadline,
		onProgress: (progress) => onProgress(progress.phase),
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
	}).catch((cause: unknown) => {
		closeGuest();
		throw cause;
	});
	if (guest === undefined || ready === undefined || granted === undefined) {
		broker.destroy();
		throw new QubesLiteError("Internal", "the broker granted a session without the way to it");
	}
	try {
		return { broker, guest: await guest, ready, granted };
	} catch (cause) {
		broker.destroy();
		throw cause;
	}
}
