/** How each vm ended last, and when: for a broker that comes later. */
import * as v from "valibot";
import type { VmConfig } from "../config/schema.ts";
import { errorCodes } from "../errors.ts";
import type { VmContext } from "../statemachines/vm-context.ts";
import type { Reason } from "../statemachines/vm-events.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { StateFiles, type StateLog } from "./state-files.ts";

export interface LastEnd {
	readonly reason: Reason;
	/** Wall clock, ms. */
	readonly at: number;
}

const entries = {
	at: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
	code: v.picklist([...errorCodes, "Stopped"]),
	sentence: v.string(),
	remedy: v.optional(v.string()),
};

export class LastEnds {
	readonly #files;

	constructor(stateDirectory: string, log: StateLog) {
		this.#files = new StateFiles(stateDirectory, "ends", entries, log);
	}

	/** Null where none is known. */
	read(vm: string): LastEnd | null {
		const found = this.#files.read(vm);
		if (found === null) return null;
		const { at, code, sentence, remedy } = found;
		/** Whoever has written it: it comes to a terminal. */
		const reason = {
			code,
			sentence: toSafeText(sentence),
			...(remedy === undefined ? {} : { remedy: toSafeText(remedy) }),
		};
		return { at, reason };
	}

	note(vm: string, { reason, at }: LastEnd): void {
		this.#files.write(vm, { at, ...reason });
	}

	/** Forgets all other vms. */
	keepOnly(vms: ReadonlySet<string>): void {
		this.#files.keepOnly(vms);
	}
}

export interface EndsDependencies {
	/** The machines' clock, and the wall's. */
	readonly now: () => number;
	readonly wallNow: () => number;
	readonly lastEnds: LastEnds;
}

/** Those of one vm. Nobody asks about an instance that is gone. */
export class VmEnds {
	readonly #vm: Pick<VmConfig, "name" | "instanceOf">;
	readonly #dependencies: EndsDependencies;
	/** Under an earlier broker, on the machines' clock. */
	readonly last: { readonly reason: Reason; readonly since: number } | null;

	constructor(vm: Pick<VmConfig, "name" | "instanceOf">, dependencies: EndsDependencies) {
		this.#vm = vm;
		this.#dependencies = dependencies;
		const { lastEnds, now, wallNow } = dependencies;
		const found = vm.instanceOf === undefined ? lastEnds.read(vm.name) : null;
		/** A wall clock that was put back since must not lead into the future. */
		this.last = found === null ? null : { reason: found.reason, since: now() - Math.max(0, wallNow() - found.at) };
	}

	/** The machine has come into `state`. */
	note(state: unknown, { reason, since }: VmContext): void {
		const isEnd = state === "stopped" || state === "failed";
		if (!isEnd || reason === null || reason === this.last?.reason || this.#vm.instanceOf !== undefined) return;
		const { lastEnds, now, wallNow } = this.#dependencies;
		lastEnds.note(this.#vm.name, { reason, at: Math.round(wallNow() - now() + since) });
	}
}
