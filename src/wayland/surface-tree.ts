/** How large the surfaces of one connection are, and which of them are parts of which: what of a window is seen on the host, whatever it says of itself. */
import { GuestFault } from "./faults.ts";
import type { Handlers, Objects, Request, WaylandObject } from "./objects.ts";
import { around, at, type Box, largestOf, type Point, type Size, type State, sizeOf, toSize } from "./surface-state.ts";
import { encodeWayland } from "./wayland-wire.ts";

export interface Surface {
	readonly object: WaylandObject;
	pending: State;
	/** The last one. */
	committed: State;
	/** Of all that it may show, while that is not known: compositors differ in when they show what waits for a parent. */
	largest: Size;
	parent: Surface | undefined;
	/** Its wl_subsurface; once the program has ended that, it may have another. */
	part: WaylandObject | undefined;
	isSync: boolean;
	/** The last one. */
	position: Point;
	/** Around all of those that it may have, while that is not known. */
	positions: Box;
	readonly children: Set<Surface>;
	/** Of its pixels that have changed since they were shown last. */
	damages: number;
	/** When it has committed last, as the tree counts time. */
	committedAt: number;
	/** Its last commit of which it is certain that it is shown. */
	shownAt: number;
	/** When it was placed or made to wait last. */
	changedAt: number;
}

/** In pixels; far beyond all screens, and so little that sums of it are numbers of the wire. */
const farthest = 1 << 20;
/** wp_viewport's numbers are 24.8. */
const fixed = 256;
const origin: Point = { x: 0, y: 0 };

export class SurfaceTree {
	readonly #objects: Objects;
	readonly #surfaces = new WeakMap<WaylandObject, Surface>();
	readonly #buffers = new WeakMap<WaylandObject, Size>();
	readonly #viewports = new WeakMap<WaylandObject, Surface>();
	/** By their wl_subsurface. */
	readonly #parts = new WeakMap<WaylandObject, Surface>();
	#time = 0;

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
			Object.assign(surface, { parent, part: created, isSync: true, position: origin, positions: at(origin) });
			surface.changedAt = this.#next();
			parent.children.add(surface);
			this.#parts.set(created, surface);
			return undefined;
		},
		"wl_subsurface.set_position": ({ object, values: [x, y] }) => {
			const surface = this.#parts.get(object);
			if (surface !== undefined) this.#place(surface, { x: Number(x), y: Number(y) });
			return undefined;
		},
		"wl_subsurface.set_sync": ({ object }) => {
			const surface = this.#parts.get(object);
			if (surface === undefined) return undefined;
			surface.isSync = true;
			this.#place(surface, surface.position);
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
		const surface: Surface = {
			...{ object, pending: {}, committed: {}, largest: sizeOf({}), parent: undefined, part: undefined, isSync: true },
			...{ position: origin, positions: at(origin), children: new Set<Surface>(), damages: 0 },
			...{ committedAt: 0, shownAt: 0, changedAt: 0 },
		};
		this.#surfaces.set(object, surface);
		return surface;
	}

	/** By the argument of a request. */
	find(id: unknown): Surface | undefined {
		const object = this.#objects.get(Number(id));
		return object === undefined ? undefined : this.of(object);
	}

	/** wl_subsurface.set_desync, by which what has waited is shown; which surface it was. */
	release(part: WaylandObject): Surface | undefined {
		const surface = this.#parts.get(part);
		if (surface === undefined) return undefined;
		surface.isSync = false;
		if (!this.waits(surface)) this.#show(surface);
		return surface;
	}

	/** Whether what it commits is not seen before its parent's commit. */
	waits(surface: Surface): boolean {
		for (let above = surface; above.parent !== undefined; above = above.parent) if (above.isSync) return true;
		return false;
	}

	/** wl_surface.commit. Where something has waited before, not all compositors show this at once. */
	commit(surface: Surface): void {
		const isShown = !this.waits(surface) && surface.shownAt === surface.committedAt;
		surface.largest = largestOf(sizeThatMayBe(surface), sizeOf(surface.pending));
		surface.committed = surface.pending;
		surface.committedAt = this.#next();
		if (isShown) this.#show(surface);
	}

	/** All that may be seen of a surface and its parts; undefined where it has no pixels. */
	extents(root: Surface): Box | undefined {
		if (root.committed.buffer === undefined) return undefined;
		let all = at(origin);
		// A box is where its surface's upper left corner may be.
		const rest = [{ surface: root, box: all }];
		for (const { surface, box } of rest) {
			const { width, height } = sizeThatMayBe(surface);
			if (width > 0) all = around(all, { ...box, right: box.right + width, bottom: box.bottom + height });
			for (const child of surface.children) {
				const { left, top, right, bottom } = positionsThatMayBe(child);
				rest.push({
					surface: child,
					box: { left: box.left + left, top: box.top + top, right: box.right + right, bottom: box.bottom + bottom },
				});
			}
		}
		if (Math.max(-all.left, -all.top, all.right, all.bottom) > farthest)
			throw new GuestFault(`it has a window that reaches over more than ${farthest} pixels`, "Limit");
		return all;
	}

	/**
	 * All that it has committed is shown for certain; and of its parts that wait for it, what had been committed before its last commit, and has not changed
	 * since. What comes in another order some compositors show now, and some with its next commit.
	 */
	#show(surface: Surface): void {
		const shown = [surface];
		for (const each of shown) {
			each.shownAt = each.committedAt;
			each.damages = 0;
			for (const child of each.children)
				if (child.isSync && Math.max(child.committedAt, child.changedAt) < each.committedAt) shown.push(child);
		}
	}

	/** Where it was may be where it still is. */
	#place(surface: Surface, position: Point): void {
		surface.positions = around(positionsThatMayBe(surface), at(position));
		surface.position = position;
		surface.changedAt = this.#next();
	}

	#next(): number {
		this.#time++;
		return this.#time;
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

const sizeThatMayBe = (surface: Surface): Size =>
	surface.shownAt === surface.committedAt ? sizeOf(surface.committed) : surface.largest;

/** A part is moved by its parent's commit, or its own, or both. */
function positionsThatMayBe({ parent, position, positions, shownAt, changedAt }: Surface): Box {
	return Math.min(shownAt, parent?.shownAt ?? 0) > changedAt ? at(position) : positions;
}
