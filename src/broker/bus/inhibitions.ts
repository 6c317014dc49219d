/** Programs on the bus that keep vms from stopping by idleness, each until it says so or leaves the bus. */
import { randomBytes } from "node:crypto";
import type { Caller } from "../../dbus/served-objects.ts";
import { QubesLiteError } from "../../errors.ts";
import type { Requests } from "../requests.ts";
import { serveInhibit } from "../serve-inhibit.ts";

interface Inhibition {
	/** Unique name of whoever holds it. */
	readonly owner: string;
	release(): void;
}

export class Inhibitions {
	readonly #requests: Requests;
	readonly #held = new Map<number, Inhibition>();
	readonly #changed: () => void;
	/** One of an earlier broker is no other one's by chance. */
	#last = randomBytes(4).readUInt32LE() >>> 1;

	/** `changed`: one has gone. */
	constructor(requests: Requests, changed: () => void) {
		this.#requests = requests;
		this.#changed = changed;
	}

	/** Each keeps the broker: the next one would not know of it. */
	get size(): number {
		return this.#held.size;
	}

	/** Resolves with its number once the vm is held; rejects with Limit. */
	async add(name: string, label: string, caller: Caller): Promise<number> {
		const request = { method: "inhibit", vm: name, label, pid: process.pid } as const;
		await this.#requests.admit(request);
		const { registry, log } = this.#requests.dependencies;
		const vm = registry.findToUse(name);
		this.#last += 1;
		const inhibitor = this.#last;
		const gone = new AbortController();
		const forget = caller.onGone(() => gone.abort());
		const held = Promise.withResolvers<void>();
		this.#held.set(inhibitor, { owner: caller.name, release: () => gone.abort() });
		const client = { gone: gone.signal, cut: () => gone.abort() };
		const number = this.#requests.nextNumber();
		void serveInhibit(client, request, { registry, vm, number, held: held.resolve })
			.catch(held.reject)
			.finally(() => {
				forget();
				this.#held.delete(inhibitor);
				this.#changed();
			});
		if (caller.gone.aborted) gone.abort();
		await held.promise;
		log.info({ event: "vm.inhibited", vm: name, label, caller: caller.name });
		return inhibitor;
	}

	/** Throws BadRequest for one that there is not, or that is somebody else's. */
	release(inhibitor: number, caller: Caller): void {
		const held = this.#held.get(inhibitor);
		if (held?.owner !== caller.name) {
			throw new QubesLiteError("BadRequest", `you hold no inhibitor ${inhibitor}`);
		}
		held.release();
	}
}
