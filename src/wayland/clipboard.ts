/**
 * The clipboard of one vm, which its programs share, and which nobody else sees: neither other vms nor the host. What goes in or
 * out is what somebody on the host asks for here.
 */
import { QubesLiteError } from "../errors.ts";
import type { Budget } from "./budget.ts";
import { ByteSink } from "./byte-sink.ts";
import type { DisplayLimits } from "./limits.ts";

/** Where the bytes of one paste go. None of it is called after `end` or `fail`. */
export interface Sink {
	piece(piece: Buffer): void;
	end(): void;
	/** They stop before their end. */
	fail(sentence: string): void;
}

/** What is on the clipboard: who has it gives it, each time somebody pastes. */
export interface Selection {
	readonly types: readonly string[];
	/** Begins to give it as `type`, which is one of `types`, and returns how to stop that. */
	give(type: string, sink: Sink): () => void;
	/** It is not on the clipboard any more. */
	replaced(): void;
}

/** What text is called: by the standard, and by programs that came from X11. */
const textTypes = ["text/plain;charset=utf-8", "text/plain", "UTF8_STRING"];

export class VmClipboard {
	readonly #limits: DisplayLimits;
	readonly #budget: Budget;
	readonly #changed: () => void;
	readonly #watchers = new Set<() => void>();
	#selection: Selection | undefined;

	/** `changed` is called when something else is on it. */
	constructor(limits: DisplayLimits, budget: Budget, changed: () => void) {
		this.#limits = limits;
		this.#budget = budget;
		this.#changed = changed;
	}

	/** What it may be pasted as: the guest's own words for it; empty where there is nothing. */
	types(): readonly string[] {
		return this.#selection?.types ?? [];
	}

	/**
	 * What is on it, as `type`. Rejects with NotRunning where it is not there or its owner goes away, and Limit where it is more than
	 * `maxBytes`. A guest may take its time, also for ever: `signal` ends that.
	 */
	read(type: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
		return new Promise((resolve, reject) => {
			const sink = new ByteSink(Math.min(maxBytes, this.#limits.clipboardBytes));
			const refuse = (error: unknown): void => {
				signal?.removeEventListener("abort", abort);
				reject(error);
			};
			// What the host has put there comes at once, before there is anything to stop.
			let stop = (): void => {};
			const abort = (): void => {
				stop();
				refuse(signal?.reason);
			};
			if (signal?.aborted === true) {
				reject(signal.reason);
				return;
			}
			stop = this.paste(type, {
				piece: (piece) => {
					if (sink.add(piece)) return;
					stop();
					refuse(new QubesLiteError("Limit", `the clipboard has more than ${sink.limit} bytes as ${type}`));
				},
				end: () => {
					signal?.removeEventListener("abort", abort);
					resolve(sink.bytes());
				},
				fail: (sentence) => refuse(new QubesLiteError("NotRunning", sentence)),
			});
			signal?.addEventListener("abort", abort, { once: true });
		});
	}

	/** Puts the host's words or picture there: by type, as whole contents. Text is offered by each of its names. */
	set(items: ReadonlyMap<string, Buffer>): void {
		const given = new Map(items);
		const text = textTypes.map((type) => items.get(type)).find((bytes) => bytes !== undefined);
		if (text !== undefined) for (const type of textTypes) if (!given.has(type)) given.set(type, text);
		for (const [type, bytes] of given) {
			if (bytes.length > this.#limits.clipboardBytes)
				throw new QubesLiteError(
					"Limit",
					`${bytes.length} bytes as ${type} are too many for a clipboard: ${this.#limits.clipboardBytes} are allowed`,
				);
		}
		this.own({
			types: [...given.keys()],
			give: (type, sink) => {
				sink.piece(given.get(type) ?? Buffer.alloc(0));
				sink.end();
				return () => {};
			},
			replaced: () => {},
		});
	}

	clear(): void {
		this.own(undefined);
	}

	/** What connections offer to their programs. */
	get selection(): Selection | undefined {
		return this.#selection;
	}

	/** Puts `selection` there, in the place of what was. */
	own(selection: Selection | undefined): void {
		const before = this.#selection;
		this.#selection = selection;
		if (before !== undefined && before !== selection) before.replaced();
		for (const watcher of this.#watchers) watcher();
		this.#changed();
	}

	/** Takes it away if it is still there. */
	disown(selection: Selection): void {
		if (this.#selection === selection) this.own(undefined);
	}

	/** `watcher` is called when something else is on it, until the returned function is called. */
	watch(watcher: () => void): () => void {
		this.#watchers.add(watcher);
		return () => this.#watchers.delete(watcher);
	}

	/** Begins to give what is there to `sink`, bounded; returns how to stop. Fails at once where `selection` is not there any more. */
	paste(type: string, sink: Sink, selection = this.#selection): () => void {
		if (selection === undefined || selection !== this.#selection || !selection.types.includes(type)) {
			sink.fail(`the clipboard has nothing as ${type}`);
			return () => {};
		}
		if (!this.#budget.has("transfers")) {
			sink.fail("too many programs paste at once");
			return () => {};
		}
		this.#budget.take("transfers");
		let isOver = false;
		const finish = (): boolean => {
			if (isOver) return false;
			isOver = true;
			this.#budget.give("transfers");
			return true;
		};
		const stop = selection.give(type, {
			piece: (piece) => {
				if (!isOver) sink.piece(piece);
			},
			end: () => {
				if (finish()) sink.end();
			},
			fail: (sentence) => {
				if (finish()) sink.fail(sentence);
			},
		});
		return () => {
			if (finish()) stop();
		};
	}
}
