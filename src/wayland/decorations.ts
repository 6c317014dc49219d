/**
 * Who draws the frame of a window: the compositor, wherever a program lets it be asked, since what it writes above has the vm's name. What it draws
 * there is not to be covered (frames.ts). A window whose program does not speak of frames has the compositor's own choice, which we do not know.
 */
import type { Event, Handlers, Objects, Request, WaylandObject } from "./objects.ts";
import type { Surface, SurfaceTree } from "./surface-tree.ts";
import { encodeWayland } from "./wayland-wire.ts";

/** zxdg_toplevel_decoration_v1.mode and org_kde_kwin_server_decoration.mode: the compositor draws the frame. */
const serverSide = 2;

export class Decorations {
	readonly #objects: Objects;
	readonly #tree: SurfaceTree;
	/** By their xdg_surface, and by their xdg_toplevel. */
	readonly #windows = new WeakMap<WaylandObject, Surface>();
	/** By what speaks of their frame, in either protocol. */
	readonly #surfaces = new WeakMap<WaylandObject, Surface>();
	/** Of a surface: by which protocols the compositor has said that it draws the frame. It goes on with that also where what it said it of is gone. */
	readonly #titles = new WeakMap<Surface, Set<string>>();

	constructor(objects: Objects, tree: SurfaceTree) {
		this.#objects = objects;
		this.#tree = tree;
	}

	readonly requests: Handlers<Request> = {
		"xdg_wm_base.get_xdg_surface": ({ created, values: [, id] }) => {
			this.#know(this.#windows, created, this.#tree.find(id));
			return undefined;
		},
		"xdg_surface.get_toplevel": ({ object, created }) => {
			this.#know(this.#windows, created, this.#windows.get(object));
			return undefined;
		},
		"zxdg_decoration_manager_v1.get_toplevel_decoration": ({ created, values: [, id] }) => {
			const toplevel = this.#objects.get(Number(id));
			this.#know(this.#surfaces, created, toplevel && this.#windows.get(toplevel));
			return undefined;
		},
		"org_kde_kwin_server_decoration_manager.create": ({ created, values: [, id] }) => {
			this.#know(this.#surfaces, created, this.#tree.find(id));
			return undefined;
		},
		"zxdg_toplevel_decoration_v1.set_mode": ({ object, message }) => [encodeWayland(object.id, message, [serverSide])],
		"org_kde_kwin_server_decoration.request_mode": ({ object, message }) => [
			encodeWayland(object.id, message, [serverSide]),
		],
	};

	/** `titled` is called after each answer of the compositor. */
	events(titled: (surface: Surface) => void): Handlers<Event> {
		const tell = ({ object, values: [mode] }: Event) => {
			const surface = this.#surfaces.get(object);
			if (surface === undefined) return undefined;
			const titles = this.#titles.get(surface) ?? new Set();
			this.#titles.set(surface, titles);
			if (mode === serverSide) titles.add(object.interface.name);
			else titles.delete(object.interface.name);
			titled(surface);
			return undefined;
		};
		return { "zxdg_toplevel_decoration_v1.configure": tell, "org_kde_kwin_server_decoration.mode": tell };
	}

	/** Whether the compositor draws the frame of its window. */
	hasTitle(surface: Surface): boolean {
		return (this.#titles.get(surface)?.size ?? 0) > 0;
	}

	#know(table: WeakMap<WaylandObject, Surface>, object: WaylandObject | undefined, surface: Surface | undefined): void {
		if (object !== undefined && surface !== undefined) table.set(object, surface);
	}
}
