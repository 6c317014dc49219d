/**
 * A program draws around what it is told that its frame is. Where all of that counts (frames.ts), it is told as much less, so that the whole has the
 * size which the compositor has given it.
 */
import { messageOf } from "./interfaces.ts";
import type { Event, Verdict, WaylandObject } from "./objects.ts";
import { type Box, isSame } from "./surface-state.ts";
import { encodeWayland, type Value } from "./wayland-wire.ts";

/** In pixels. */
interface Excess {
	readonly across: number;
	readonly down: number;
}

/** What programs choose their shadows by: how far pixels may stand out at each side, and whether the window is maximized, or has all of the screen. */
export interface State {
	readonly margins: Box;
	readonly coversScreen: boolean;
}

const none: Excess = { across: 0, down: 0 };

export class FrameSize {
	readonly #toplevel: WaylandObject;
	/** As the compositor has said last. */
	#state: State | undefined;
	/** At its last commit, and in which state that was. */
	#excess = none;
	#excessIn: State | undefined;
	/** How much less than the compositor had said the program was told last. */
	#spared = none;
	/** Not twice without an answer, and not of a compositor that leaves the size to the program. */
	#mayAsk = false;

	constructor(toplevel: WaylandObject) {
		this.#toplevel = toplevel;
	}

	/** xdg_toplevel.configure. The excess of another state says nothing of the one in this. */
	configured({ object, message, values }: Event, state: State): Verdict {
		const [width, height, states] = values;
		this.#state = state;
		this.#spared = this.#excessIn !== undefined && isSameState(this.#excessIn, state) ? this.#excess : none;
		this.#mayAsk = !state.coversScreen && Number(width) > 0 && Number(height) > 0;
		if (isFit(this.#spared, none) || !Buffer.isBuffer(states)) return undefined;
		const size = [toLess(width, this.#spared.across), toLess(height, this.#spared.down)];
		return [encodeWayland(object.id, message, [...size, states])];
	}

	/** Its program has asked for another size itself, which is not to be undone before the compositor has answered. */
	asked(): undefined {
		this.#mayAsk = false;
	}

	/** A commit: the program means `wanted` for its frame, the compositor measures `held`. A window that is not maximized is asked not to be: each such request is answered with its size. */
	committed(wanted: Box, held: Box): readonly Buffer[] {
		const across = Math.max(0, held.right - held.left - (wanted.right - wanted.left));
		const down = Math.max(0, held.bottom - held.top - (wanted.bottom - wanted.top));
		this.#excess = { across, down };
		this.#excessIn = this.#state;
		if (isFit(this.#excess, this.#spared) || !this.#mayAsk || this.#toplevel.isGone) return [];
		this.#mayAsk = false;
		return [encodeWayland(this.#toplevel.id, messageOf("xdg_toplevel.unset_maximized"), [])];
	}
}

const isFit = (one: Excess, other: Excess): boolean => one.across === other.across && one.down === other.down;

const isSameState = (one: State, other: State): boolean =>
	isSame(one.margins, other.margins) && one.coversScreen === other.coversScreen;

/** 0 leaves it to the program. */
const toLess = (length: Value | undefined, by: number): number =>
	Number(length) === 0 ? 0 : Math.max(1, Number(length) - by);
