/** Waits that a signal ends, also one that has aborted before: addEventListener alone would never hear of that. */

/** Calls `act` with the signal's reason, at once where it has aborted; returns how to take that back. */
export function onAbort(signal: AbortSignal, act: (reason: unknown) => void): () => void {
	const aborted = (): void => act(signal.reason);
	if (signal.aborted) aborted();
	else signal.addEventListener("abort", aborted, { once: true });
	return () => signal.removeEventListener("abort", aborted);
}

/** What `promise` gives, or a rejection with the signal's reason if that comes first. */
export function orAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
	return new Promise((resolve, reject) => {
		const forget = onAbort(signal, reject);
		promise.then(resolve, reject).finally(forget);
	});
}
