/** Clients that wait for something. */
import type { QubesLiteError } from "../errors.ts";
import type { ClientConnection } from "./client-connection.ts";

export interface Patience {
	/** 0: for ever. */
	readonly timeoutMs: number;
	/** What it is told then. */
	tooSlow(): QubesLiteError;
}

/** `asked`, but no longer than the client waits: it leaves, which resolves, or its own time is up. */
export async function untilImpatient(
	client: Pick<ClientConnection, "gone">,
	asked: Promise<void>,
	{ timeoutMs, tooSlow }: Patience,
): Promise<void> {
	const impatience = Promise.withResolvers<void>();
	const leave = (): void => impatience.resolve();
	if (client.gone.aborted) leave();
	client.gone.addEventListener("abort", leave);
	const timer = timeoutMs === 0 ? undefined : setTimeout(() => impatience.reject(tooSlow()), timeoutMs);
	asked.catch(() => {});
	await Promise.race([asked, impatience.promise]).finally(() => {
		clearTimeout(timer);
		client.gone.removeEventListener("abort", leave);
	});
}
