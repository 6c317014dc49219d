/** What a watcher has been told, so that a broker that comes later does not tell it again. */
import type { BrokerEvent } from "../protocol/broker-events.ts";

interface KnownVm {
	readonly state: string;
	readonly flags: string;
	/** It has been told that it will be stopped. */
	readonly isAnnounced: boolean;
}

export class EventHistory {
	readonly #vms = new Map<string, KnownVm>();
	#hasBroker = false;
	/** A broker has told before this one: its snapshot is compared with what is known. */
	#isLater = false;

	/** What of it is news: itself, nothing, or more, where something has happened that no broker has seen. */
	take(event: BrokerEvent): readonly BrokerEvent[] {
		switch (event.type) {
			case "unknown":
				return [];
			case "broker":
				return [event, ...this.#begin(event)];
			case "is":
				return this.#see(event);
			case "state": {
				const isUp = event.to === "ready" || event.to === "idle";
				this.#know(event.vm, { state: event.to, flags: event.flags.join(), ...(isUp ? {} : { isAnnounced: false }) });
				return [event];
			}
			case "stop-announced":
			case "stop-averted":
				this.#know(event.vm, { isAnnounced: event.type === "stop-announced" });
				return [event];
			case "vm-added":
				this.#know(event.vm, {});
				return [event];
			case "vm-gone":
				this.#vms.delete(event.vm);
				return [event];
			case "boot":
				return [event];
		}
	}

	/** Those that are gone since, and stops that the broker before has announced: this one counts anew. */
	#begin({ at, vms }: BrokerEvent & { readonly type: "broker" }): BrokerEvent[] {
		this.#isLater = this.#hasBroker;
		this.#hasBroker = true;
		return [...this.#vms].flatMap(([vm, known]): BrokerEvent[] => {
			if (!vms.includes(vm)) {
				this.#vms.delete(vm);
				return [{ at, type: "vm-gone", vm }];
			}
			if (!known.isAnnounced) return [];
			this.#know(vm, { isAnnounced: false });
			return [{ at, type: "stop-averted", vm }];
		});
	}

	#see(event: BrokerEvent & { readonly type: "is" }): BrokerEvent[] {
		const { at, vm, state } = event;
		const known = this.#vms.get(vm);
		const flags = event.flags.join();
		this.#know(vm, { state, flags });
		if (known === undefined) return this.#isLater ? [{ at, type: "vm-added", vm }, event] : [event];
		return known.state === state && known.flags === flags ? [] : [event];
	}

	#know(vm: string, more: Partial<KnownVm>): void {
		this.#vms.set(vm, { state: "", flags: "", isAnnounced: false, ...this.#vms.get(vm), ...more });
	}
}
