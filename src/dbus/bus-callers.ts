/** Who has called us, and what is done when they leave the bus. Those who hold nothing are not remembered. */
export class BusCallers {
	/** By their unique names. */
	readonly #callers = new Map<string, Set<() => void>>();

	/** Calls `listener` once when they have left, unless the returned function was called. */
	onGone(name: string, listener: () => void): () => void {
		const listeners = this.#callers.get(name) ?? new Set();
		this.#callers.set(name, listeners);
		listeners.add(listener);
		return () => {
			listeners.delete(listener);
			if (listeners.size === 0 && this.#callers.get(name) === listeners) this.#callers.delete(name);
		};
	}

	left(name: string): void {
		const listeners = this.#callers.get(name);
		this.#callers.delete(name);
		for (const listener of listeners ?? []) listener();
	}

	allLeft(): void {
		for (const name of this.#callers.keys()) this.left(name);
	}
}
