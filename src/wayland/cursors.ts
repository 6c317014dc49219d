/** Pictures that the guest gives the pointer: small ones, since they are drawn over everything that is near it. */
import { GuestFault } from "./faults.ts";
import type { Handlers, Objects, Request, WaylandObject } from "./objects.ts";

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
	readonly #surfaces = new WeakMap<WaylandObject, Surface>();
	readonly #edges = new WeakMap<WaylandObject, number>();
	readonly #viewports = new WeakMap<WaylandObject, Surface>();

	constructor(objects: Objects) {
		this.#objects = objects;
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
		"wl_pointer.set_cursor": ({ values: [, id] }) => {
			const object = this.#objects.get(Number(id));
			if (object === undefined) return undefined;
			const surface = this.#surface(object);
			surface.isCursor = true;
			check(surface);
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

function check({ isCursor, pixels, viewport }: Surface): void {
	const edge = Math.max(pixels, viewport);
	if (isCursor && edge > largestEdge)
		throw new GuestFault(`it gave the pointer a picture of ${edge} pixels; ${largestEdge} are allowed`, "Limit");
}
