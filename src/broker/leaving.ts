/** How the broker ends: once, for the first reason, and in an order in which nobody's request is lost. */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { BusApi } from "./bus/bus-api.ts";

export interface LeavingHost {
	readonly log: Logger;
	/** Undefined where we have no name on the bus, or not yet. */
	readonly bus: () => Pick<BusApi, "release" | "take" | "leave"> | undefined;
	/** Nobody is connected, and nothing runs. */
	isQuiet(): boolean;
	/** Those who are connected ask the next broker. */
	cut(): void;
	/** What the next one can't know again, what a guest would be lost with, and what is on the screen. */
	settle(): Promise<unknown>;
	/** The service manager is told. */
	stopping(): void;
	exit(): void;
	/** It was not to be: nobody needs us, or so it seemed. */
	stayed(): void;
}

/** systemd takes some ms to read its units anew; without a bus there is nobody to do it. */
const settledWithinMs = 1_000;

export class Leaving {
	readonly #host: LeavingHost;
	#hasBegun = false;
	#isLooking = false;

	constructor(host: LeavingHost) {
		this.#host = host;
	}

	/** We end, or have ended for others. */
	get hasBegun(): boolean {
		return this.#hasBegun;
	}

	/** A second reason changes nothing. */
	begin(why: string): void {
		if (this.#hasBegun) return;
		this.#hasBegun = true;
		const { log, bus, cut, settle, stopping, exit } = this.#host;
		log.info({ event: "broker.leaves", why });
		cut();
		/** Who calls by D-Bus from now on starts the next broker. */
		const settled = Promise.all([bus()?.leave(), settle()]);
		void Promise.race([settled, delay(settledWithinMs)])
			.then(() => stopping())
			/** Two turns: whoever was accepted meanwhile is cut before answered, and asks the next broker. */
			.then(() => setImmediate(() => setImmediate(() => exit())));
	}

	/** Who calls by D-Bus between our decision and the end is not lost: the name is given back first. Never rejects. */
	async ifUnwanted(): Promise<void> {
		if (this.#isLooking || this.#hasBegun) return;
		this.#isLooking = true;
		const { bus, isQuiet, stayed } = this.#host;
		const isUncalled = (await bus()?.release()) ?? true;
		this.#isLooking = false;
		if (isUncalled && isQuiet()) {
			this.begin("idle");
			return;
		}
		/** A release to which somebody's call came has taken it again. */
		if (isUncalled) await bus()?.take();
		stayed();
	}
}
