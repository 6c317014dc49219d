/** Pictures that the guest gives the pointer: small ones at its tip and without parts, since they are drawn over everything that is near it. */
import { GuestFault } from "./faults.ts";
import type { Handlers, Objects, Request, WaylandObject } from "./objects.ts";
import { rootOf, type SurfaceTree } from "./surface-tree.ts";
import { encodeWayland } from "./wayland-wire.ts";

/** The largest edge in pixels: twice what the largest cursors have that are made for screens of high resolution. */
const largestEdge = 512;

interface Surface {
	isCursor: boolean;
	/** The largest edge that it is drawn with, as far as it is known. */
	pixels: number;
	viewport: number;
}

export class Cursors {
	readonly #objects: Objects;
	readonly #tree: SurfaceTree;
	readonly #surfaces = new WeakMap<WaylandObject, Surface>();
	readonly #edges = new WeakMap<WaylandObject, number>();
	readonly #viewports = new WeakMap<WaylandObject, Surface>();

	constructor(objects: Objects, tree: SurfaceTree) {
		this.#objects = objects;
		this.#tree = tree;
	}

	readonly requests: Handlers<Request> = {
		"wl_shm_pool.create_buffer": ({ created, values: [, , width, height] }) => {
			if (created !== undefined) this.#edges.set(created, Math.max(Number(width), Number(height)));
			return undefined;
		},
		"wl_surface.attach": ({ object, values: [buffer] }) => {
			const attached = this.#objects.get(Number(buffer));
			const surface = this.#surface(object);
			surface.pixels = attached === undefined ? 0 : (this.#edges.get(attached) ?? 1);
			check(surface);
			return undefined;
		},
		"wp_viewporter.get_viewport": ({ created, values: [, surface] }) => {
			const object = this.#objects.get(Number(surface));
			if (created !== undefined && object !== undefined) this.#viewports.set(created, this.#surface(object));
			return undefined;
		},
		"wp_viewport.set_destination": ({ object, values: [width, height] }) => {
			const surface = this.#viewports.get(object);
			if (surface === undefined) return undefined;
			surface.viewport = Math.max(Number(width), Number(height));
			check(surface);
			return undefined;
		},
		"wl_pointer.set_cursor": ({ object, message, values: [serial, id, x, y] }) => {
			const picture = this.#tree.find(id);
			if (picture === undefined) return undefined;
			if (picture.children.size > 0) throw new GuestFault(ofParts);
			const surface = this.#surface(picture.object);
			surface.isCursor = true;
			check(surface);
			return [encodeWayland(object.id, message, [serial, id, toTip(x), toTip(y)])];
		},
		"wl_subcompositor.get_subsurface": ({ values: [, , parent] }) => {
			const surface = this.#tree.find(parent);
			if (surface !== undefined && this.#surface(rootOf(surface).object).isCursor) throw new GuestFault(ofParts);
			return undefined;
		},
	};

	#surface(object: WaylandObject): Surface {
		const known = this.#surfaces.get(object);
		if (known !== undefined) return known;
		const surface = { isCursor: false, pixels: 0, viewport: 0 };
		this.#surfaces.set(object, surface);
		return surface;
	}
}

const ofParts = "it gave the pointer a picture of several parts";

/** Where in a picture the pointer's tip is. */
const toTip = (at: unknown): number => Math.min(Math.max(Number(at), 0), largestEdge - 1);

function check({ isCursor, pixels, viewport }: Surface): void {
	const edge = Math.max(pixels, viewport);
	if (isCursor && edge > largestEdge)
		throw new GuestFault(`it gave the pointer a picture of ${edge} pixels; ${largestEdge} are allowed`, "Limit");
}
