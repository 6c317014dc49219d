/** Lets no more tickets out than an agent holds at a time: who comes then waits until one has been used, given back or has expired. */
import { ticketsMax } from "../protocol/limits.ts";
import { hasLease, type Leases, leasesOf } from "../statemachines/leases.ts";

export interface TicketHolder {
	leases(): Leases;
	/** Calls `listener` whenever they may have changed, until the returned function is called. */
	watch(listener: () => void): () => void;
}

export class TicketGate {
	readonly #holder: TicketHolder;
	/** On their way to the agent. */
	#announcing = 0;

	constructor(holder: TicketHolder) {
		this.#holder = holder;
	}

	/** Calls `announce` in its turn. A request that has lost its own lease by then passes, too: the agent has the last word. */
	async pass<T>(request: number, announce: () => Promise<T>): Promise<T> {
		await this.#turnOf(request);
		try {
			return await announce();
		} finally {
			this.#announcing -= 1;
		}
	}

	#turnOf(request: number): Promise<void> {
		return new Promise((resolve) => {
			const look = (): void => {
				const leases = this.#holder.leases();
				const unused = leasesOf(leases, "ticket").filter((ticket) => ticket.session !== undefined).length;
				if (unused + this.#announcing >= ticketsMax && hasLease(leases, "ticket", request)) return;
				unwatch();
				this.#announcing += 1;
				resolve();
			};
			const unwatch = this.#holder.watch(look);
			look();
		});
	}
}
