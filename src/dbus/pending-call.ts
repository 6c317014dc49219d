/** A call that waits for its answer, of which it gets one: its method's own, or a refusal where we leave. */

export class PendingCall {
	readonly #gone = new AbortController();
	readonly #refused = Promise.withResolvers<never>();
	readonly #settled = Promise.withResolvers<void>();
	/** How much of what was asked for can't be taken back. */
	#begun = 0;
	/** We leave, and would be refused with it. */
	#leaves: { readonly cause: unknown } | undefined;
	#hasLeft = false;

	constructor() {
		this.#refused.promise.catch(() => {});
	}

	/** As Caller has it. */
	get gone(): AbortSignal {
		return this.#gone.signal;
	}

	/** Rejects where we leave, and nothing has begun. */
	get refused(): Promise<never> {
		return this.#refused.promise;
	}

	/** The caller has: nobody hears the answer. */
	get hasLeft(): boolean {
		return this.#hasLeft;
	}

	/** As Caller has it. */
	begun(): () => void {
		this.#begun += 1;
		let isOver = false;
		return () => {
			if (isOver) return;
			isOver = true;
			this.#begun -= 1;
			this.#withdraw();
		};
	}

	/** The caller has left. */
	left(): void {
		this.#hasLeft = true;
		this.#gone.abort();
	}

	/** We leave: refused with `cause`, unless what was asked for has begun. Resolves when it is answered. */
	leave(cause: unknown): Promise<void> {
		this.#leaves = { cause };
		this.#withdraw();
		return this.#settled.promise;
	}

	/** It is answered. */
	settle(): void {
		this.#settled.resolve();
	}

	/** The refusal comes first: whoever heeds the signal has another reason to tell, which nobody is told. */
	#withdraw(): void {
		if (this.#leaves === undefined || this.#begun > 0) return;
		this.#refused.reject(this.#leaves.cause);
		this.#gone.abort();
	}
}
