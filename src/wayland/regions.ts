/** Rectangles, of which a compositor makes regions: each that is added costs it the more the more there are. */
import { GuestFault } from "./faults.ts";
import { messageOf } from "./interfaces.ts";
import type { Handlers, Request, Verdict, WaylandObject } from "./objects.ts";
import type { SurfaceTree } from "./surface-tree.ts";
import { encodeWayland } from "./wayland-wire.ts";

/** That have changed in a surface until they are shown. Beyond that all of it has. */
const mostDamages = 256;
/** Of one region; the outline of a round window has one for each of its lines. */
const mostRectangles = 4096;
const endless = 0x7fffffff;

export class Regions {
	readonly #tree: SurfaceTree;
	readonly #rectangles = new WeakMap<WaylandObject, number>();

	constructor(tree: SurfaceTree) {
		this.#tree = tree;
	}

	readonly requests: Handlers<Request> = {
		"wl_surface.damage": ({ object }) => this.#damage(object),
		"wl_surface.damage_buffer": ({ object }) => this.#damage(object),
		"wl_region.add": ({ object }) => this.#count(object),
		"wl_region.subtract": ({ object }) => this.#count(object),
	};

	#damage(object: WaylandObject): Verdict {
		const surface = this.#tree.of(object);
		surface.damages++;
		if (surface.damages <= mostDamages) return undefined;
		if (surface.damages > mostDamages + 1) return [];
		return [encodeWayland(object.id, messageOf("wl_surface.damage"), [0, 0, endless, endless])];
	}

	#count(region: WaylandObject): undefined {
		const count = (this.#rectangles.get(region) ?? 0) + 1;
		this.#rectangles.set(region, count);
		if (count > mostRectangles)
			throw new GuestFault(`it made a region of more than ${mostRectangles} rectangles`, "Limit");
	}
}
