/**
 * The display of one vm: what stands on the host between the programs of a hostile guest and the user's compositor. Its windows have
 * the vm's name before their titles, its clipboard is its own, and it has so much of the host and no more (limits.ts).
 */
import { Budget } from "./budget.ts";
import { VmClipboard } from "./clipboard.ts";
import { DisplayConnection, type DisplayEnds, type VmParts } from "./display-connection.ts";
import { type DisplayLimits, defaultLimits } from "./limits.ts";
import { type Window, WindowList } from "./windows.ts";

export interface VmDisplayOptions {
	/** Its name, as it is shown. */
	readonly vm: string;
	/** What nobody else knows: letters and digits, at random, a new one for each display. Keeps drags of vms apart. */
	readonly token: string;
	/** Lets windows cover the screen, with all that shows whose they are. Else they are made as large as can be. No if absent. */
	readonly allowFullscreen?: boolean;
	readonly limits?: Partial<DisplayLimits>;
	/** Called at each change, in the middle of `fromGuest` or `fromHost`; there may be many in a row. */
	readonly windowsChanged?: () => void;
	/** Something else is on the clipboard, or nothing. */
	readonly clipboardChanged?: () => void;
}

export class VmDisplay {
	readonly clipboard: VmClipboard;
	readonly #parts: VmParts;

	constructor(options: VmDisplayOptions) {
		const limits: DisplayLimits = { ...defaultLimits, ...options.limits };
		const budget = new Budget(limits);
		this.clipboard = new VmClipboard(limits, budget, options.clipboardChanged ?? (() => {}));
		this.#parts = {
			vm: options.vm,
			allowFullscreen: options.allowFullscreen ?? false,
			limits,
			budget,
			list: new WindowList(options.windowsChanged ?? (() => {})),
			clipboard: this.clipboard,
			popupAreas: new Map(),
			typePrefix: `x-qubes-lite-${options.token}/`,
		};
	}

	/** A program of the guest's has come. Throws a GuestFault where it is one too many. */
	connect(ends: DisplayEnds): DisplayConnection {
		this.#parts.budget.take("connections");
		return new DisplayConnection(this.#parts, ends);
	}

	/** Those that are shown, in the order in which they came. */
	get windows(): readonly Window[] {
		return this.#parts.list.shown;
	}
}
