/** A watcher: told what happens for as long as it reads. */
import { QubesLiteError } from "../errors.ts";
import { type BrokerEvent, encodeEvent } from "../protocol/broker-events.ts";
import type { ClientConnection } from "./client-connection.ts";
import { type EventSource, streamEvents } from "./event-stream.ts";

/** A thousand events or more; who reads never has a hundredth of that waiting. */
const waitingMaxBytes = 256 * 1024;

/** `only`: the vm of this name. Resolves when the client is gone; rejects with Limit where it does not read. */
export async function serveEvents(client: ClientConnection, only: string | null, source: EventSource): Promise<void> {
	let end = (): void => {};
	try {
		await new Promise<void>((resolve, reject) => {
			client.gone.addEventListener("abort", () => resolve(), { once: true });
			if (client.gone.aborted) resolve();
			let isOver = false;
			end = streamEvents(source, only, (event: BrokerEvent) => {
				if (isOver) return;
				client.send(encodeEvent(event));
				if (client.waitingBytes <= waitingMaxBytes) return;
				isOver = true;
				reject(doesNotRead());
			});
		});
	} finally {
		end();
	}
}

const doesNotRead = (): QubesLiteError =>
	new QubesLiteError("Limit", `this watcher does not read: more than ${waitingMaxBytes / 1024} KiB wait for it`, {
		remedy: "read faster, or ask for less: qubes-lite events VM",
	});
