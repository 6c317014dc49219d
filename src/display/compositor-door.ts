/** The way into the compositor that a vm's programs have: a socket that is the vm's own, where the compositor can make such a one, else its ordinary socket. */
import { statSync } from "node:fs";
import type { WaylandFact } from "../vmm/host-facts.ts";
import { openSecurityContext, type SecurityContext } from "./security-context.ts";

export interface CompositorDoorOptions {
	readonly vm: string;
	/** Where the vm's own socket is made. */
	readonly path: string;
	find(): Promise<WaylandFact>;
}

export class CompositorDoor {
	readonly #options: CompositorDoorOptions;
	/** Of the compositor that had this socket: the next one is asked anew. */
	#opened: { readonly of: string; readonly context: Promise<SecurityContext | null> } | undefined;

	#finding: Promise<WaylandFact> | undefined;

	constructor(options: CompositorDoorOptions) {
		this.#options = options;
	}

	/** Resolves with the socket to connect to, or why there is none. Never rejects. */
	async open(): Promise<{ readonly socket: string } | { readonly missing: string }> {
		const { vm, path } = this.#options;
		const found = await this.#find();
		if ("missing" in found) return found;
		const { socket } = found;
		const file = statSync(socket, { bigint: true, throwIfNoEntry: false });
		const of = `${socket} ${file?.ino} ${file?.ctimeNs}`;
		if (this.#opened?.of !== of) {
			this.close();
			this.#opened = { of, context: openSecurityContext(socket, { vm, path }) };
		}
		return { socket: (await this.#opened.context)?.path ?? socket };
	}

	/** Who asks while it is being looked for, hears the same. */
	#find(): Promise<WaylandFact> {
		this.#finding ??= this.#options.find().finally(() => {
			this.#finding = undefined;
		});
		return this.#finding;
	}

	/** Nobody new can connect by it. */
	close(): void {
		void this.#opened?.context.then((context) => context?.close());
		this.#opened = undefined;
	}
}
