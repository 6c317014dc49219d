/** How large the surfaces of one connection are, and which of them are parts of which: what of a window is seen on the host, whatever it says of itself. */
import { GuestFault } from "./faults.ts";
import type { Handlers, Objects, Request, WaylandObject } from "./objects.ts";
import { encodeWayland } from "./wayland-wire.ts";

interface Size {
	readonly width: number;
	readonly height: number;
}

/** In a surface's own pixels; right and bottom are the first ones outside. */
export interface Box {
	readonly left: number;
	readonly top: number;
	readonly right: number;
	readonly bottom: number;
}

export const isSame = (one: Box, other: Box): boolean =>
	one.left === other.left && one.top === other.top && one.right === other.right && one.bottom === other.bottom;

/** What a commit makes true; it stays so until another changes it. */
interface State {
	readonly buffer?: Size | undefined;
	/** wl_output.transform: the odd ones lie on their side. */
	readonly transform?: number;
	readonly scale?: number;
	/** Of its viewport. */
	readonly source?: Size | undefined;
	readonly destination?: Size | undefined;
}

interface Point {
	readonly x: number;
	readonly y: number;
}

export interface Surface {
	readonly object: WaylandObject;
	pending: State;
	/** Committed, and waits for its parent. */
	waiting: State | undefined;
	shown: State;
	parent: Surface | undefined;
	/** Its wl_subsurface; once the program has ended that, it may have another. */
	part: WaylandObject | undefined;
	isSync: boolean;
	position: Point;
	/** From its parent's next commit on. */
	nextPosition: Point;
	readonly children: Set<Surface>;
	/** Of its pixels that have changed since they were shown last. */
	damages: number;
}

/** In pixels; far beyond all screens, and so little that sums of it are numbers of the wire. */
const farthest = 1 << 20;
/** wp_viewport's numbers are 24.8. */
const fixed = 256;

export class SurfaceTree {
	readonly #objects: Objects;
	readonly #surfaces = new WeakMap<WaylandObject, Surface>();
	readonly #buffers = new WeakMap<WaylandObject, Size>();
	readonly #viewports = new WeakMap<WaylandObject, Surface>();
	/** By their wl_subsurface. */
	readonly #parts = new WeakMap<WaylandObject, Surface>();

	constructor(objects: Objects) {
		this.#objects = objects;
	}

	/** Nothing of it changes what is seen before a commit. Surfaces are not moved by new pixels: their frames, parents or pointers say where they are. */
	readonly requests: Handlers<Request> = {
		"wl_shm_pool.create_buffer": ({ created, values: [, , width, height] }) => {
			if (created !== undefined) this.#buffers.set(created, { width: Number(width), height: Number(height) });
			return undefined;
		},
		"wl_surface.attach": ({ object, message, values: [id, x, y] }) => {
			const attached = this.#objects.get(Number(id));
			const single = { width: 1, height: 1 };
			this.#change(this.of(object), {
				buffer: attached === undefined ? undefined : (this.#buffers.get(attached) ?? single),
			});
			return x === 0 && y === 0 ? undefined : [encodeWayland(object.id, message, [id, 0, 0])];
		},
		"wl_surface.offset": () => [],
		"wl_surface.set_buffer_transform": ({ object, values: [transform] }) => {
			this.#change(this.of(object), { transform: Number(transform) });
			return undefined;
		},
		"wl_surface.set_buffer_scale": ({ object, values: [scale] }) => {
			this.#change(this.of(object), { scale: Number(scale) });
			return undefined;
		},
		"wl_surface.destroy": ({ object }) => {
			const surface = this.of(object);
			this.#part(surface);
			for (const child of surface.children) this.#part(child);
			return undefined;
		},
		"wp_viewporter.get_viewport": ({ created, values: [, id] }) => {
			const surface = this.find(id);
			if (created !== undefined && surface !== undefined) this.#viewports.set(created, surface);
			return undefined;
		},
		"wp_viewport.set_source": ({ object, values: [, , width, height] }) => {
			const source = toSize(Math.ceil(Number(width) / fixed), Math.ceil(Number(height) / fixed));
			this.#change(this.#viewports.get(object), { source });
			return undefined;
		},
		"wp_viewport.set_destination": ({ object, values: [width, height] }) => {
			this.#change(this.#viewports.get(object), { destination: toSize(Number(width), Number(height)) });
			return undefined;
		},
		"wp_viewport.destroy": ({ object }) => {
			this.#change(this.#viewports.get(object), { source: undefined, destination: undefined });
			return undefined;
		},
		"wl_subcompositor.get_subsurface": ({ created, values: [, id, parentId] }) => {
			const surface = this.find(id);
			const parent = this.find(parentId);
			if (created === undefined || surface === undefined || parent === undefined) return undefined;
			for (let above: Surface | undefined = parent; above !== undefined; above = above.parent)
				if (above === surface) throw new GuestFault("it made a surface a part of itself");
			if (surface.part?.isGone === false) throw new GuestFault("it made a surface a part twice");
			this.#part(surface);
			Object.assign(surface, {
				parent,
				part: created,
				isSync: true,
				position: { x: 0, y: 0 },
				nextPosition: { x: 0, y: 0 },
			});
			parent.children.add(surface);
			this.#parts.set(created, surface);
			return undefined;
		},
		"wl_subsurface.set_position": ({ object, values: [x, y] }) => {
			const surface = this.#parts.get(object);
			if (surface !== undefined) surface.nextPosition = { x: Number(x), y: Number(y) };
			return undefined;
		},
		"wl_subsurface.set_sync": ({ object }) => {
			const surface = this.#parts.get(object);
			if (surface !== undefined) surface.isSync = true;
			return undefined;
		},
		"wl_subsurface.destroy": ({ object }) => {
			const surface = this.#parts.get(object);
			this.#parts.delete(object);
			if (surface !== undefined) this.#part(surface);
			return undefined;
		},
	};

	of(object: WaylandObject): Surface {
		const known = this.#surfaces.get(object);
		if (known !== undefined) return known;
		const none = { x: 0, y: 0 };
		const surface: Surface = {
			...{ object, pending: {}, waiting: undefined, shown: {}, parent: undefined, part: undefined },
			...{ isSync: true, position: none, nextPosition: none, children: new Set<Surface>(), damages: 0 },
		};
		this.#surfaces.set(object, surface);
		return surface;
	}

	/** By the argument of a request. */
	find(id: unknown): Surface | undefined {
		const object = this.#objects.get(Number(id));
		return object === undefined ? undefined : this.of(object);
	}

	/** wl_subsurface.set_desync; which surface it was. */
	release(part: WaylandObject): Surface | undefined {
		const surface = this.#parts.get(part);
		if (surface !== undefined) surface.isSync = false;
		return surface;
	}

	/** Whether what it commits is not seen before its parent's commit. */
	waits(surface: Surface): boolean {
		for (let above = surface; above.parent !== undefined; above = above.parent) if (above.isSync) return true;
		return false;
	}

	/** wl_surface.commit. */
	commit(surface: Surface): void {
		surface.waiting = surface.pending;
		if (this.waits(surface)) return;
		const applied = [surface];
		for (const each of applied) {
			each.shown = each.waiting ?? each.shown;
			each.waiting = undefined;
			each.damages = 0;
			for (const child of each.children) {
				child.position = child.nextPosition;
				if (child.waiting !== undefined && (child.isSync || each !== surface)) applied.push(child);
			}
		}
	}

	/**
	 * All that may be seen of a surface and its parts; undefined where it has no pixels. Of what waits for a parent's commit both are counted,
	 * before and after: compositors differ in when it comes.
	 */
	extents(root: Surface): Box | undefined {
		if (root.shown.buffer === undefined) return undefined;
		const boxes: Box[] = [];
		// A box is where its surface's upper left corner may be.
		const rest = [{ surface: root, box: { left: 0, top: 0, right: 0, bottom: 0 } }];
		for (const { surface, box } of rest) {
			for (const size of [sizeOf(surface.shown), sizeOf(surface.waiting)])
				if (size !== undefined) boxes.push({ ...box, right: box.right + size.width, bottom: box.bottom + size.height });
			for (const child of surface.children) {
				const { position: before, nextPosition: after } = child;
				rest.push({
					surface: child,
					box: {
						left: box.left + Math.min(before.x, after.x),
						top: box.top + Math.min(before.y, after.y),
						right: box.right + Math.max(before.x, after.x),
						bottom: box.bottom + Math.max(before.y, after.y),
					},
				});
			}
		}
		const union = boxes.reduce((all, box) => ({
			left: Math.min(all.left, box.left),
			top: Math.min(all.top, box.top),
			right: Math.max(all.right, box.right),
			bottom: Math.max(all.bottom, box.bottom),
		}));
		if (Math.max(-union.left, -union.top, union.right, union.bottom) > farthest)
			throw new GuestFault(`it has a window that reaches over more than ${farthest} pixels`, "Limit");
		return union;
	}

	#change(surface: Surface | undefined, change: State): void {
		if (surface !== undefined) surface.pending = { ...surface.pending, ...change };
	}

	#part(surface: Surface): void {
		surface.parent?.children.delete(surface);
		surface.parent = undefined;
	}
}

export function rootOf(surface: Surface): Surface {
	let root = surface;
	while (root.parent !== undefined) root = root.parent;
	return root;
}

const toSize = (width: number, height: number): Size | undefined =>
	width > 0 && height > 0 ? { width, height } : undefined;

function sizeOf(state: State | undefined): Size | undefined {
	if (state?.buffer === undefined) return undefined;
	const given = state.destination ?? state.source;
	if (given !== undefined) return given;
	const { width, height } = state.buffer;
	const scale = Math.max(1, state.scale ?? 1);
	const [across, down] = (state.transform ?? 0) % 2 === 0 ? [width, height] : [height, width];
	return { width: Math.ceil(across / scale), height: Math.ceil(down / scale) };
}
