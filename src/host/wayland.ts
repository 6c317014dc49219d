/** The compositor's socket of the user's session, by the two variables that every Wayland client goes by. */
import { statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { WaylandFact } from "../vmm/host-facts.ts";

/** As wl_display_connect(3) reads them: WAYLAND_DISPLAY is a path, or a name in XDG_RUNTIME_DIR. */
export function findWayland(env: NodeJS.ProcessEnv): WaylandFact {
	const { WAYLAND_DISPLAY: display = "", XDG_RUNTIME_DIR: directory = "" } = env;
	if (display === "") return { missing: "WAYLAND_DISPLAY is not set" };
	if (!isAbsolute(display) && !isAbsolute(directory)) {
		return { missing: `WAYLAND_DISPLAY is ${display}, and XDG_RUNTIME_DIR is not set` };
	}
	const socket = isAbsolute(display) ? display : join(directory, display);
	if (statSync(socket, { throwIfNoEntry: false })?.isSocket() === true)
		return { socket, isByName: !isAbsolute(display) };
	return { missing: `WAYLAND_DISPLAY is ${display}, and no compositor has a socket at ${socket}` };
}
