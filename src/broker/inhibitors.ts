/** Those who keep one vm from stopping by idleness. None of them boots it, and each holds it again under the next broker. */
import type { VmEvent } from "../statemachines/vm-events.ts";
import type { BootMarks } from "./boot-marks.ts";
import { type Clock, waitFor } from "./clock.ts";

/** Their clients look for the next broker twice a second. */
const backWithinMs = 5_000;

/** The vm that they hold. */
export interface InhibitorsOwner {
	readonly clock: () => Clock;
	/** To its machine. */
	tell(event: VmEvent): void;
	/** Of what runs; undefined: nothing does. */
	marks(): BootMarks | undefined;
}

export class Inhibitors {
	readonly #owner: InhibitorsOwner;
	readonly #numbers = new Set<number>();

	constructor(owner: InhibitorsOwner) {
		this.#owner = owner;
	}

	get size(): number {
		return this.#numbers.size;
	}

	/** Holds the vm until the returned function is called; `label` is who does, `inhibitor` a number of its own. */
	add(inhibitor: number, label: string): () => void {
		this.#numbers.add(inhibitor);
		this.mark();
		this.#owner.tell({ type: "inhibit.requested", inhibitor, label });
		return () => {
			this.#numbers.delete(inhibitor);
			this.mark();
			this.#owner.tell({ type: "inhibit.released", inhibitor });
		};
	}

	/** For a broker that comes later; also where another instance has begun. */
	mark(): void {
		const marks = this.#owner.marks();
		if (marks !== undefined) marks.isInhibited = this.#numbers.size > 0;
	}

	/** Those of an adopted vm hold it again soon, unless they are gone by now: until then somebody holds it in their place. */
	awaitEarlier(): void {
		if (this.#owner.marks()?.isInhibited !== true) return;
		const release = this.add(0, "whoever held it before");
		void waitFor(this.#owner.clock(), backWithinMs).then(release);
	}
}
