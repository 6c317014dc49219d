/** The sessions of one instance: their numbers, what they run, and what becomes of them by what its guest says. */
import type { GuestEvent } from "../guest/guest-link.ts";
import type { AgentHello, SessionFacts } from "../protocol/control.ts";
import type { CommandEnd } from "../protocol/session.ts";
import { SessionBook } from "./session-book.ts";
import { type SessionNews, SessionWatch } from "./session-news.ts";

export interface InstanceSessionsHost {
	tell(news: SessionNews): void;
	/** As the guest sees them. */
	list(): Promise<SessionFacts[]>;
}

export class InstanceSessions {
	readonly book = new SessionBook();
	readonly #host: InstanceSessionsHost;
	readonly #watch: SessionWatch;
	/** Its guest has had no greater one. */
	#lastNumber = 0;
	/** It ran before us, and we have not heard it yet. */
	#isFound = false;

	constructor(host: InstanceSessionsHost) {
		this.#host = host;
		this.#watch = new SessionWatch(
			(number) => this.book.isGranted(number),
			(news) => host.tell(news),
		);
	}

	/** Somebody else has started the instance. */
	found(): void {
		this.#isFound = true;
	}

	/** No number comes twice in one boot. */
	newNumber(): number {
		this.#lastNumber += 1;
		return this.#lastNumber;
	}

	/** Behind whatever else the event leads to. */
	heard(event: GuestEvent): void {
		if (event.type === "heartbeat") this.#watch.heard(event.heartbeat);
		if (event.type !== "hello") return;
		const { hello } = event;
		this.#lastNumber = Math.max(this.#lastNumber, hello.lastSession);
		/** Of what runs already nobody need be told, where an earlier broker has started it. */
		if (this.#isFound) this.#watch.found(hello);
		else this.#watch.greeted(hello);
		this.#isFound = false;
		void this.#learnNames(hello).catch(() => {});
	}

	/** The instance has ended, and they with it. */
	over(): void {
		this.#watch.over();
	}

	/** How they have ended, as long as that is remembered. */
	ends(): ReadonlyMap<number, CommandEnd | null> {
		return this.#watch.ends();
	}

	/** undefined: it has not ended, or that is long ago. */
	endOf(session: number): CommandEnd | null | undefined {
		return this.#watch.endOf(session);
	}

	/** A broker that comes later learns from the guest alone what its sessions run. */
	async #learnNames({ sessions, cgroups }: AgentHello): Promise<void> {
		const isUnknown = (session: number): boolean => this.book.nameOf(session) === undefined;
		if (![...sessions, ...cgroups].some(isUnknown)) return;
		this.book.heard(await this.#host.list());
		this.#host.tell({ type: "learnt" });
	}
}
