/** How large surfaces are, and where, in their own pixels. */

export interface Size {
	readonly width: number;
	readonly height: number;
}

export interface Point {
	readonly x: number;
	readonly y: number;
}

/** Right and bottom are the first pixels outside. */
export interface Box {
	readonly left: number;
	readonly top: number;
	readonly right: number;
	readonly bottom: number;
}

/** What a commit makes true; it stays so until another changes it. */
export interface State {
	readonly buffer?: Size | undefined;
	/** wl_output.transform: the odd ones lie on their side. */
	readonly transform?: number;
	readonly scale?: number;
	/** Of its viewport. */
	readonly source?: Size | undefined;
	readonly destination?: Size | undefined;
}

export const isSame = (one: Box, other: Box): boolean =>
	one.left === other.left && one.top === other.top && one.right === other.right && one.bottom === other.bottom;

export const around = (one: Box, other: Box): Box => ({
	left: Math.min(one.left, other.left),
	top: Math.min(one.top, other.top),
	right: Math.max(one.right, other.right),
	bottom: Math.max(one.bottom, other.bottom),
});

export const at = ({ x, y }: Point): Box => ({ left: x, top: y, right: x, bottom: y });

export const toSize = (width: number, height: number): Size | undefined =>
	width > 0 && height > 0 ? { width, height } : undefined;

/** None where it shows nothing. */
export function sizeOf(state: State): Size {
	if (state.buffer === undefined) return { width: 0, height: 0 };
	const given = state.destination ?? state.source;
	if (given !== undefined) return given;
	const { width, height } = state.buffer;
	const scale = Math.max(1, state.scale ?? 1);
	const [across, down] = (state.transform ?? 0) % 2 === 0 ? [width, height] : [height, width];
	return { width: Math.ceil(across / scale), height: Math.ceil(down / scale) };
}

export const largestOf = (one: Size, other: Size): Size => ({
	width: Math.max(one.width, other.width),
	height: Math.max(one.height, other.height),
});
