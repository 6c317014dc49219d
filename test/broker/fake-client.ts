/** Who asks a broker for a run or an attachment, with what its broker and its guest tell it. */
import type { ClientConnection } from "../../src/broker/client-connection.ts";
import { serveAttach } from "../../src/broker/serve-attach.ts";
import { type ServeOptions, serveRun } from "../../src/broker/serve-run.ts";
import { QubesLiteError } from "../../src/errors.ts";
import { brokerFrame, fromBrokerLimits, parseGranted, parseProgress, parseReady } from "../../src/protocol/broker.ts";
import { encodeAttach, encodeExec } from "../../src/protocol/exec.ts";
import { FrameDecoder } from "../../src/protocol/frame.ts";
import { type FakePlaces, liveVmm } from "./fake-places.ts";

const exec = encodeExec({ argv: ["/bin/true"], env: {}, cwd: null, user: null, tty: null, detach: false });

export interface ClientWish {
	readonly vm: string;
	/** In a fresh instance of it. */
	readonly disposable?: boolean;
	readonly detached?: boolean;
	/** Absent: a new session. */
	readonly attachTo?: number;
}

export class FakeClient {
	readonly wish: ClientWish;
	readonly #places: FakePlaces;
	readonly #gone = new AbortController();
	/** Of its request. */
	number = 0;
	/** What became of it. */
	outcome: "waits" | "served" | "cut" | QubesLiteError = "waits";
	/** The vm that it was given, and the boot. */
	ready: { readonly vm: string; readonly boot: string } | undefined;
	/** The boot that ran when it asked. */
	#asksAt: string | null = null;
	/** What it has been told of how far that is: whose, and which phase. */
	readonly progress: string[] = [];
	/** It has been given a ticket. */
	isGranted = false;
	/** Of the session that it has begun or attached to. */
	session: number | undefined;

	constructor(wish: ClientWish, places: FakePlaces) {
		this.wish = wish;
		this.#places = places;
	}

	get hasLeft(): boolean {
		return this.#gone.signal.aborted;
	}

	/** It waits for an answer, or for its ticket. */
	get isWaiting(): boolean {
		return this.outcome === "waits" && !this.isGranted && !this.hasLeft;
	}

	ask(options: Omit<ServeOptions, "bytes">): void {
		const { vm, disposable = false, attachTo } = this.wish;
		this.number = options.number;
		this.#asksAt = this.#bootOf(options);
		const connection = { gone: this.#gone.signal, send: (frame: Buffer) => this.#hear(frame) };
		const decoded = connection as unknown as ClientConnection;
		const asks =
			attachTo === undefined
				? serveRun(
						decoded,
						{ method: "run", vm, disposable, start: true, timeoutMs: 0, pid: 0 },
						{ ...options, bytes: exec },
					)
				: serveAttach(
						decoded,
						{ method: "attach", vm, boot: null, timeoutMs: 0, pid: 0 },
						{ ...options, bytes: encodeAttach({ session: attachTo, tty: null }) },
					);
		asks.then(
			() => this.#answered("served"),
			(cause: unknown) => {
				const error = QubesLiteError.from(cause);
				if (error.code === "Internal")
					this.#places.broken(`a client was told of an internal error: ${error.cause ?? error}`);
				this.#answered(error);
				this.leave();
			},
		);
	}

	#bootOf({ registry }: Pick<ServeOptions, "registry">): string | null {
		const vm = registry.all().find(({ config }) => config.name === this.wish.vm);
		return vm?.snapshot().instance?.bootTag ?? null;
	}

	/** Its broker has been killed. It does not ask the next one, but goes on. */
	cut(): void {
		if (this.outcome === "waits") this.outcome = "cut";
	}

	leave(): void {
		this.#gone.abort();
	}

	#answered(outcome: "served" | QubesLiteError): void {
		if (this.outcome === "cut") return;
		if (this.outcome !== "waits") this.#places.broken("a client was answered twice");
		this.outcome = outcome;
	}

	#hear(frame: Buffer): void {
		new FrameDecoder(fromBrokerLimits).push(frame, ({ type, payload }) => {
			if (type === brokerFrame.ready) {
				const { vm, boot } = parseReady(payload);
				this.ready = { vm, boot };
				const isOther = this.wish.attachTo !== undefined && boot !== this.#asksAt;
				if (isOther) this.#places.broken(`an attachment to ${vm} was led into another boot`);
			} else if (type === brokerFrame.progress) {
				const { instance, phase } = parseProgress(payload);
				this.progress.push(`${instance} ${phase}`);
			} else if (type === brokerFrame.granted) {
				if (this.isGranted) this.#places.broken("a client was given two tickets");
				this.isGranted = true;
				const { ticket } = parseGranted(payload);
				void this.#places.turns.wait(`client of ${this.ready?.vm}`).then(() => this.#show(ticket));
			}
		});
	}

	#show(ticket: Buffer): void {
		if (this.hasLeft) return;
		const { attachTo = null, detached = false } = this.wish;
		this.session = liveVmm(this.#places, this.ready?.vm ?? "")?.guest.redeem(ticket, detached, attachTo);
		if (this.session === undefined) this.leave();
	}
}
