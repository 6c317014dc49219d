/** The windows of a vm: what they are called, and which of them are shown. */

/** One that is shown. */
export interface Window {
	/** Of this display, and of no other window before or after it. */
	readonly id: number;
	/** As the guest has it, safe to show, without the vm's name. */
	readonly title: string;
	readonly appId: string;
}

export interface Toplevel {
	readonly id: number;
	title: string;
	appId: string;
	state: "hidden" | "shown" | "closed";
}

/** Of all connections of a vm. */
export class WindowList {
	readonly #shown = new Map<number, Toplevel>();
	readonly #changed: () => void;
	#lastId = 0;

	/** `changed` is called at each change; there may be many in a row. */
	constructor(changed: () => void) {
		this.#changed = changed;
	}

	get shown(): readonly Window[] {
		return [...this.#shown.values()].map(({ id, title, appId }) => ({ id, title, appId }));
	}

	nextId(): number {
		this.#lastId++;
		return this.#lastId;
	}

	set(toplevel: Toplevel, isShown: boolean): void {
		if (toplevel.state === "closed" || isShown === (toplevel.state === "shown")) return;
		toplevel.state = isShown ? "shown" : "hidden";
		if (isShown) this.#shown.set(toplevel.id, toplevel);
		else this.#shown.delete(toplevel.id);
		this.#changed();
	}

	/** For good: its surface may go on, without it. */
	close(toplevel: Toplevel): void {
		this.set(toplevel, false);
		toplevel.state = "closed";
	}

	renamed(toplevel: Toplevel): void {
		if (toplevel.state === "shown") this.#changed();
	}
}
