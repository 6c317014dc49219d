/**
 * Menus and the like: windows without a frame, which the compositor draws over all others. They begin at their window, and all of a vm's together cover a
 * part of a screen at most: one that would be too much, or that is the last of too long a row, is not shown, and its program is told that it was dismissed.
 */
import { type Frame, toShift } from "./frames.ts";
import { messageOf } from "./interfaces.ts";
import type { Event, Handlers, Objects, Request, Verdict, WaylandObject } from "./objects.ts";
import type { Box } from "./surface-state.ts";
import { encodeWayland } from "./wayland-wire.ts";

/** Of the popups of a vm that are shown, in pixels, by their frames. */
export type PopupAreas = Map<Frame, number>;

/** Of the largest screen, that popups may cover: a menu as high as the screen has a fifth, a panel of Firefox's half of a small one. */
const share = 0.5;
/** In pixels, of a program that has not asked for a screen: what the smallest has. */
const smallestScreen = 640 * 480;
/** How far a popup may be from its window, beyond its own size. */
const gap = 64;
/** Menus that were opened from each other: each may be some way from the one before. */
const deepest = 10;
/** wl_output.mode: the one that is in use. */
const isCurrent = 1;
/** The version of wl_output that brought scales, and an event behind all of them. */
const scaledSince = 2;

interface Positioner {
	size: readonly [number, number];
	rectangle: readonly [number, number, number, number];
	offset: readonly [number, number];
}

interface Popup {
	readonly object: WaylandObject;
	readonly parent: Frame | undefined;
	/** From its window: 1 is a popup of that itself. */
	readonly depth: number;
	isDismissed: boolean;
}

interface Screen {
	pixels: number;
	scale: number;
}

export class Popups {
	readonly #objects: Objects;
	readonly #areas: PopupAreas;
	readonly #tellGuest: (messages: readonly Buffer[]) => void;
	readonly #positioners = new WeakMap<WaylandObject, Positioner>();
	readonly #popups = new Map<Frame, Popup>();
	/** By their xdg_popup. */
	readonly #frameOf = new WeakMap<WaylandObject, Frame>();
	readonly #screens = new WeakMap<WaylandObject, Screen>();
	#largestScreen = smallestScreen;

	constructor(objects: Objects, areas: PopupAreas, tellGuest: (messages: readonly Buffer[]) => void) {
		this.#objects = objects;
		this.#areas = areas;
		this.#tellGuest = tellGuest;
	}

	/** `frameOf` knows an xdg_surface's. */
	requests(frameOf: (object: WaylandObject) => Frame | undefined): Handlers<Request> {
		return {
			"xdg_positioner.set_size": ({ object, values: [width, height] }) => {
				this.#positioner(object).size = [Number(width), Number(height)];
				return undefined;
			},
			"xdg_positioner.set_anchor_rect": ({ object, values: [x, y, width, height] }) => {
				this.#positioner(object).rectangle = [Number(x), Number(y), Number(width), Number(height)];
				return undefined;
			},
			"xdg_positioner.set_offset": ({ object, values: [x, y] }) => {
				this.#positioner(object).offset = [Number(x), Number(y)];
				return undefined;
			},
			"xdg_surface.get_popup": ({ object, created, values: [, parentId, positionerId], raw }) => {
				const frame = frameOf(object);
				const parentObject = this.#objects.get(Number(parentId));
				const parent = parentObject === undefined ? undefined : frameOf(parentObject);
				if (created !== undefined && frame !== undefined) {
					const depth = 1 + ((parent && this.#popups.get(parent)?.depth) ?? 0);
					const popup: Popup = { object: created, parent, depth, isDismissed: false };
					this.#popups.set(frame, popup);
					this.#frameOf.set(created, frame);
					if (depth > deepest) this.#dismiss(popup);
				}
				return this.#place(positionerId, parent, raw);
			},
			"xdg_popup.reposition": ({ object, values: [positionerId], raw }) => {
				const frame = this.#frameOf.get(object);
				return this.#place(positionerId, frame === undefined ? undefined : this.#popups.get(frame)?.parent, raw);
			},
			"xdg_popup.destroy": ({ object }) => {
				const frame = this.#frameOf.get(object);
				if (frame !== undefined) this.#forget(frame);
				return undefined;
			},
		};
	}

	readonly events: Handlers<Event> = {
		"xdg_popup.configure": ({ object, message, values: [x, y, ...size] }) => {
			const frame = this.#frameOf.get(object);
			const parent = frame === undefined ? undefined : this.#popups.get(frame)?.parent;
			const shift = parent === undefined ? { x: 0, y: 0 } : toShift(parent);
			if (shift.x === 0 && shift.y === 0) return undefined;
			return [encodeWayland(object.id, message, [Number(x) - shift.x, Number(y) - shift.y, ...size.map(Number)])];
		},
		"wl_output.mode": ({ object, values: [flags, width, height] }) => {
			if ((Number(flags) & isCurrent) === 0) return undefined;
			const scale = this.#screens.get(object)?.scale ?? 1;
			this.#screens.set(object, { pixels: Number(width) * Number(height), scale });
			if (object.version < scaledSince) this.#measure(object);
			return undefined;
		},
		"wl_output.scale": ({ object, values: [scale] }) => {
			this.#screens.set(object, { pixels: this.#screens.get(object)?.pixels ?? 0, scale: Number(scale) });
			return undefined;
		},
		"wl_output.done": ({ object }) => {
			this.#measure(object);
			return undefined;
		},
	};

	/** Whether it may be seen with these extents, or is hidden where they are undefined. What is no popup may. */
	judge(frame: Frame, extents: Box | undefined): boolean {
		const popup = this.#popups.get(frame);
		this.#areas.delete(frame);
		if (popup === undefined || extents === undefined) return true;
		if (popup.isDismissed) return false;
		const area = (extents.right - extents.left) * (extents.bottom - extents.top);
		let sum = area;
		for (const other of this.#areas.values()) sum += other;
		if (sum <= this.#largestScreen * share) {
			this.#areas.set(frame, area);
			return true;
		}
		this.#dismiss(popup);
		return false;
	}

	close(): void {
		for (const frame of [...this.#popups.keys()]) this.#forget(frame);
	}

	/** `raw` uses a positioner, which is put right before it: the compositor copies what it says then. */
	#place(positionerId: unknown, parent: Frame | undefined, raw: Buffer): Verdict {
		const object = this.#objects.get(Number(positionerId));
		if (object === undefined) return undefined;
		const { size, rectangle, offset } = this.#positioner(object);
		const { left, top, right, bottom } = parent?.held ?? { left: 0, top: 0, right: 1, bottom: 1 };
		const shift = parent === undefined ? { x: 0, y: 0 } : toShift(parent);
		const [x, width] = within(rectangle[0] + shift.x, rectangle[2], right - left);
		const [y, height] = within(rectangle[1] + shift.y, rectangle[3], bottom - top);
		const nearer = [near(offset[0], size[0]), near(offset[1], size[1])];
		return [
			encodeWayland(object.id, messageOf("xdg_positioner.set_anchor_rect"), [x, y, width, height]),
			encodeWayland(object.id, messageOf("xdg_positioner.set_offset"), nearer),
			raw,
		];
	}

	#positioner(object: WaylandObject): Positioner {
		const known = this.#positioners.get(object);
		if (known !== undefined) return known;
		const positioner: Positioner = { size: [0, 0], rectangle: [0, 0, 0, 0], offset: [0, 0] };
		this.#positioners.set(object, positioner);
		return positioner;
	}

	#measure(object: WaylandObject): void {
		const { pixels, scale } = this.#screens.get(object) ?? { pixels: 0, scale: 1 };
		this.#largestScreen = Math.max(this.#largestScreen, pixels / Math.max(1, scale) ** 2);
	}

	#dismiss(popup: Popup): void {
		popup.isDismissed = true;
		this.#tellGuest([encodeWayland(popup.object.id, messageOf("xdg_popup.popup_done"), [])]);
	}

	#forget(frame: Frame): void {
		this.#popups.delete(frame);
		this.#areas.delete(frame);
	}
}

/** `length` from `start` on, of an edge from 0 to `end`; at least one pixel of it, without which no compositor takes it. */
function within(start: number, length: number, end: number): [number, number] {
	const first = Math.min(Math.max(start, 0), end - 1);
	return [first, Math.max(1, Math.min(start + length, end) - first)];
}

const near = (offset: number, size: number): number => Math.min(Math.max(offset, -size - gap), size + gap);
