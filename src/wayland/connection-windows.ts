/** The windows of one connection: each has its vm's name before it is seen, and does not cover the screen that shows it. */
import type { Budget } from "./budget.ts";
import { GuestFault } from "./faults.ts";
import { messageOf } from "./interfaces.ts";
import { tagAppId, tagTitle, toSafeAppId, toSafeTitle } from "./names.ts";
import type { Handlers, Objects, Request, Verdict, WaylandObject } from "./objects.ts";
import { encodeWayland } from "./wayland-wire.ts";
import type { Toplevel, WindowList } from "./windows.ts";

interface Surface {
	/** Whether the next commit gives it pixels, or takes them away; undefined where it does neither. */
	pending: boolean | undefined;
	toplevel: Toplevel | undefined;
}

export interface WindowRules {
	readonly vm: string;
	/** Whether a window may cover the screen with all that shows whose it is. */
	readonly allowFullscreen: boolean;
}

export class ConnectionWindows {
	readonly #rules: WindowRules;
	readonly #objects: Objects;
	readonly #list: WindowList;
	readonly #budget: Budget;
	readonly #surfaces = new WeakMap<WaylandObject, Surface>();
	/** By their xdg_surface. */
	readonly #surfaceOf = new WeakMap<WaylandObject, Surface>();
	/** By their xdg_toplevel. */
	readonly #toplevels = new Map<WaylandObject, Toplevel>();

	constructor(rules: WindowRules, objects: Objects, list: WindowList, budget: Budget) {
		this.#rules = rules;
		this.#objects = objects;
		this.#list = list;
		this.#budget = budget;
	}

	readonly requests: Handlers<Request> = {
		"wl_compositor.create_surface": ({ created }) => {
			if (created !== undefined) this.#surfaces.set(created, { pending: undefined, toplevel: undefined });
			return undefined;
		},
		"wl_surface.attach": ({ object, values: [buffer] }) => {
			const surface = this.#surfaces.get(object);
			if (surface !== undefined) surface.pending = buffer !== 0;
			return undefined;
		},
		"wl_surface.commit": ({ object }) => {
			const surface = this.#surfaces.get(object);
			if (surface?.pending === undefined) return undefined;
			this.#show(surface, surface.pending);
			surface.pending = undefined;
			return undefined;
		},
		"wl_surface.destroy": ({ object }) => {
			const surface = this.#surfaces.get(object);
			if (surface !== undefined) this.#show(surface, false);
			return undefined;
		},
		"xdg_wm_base.get_xdg_surface": ({ created, values: [, surfaceId] }) => {
			const object = this.#objects.get(Number(surfaceId));
			const surface = object === undefined ? undefined : this.#surfaces.get(object);
			if (created !== undefined && surface !== undefined) this.#surfaceOf.set(created, surface);
			return undefined;
		},
		"xdg_surface.get_toplevel": (request) => this.#open(request),
		"xdg_surface.get_popup": ({ values: [, parent] }) => {
			if (parent === 0) throw new GuestFault("it opened a popup that belongs to no window");
			return undefined;
		},
		"xdg_toplevel.set_title": ({ object, message, values: [title] }) => {
			const toplevel = this.#toplevels.get(object);
			if (toplevel === undefined) return undefined;
			const before = toplevel.title;
			toplevel.title = toSafeTitle(String(title));
			if (toplevel.title !== before) this.#list.renamed(toplevel);
			return [encodeWayland(object.id, message, [tagTitle(this.#rules.vm, toplevel.title)])];
		},
		"xdg_toplevel.set_app_id": ({ object, message, values: [appId] }) => {
			const toplevel = this.#toplevels.get(object);
			if (toplevel === undefined) return undefined;
			const before = toplevel.appId;
			toplevel.appId = toSafeAppId(String(appId));
			if (toplevel.appId !== before) this.#list.renamed(toplevel);
			return [encodeWayland(object.id, message, [tagAppId(this.#rules.vm, toplevel.appId)])];
		},
		"xdg_toplevel.destroy": ({ object }) => {
			this.#close(object);
			return undefined;
		},
		// The compositor answers either; with the one its frame stays.
		"xdg_toplevel.set_fullscreen": ({ object }) => this.#instead(object, "xdg_toplevel.set_maximized"),
		"xdg_toplevel.unset_fullscreen": ({ object }) => this.#instead(object, "xdg_toplevel.unset_maximized"),
	};

	close(): void {
		for (const object of [...this.#toplevels.keys()]) this.#close(object);
	}

	#open({ object, created, raw }: Request): readonly Buffer[] {
		this.#budget.take("toplevels");
		const toplevel: Toplevel = { id: this.#list.nextId(), title: "", appId: "", state: "hidden" };
		if (created === undefined) return [raw];
		this.#toplevels.set(created, toplevel);
		const surface = this.#surfaceOf.get(object);
		if (surface !== undefined) surface.toplevel = toplevel;
		// So that it has its names before anything of it is seen, whatever the guest does next.
		return [
			raw,
			encodeWayland(created.id, messageOf("xdg_toplevel.set_title"), [tagTitle(this.#rules.vm, "")]),
			encodeWayland(created.id, messageOf("xdg_toplevel.set_app_id"), [tagAppId(this.#rules.vm, "")]),
		];
	}

	#show(surface: Surface, hasPixels: boolean): void {
		if (surface.toplevel !== undefined) this.#list.set(surface.toplevel, hasPixels);
	}

	#close(object: WaylandObject): void {
		const toplevel = this.#toplevels.get(object);
		if (toplevel === undefined) return;
		this.#toplevels.delete(object);
		this.#budget.give("toplevels");
		this.#list.close(toplevel);
	}

	#instead(object: WaylandObject, name: string): Verdict {
		return this.#rules.allowFullscreen ? undefined : [encodeWayland(object.id, messageOf(name), [])];
	}
}
