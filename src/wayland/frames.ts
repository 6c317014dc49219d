/**
 * What a window says its frame is around (xdg_surface.set_window_geometry): compositors put title bars, borders and neighbours by it, and draw all that
 * stands out over them. Programs use it for the shadows that they draw themselves; for more it is not to be had.
 */
import { Buffer } from "node:buffer";
import type { Decorations } from "./decorations.ts";
import { FrameSize } from "./frame-size.ts";
import { messageOf } from "./interfaces.ts";
import { bound, coversScreen, everywhere, standsOut, toMargins } from "./margins.ts";
import type { Event, Handlers, Request, Verdict, WaylandObject } from "./objects.ts";
import { type Box, isSame } from "./surface-state.ts";
import { rootOf, type Surface, type SurfaceTree } from "./surface-tree.ts";
import { encodeWayland } from "./wayland-wire.ts";

/** Of one xdg_surface: a window's or a popup's. */
export interface Frame {
	readonly object: WaylandObject;
	readonly surface: Surface;
	/** As the program has it; all that there is to see if undefined. */
	wanted: Box | undefined;
	/** What the compositor was told; undefined until then, and again once it may have forgotten it. */
	told: Box | undefined;
	/** What the compositor goes by; undefined while nothing is to be seen. */
	held: Box | undefined;
	/** Than its program has it: it goes back when it can. */
	isLarger: boolean;
	/** How far pixels may stand out at each side, by the state of its window. */
	margins: Box;
	/** Of a window. */
	size: FrameSize | undefined;
}

/**
 * From the corner that the compositor measures from to the program's, in pixels: what is relative to a frame differs by it. Of a corner outside of
 * all that is seen it is none: nothing is to be found by it.
 */
export function toShift({ wanted, held, isLarger }: Frame): { readonly x: number; readonly y: number } {
	if (!isLarger || wanted === undefined || held === undefined) return { x: 0, y: 0 };
	const isWithin = wanted.left < held.right && wanted.top < held.bottom;
	return isWithin ? { x: Math.max(0, wanted.left - held.left), y: Math.max(0, wanted.top - held.top) } : { x: 0, y: 0 };
}

/** Says whether a frame may be seen with these extents, or is gone where they are undefined. */
export type Judge = (frame: Frame, extents: Box | undefined) => boolean;

export class Frames {
	readonly #tree: SurfaceTree;
	readonly #decorations: Decorations;
	readonly #judge: Judge;
	readonly #tellHost: (messages: readonly Buffer[]) => void;
	/** By their xdg_toplevel. */
	readonly #toplevels = new WeakMap<WaylandObject, Frame>();
	/** By their xdg_popup. */
	readonly #popups = new WeakMap<WaylandObject, Frame>();
	/** By their xdg_surface. */
	readonly #frames = new WeakMap<WaylandObject, Frame>();
	/** Of a window or a popup that is there: of all others nothing is to be told. */
	readonly #frameOf = new WeakMap<Surface, Frame>();

	constructor(
		tree: SurfaceTree,
		decorations: Decorations,
		judge: Judge,
		tellHost: (messages: readonly Buffer[]) => void,
	) {
		this.#tree = tree;
		this.#decorations = decorations;
		this.#judge = judge;
		this.#tellHost = tellHost;
	}

	/** Those of the tree are to come before them. */
	readonly requests: Handlers<Request> = {
		"xdg_wm_base.get_xdg_surface": ({ created, values: [, id] }) => {
			const surface = this.#tree.find(id);
			if (created === undefined || surface === undefined) return undefined;
			const none = { wanted: undefined, told: undefined, held: undefined, isLarger: false };
			const frame: Frame = { object: created, surface, ...none, margins: everywhere, size: undefined };
			this.#frames.set(created, frame);
			return undefined;
		},
		"xdg_surface.set_window_geometry": ({ object, values: [x, y, width, height] }) => {
			const [left, top, across, down] = [Number(x), Number(y), Number(width), Number(height)];
			const frame = this.#frames.get(object);
			// No program means one without an inside.
			if (frame !== undefined && across > 0 && down > 0)
				frame.wanted = { left, top, right: left + across, bottom: top + down };
			return [];
		},
		// A new one on the same surface begins without what was said of the one before.
		"xdg_surface.get_toplevel": ({ object, created }) => {
			const frame = this.#renew(object);
			if (frame === undefined || created === undefined) return undefined;
			frame.size = new FrameSize(created);
			this.#toplevels.set(created, frame);
			return undefined;
		},
		"xdg_surface.get_popup": ({ object, created }) => {
			const frame = this.#renew(object);
			if (frame !== undefined && created !== undefined) this.#popups.set(created, frame);
			return undefined;
		},
		"xdg_toplevel.set_maximized": ({ object }) => this.#toplevels.get(object)?.size?.asked(),
		// Often the same (connection-windows.ts).
		"xdg_toplevel.set_fullscreen": ({ object }) => this.#toplevels.get(object)?.size?.asked(),
		"xdg_toplevel.destroy": ({ object }) => {
			const frame = this.#toplevels.get(object);
			this.#toplevels.delete(object);
			return this.#end(frame);
		},
		"xdg_popup.destroy": ({ object }) => this.#end(this.#popups.get(object)),
		"xdg_surface.destroy": ({ object }) => this.#end(this.#frames.get(object)),
		"wl_surface.destroy": ({ object }) => this.#end(this.#frameOf.get(this.#tree.of(object))),
		"wl_surface.commit": ({ object, raw }) => {
			const surface = this.#tree.of(object);
			this.#tree.commit(surface);
			const own = this.#frameOf.get(surface);
			if (own !== undefined) return this.#commit(own, raw);
			// In wlroots 0.14 what waits for a part comes with the commit of that, also where it waits itself.
			const mayShow = surface.children.size > 0 || !this.#tree.waits(surface);
			return mayShow ? this.#follow(surface, raw) : undefined;
		},
		"wl_subsurface.set_desync": ({ object, raw }) => {
			const surface = this.#tree.release(object);
			return surface === undefined || this.#tree.waits(surface) ? undefined : this.#follow(surface, raw);
		},
	};

	readonly events: Handlers<Event> = {
		// Beside others a window has no shadow. It is held to that at once, since it may choose never to answer.
		"xdg_toplevel.configure": (event) => {
			const {
				object,
				values: [, , words],
			} = event;
			const frame = this.#toplevels.get(object);
			if (frame === undefined || !Buffer.isBuffer(words)) return undefined;
			frame.margins = toMargins(words);
			const messages = this.#settle(frame);
			if (messages.length > 0) this.#tellHost(messages);
			return frame.size?.configured(event, { margins: frame.margins, coversScreen: coversScreen(words) });
		},
	};

	/** The compositor draws, or draws no more, the title of a window of this surface. */
	titled(surface: Surface): void {
		const frame = this.#frameOf.get(surface);
		const messages = frame === undefined ? [] : this.#settle(frame);
		if (messages.length > 0) this.#tellHost(messages);
	}

	of(object: WaylandObject): Frame | undefined {
		return this.#frames.get(object);
	}

	/** What the compositor draws above a window says whose it is. */
	#marginsOf({ surface, margins }: Frame): Box {
		return this.#decorations.hasTitle(surface) ? { ...margins, top: 0 } : margins;
	}

	#renew(object: WaylandObject): Frame | undefined {
		const frame = this.#frames.get(object);
		if (frame === undefined) return undefined;
		Object.assign(frame, { told: undefined, held: undefined, margins: everywhere, size: undefined });
		this.#frameOf.set(frame.surface, frame);
		return frame;
	}

	#end(frame: Frame | undefined): undefined {
		if (frame === undefined) return;
		this.#judge(frame, undefined);
		frame.held = undefined;
		if (this.#frameOf.get(frame.surface) === frame) this.#frameOf.delete(frame.surface);
	}

	/** `raw` is its surface's commit; without it, it is ours. */
	#commit(frame: Frame, raw?: Buffer): Verdict {
		const extents = this.#tree.extents(frame.surface);
		if (!this.#judge(frame, extents)) return this.#hide(frame);
		if (extents === undefined) {
			frame.told = undefined;
			frame.held = undefined;
			return undefined;
		}
		if (frame.wanted === undefined) {
			frame.held = extents;
			return undefined;
		}
		const next = bound(frame.wanted, extents, this.#marginsOf(frame));
		frame.held = next;
		frame.isLarger = !isSame(next, frame.wanted);
		const again = raw && frame.size?.committed(frame.wanted, next);
		const messages = [raw ?? commitOf(frame), ...(again ?? [])];
		if (frame.told !== undefined && isSame(frame.told, next)) return messages.length === 1 ? undefined : messages;
		frame.told = next;
		return [tell(frame, next), ...messages];
	}

	/** A part has changed by itself, by `raw`. */
	#follow(part: Surface, raw: Buffer): Verdict {
		const frame = this.#frameOf.get(rootOf(part));
		return frame === undefined ? undefined : [raw, ...this.#settle(frame)];
	}

	/** Where a window stands out now, or does not any more, its frame goes after it, by a commit that its program has not asked for. */
	#settle(frame: Frame): readonly Buffer[] {
		const extents = this.#tree.extents(frame.surface);
		if (frame.held === undefined || extents === undefined) return [];
		if (!this.#judge(frame, extents)) return this.#hide(frame);
		// What its program has begun to change is soon committed, and is not always whole before.
		const isTooLarge =
			frame.isLarger &&
			frame.wanted !== undefined &&
			frame.surface.pending === frame.surface.committed &&
			!isSame(bound(frame.wanted, extents, this.#marginsOf(frame)), frame.held);
		if (!isTooLarge && !standsOut(extents, frame.held, this.#marginsOf(frame))) return [];
		this.#tree.commit(frame.surface);
		return this.#commit(frame) ?? [commitOf(frame)];
	}

	#hide(frame: Frame): readonly Buffer[] {
		frame.told = undefined;
		frame.held = undefined;
		frame.surface.pending = { ...frame.surface.pending, buffer: undefined };
		this.#tree.commit(frame.surface);
		const { id } = frame.surface.object;
		return [encodeWayland(id, messageOf("wl_surface.attach"), [0, 0, 0]), commitOf(frame)];
	}
}

const commitOf = ({ surface }: Frame): Buffer => encodeWayland(surface.object.id, messageOf("wl_surface.commit"), []);

const tell = ({ object }: Frame, { left, top, right, bottom }: Box): Buffer =>
	encodeWayland(object.id, messageOf("xdg_surface.set_window_geometry"), [left, top, right - left, bottom - top]);
