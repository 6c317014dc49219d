/** How far pixels may stand out of a window's frame, by its state, and what becomes of a frame by that. */
import type { Box } from "./surface-state.ts";

/** Of a shadow, at each side, in pixels: those of GTK and Qt have 20 to 60. */
const shadow = 64;
export const everywhere: Box = { left: shadow, top: shadow, right: shadow, bottom: shadow };
/** xdg_toplevel.state, of windows that have no shadow there. */
const states = { maximized: 1, fullscreen: 2, tiledLeft: 5, tiledRight: 6, tiledTop: 7, tiledBottom: 8 };

/** As `wanted`, but that `extents` stand out of it by `margins` at most, and that some of it is within them. */
export function bound(wanted: Box, extents: Box, margins: Box): Box {
	const [left, top] = [
		Math.min(Math.max(wanted.left, extents.left), extents.left + margins.left, extents.right - 1),
		Math.min(Math.max(wanted.top, extents.top), extents.top + margins.top, extents.bottom - 1),
	];
	return {
		...{ left, top },
		right: Math.max(Math.min(wanted.right, extents.right), extents.right - margins.right, extents.left + 1),
		bottom: Math.max(Math.min(wanted.bottom, extents.bottom), extents.bottom - margins.bottom, extents.top + 1),
	};
}

export const standsOut = (extents: Box, held: Box, margins: Box): boolean =>
	held.left - extents.left > margins.left ||
	held.top - extents.top > margins.top ||
	extents.right - held.right > margins.right ||
	extents.bottom - held.bottom > margins.bottom;

const toStates = (words: Buffer): ReadonlySet<number> =>
	new Set(Array.from({ length: Math.floor(words.length / 4) }, (_, index) => words.readUInt32LE(4 * index)));

export function coversScreen(words: Buffer): boolean {
	const has = toStates(words);
	return has.has(states.maximized) || has.has(states.fullscreen);
}

export function toMargins(words: Buffer): Box {
	const has = toStates(words);
	const at = (state: number): number => (has.has(state) || coversScreen(words) ? 0 : shadow);
	return {
		...{ left: at(states.tiledLeft), top: at(states.tiledTop) },
		...{ right: at(states.tiledRight), bottom: at(states.tiledBottom) },
	};
}
