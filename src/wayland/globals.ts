/**
 * What of the compositor a guest may use. All else is not announced to it: among others copies of the screen, the host's clipboard
 * (data-control, primary selection), bars and wallpapers (layer-shell), the screen's lock, virtual keyboards, input methods, lists of other
 * windows, activation (a window that takes the keyboard while somebody types), pointer constraints (a pointer that can't leave),
 * inhibited shortcuts and idleness, icons of its choosing, and the graphics card (linux-dmabuf).
 */
import { interfaceOf } from "./interfaces.ts";

/** With the reason: what a guest can do with it, at worst. */
const allowed: Readonly<Record<string, string>> = {
	wl_compositor: "surfaces: pixels, seen where a window is",
	wl_subcompositor: "surfaces that move with their window, whose frame is around them",
	wl_shm: "pixels in memory, counted by us",
	wl_seat: "keys, pointer and touch while one of its own windows has them",
	wl_output: "how large and how fine the screens are; who made them is kept from it",
	wl_data_device_manager: "a clipboard and drag and drop of the vm's own: see clipboard.ts and data-devices.ts",
	xdg_wm_base: "windows, which have the vm's name before their title; popups, which begin at a window and cover little",
	zxdg_decoration_manager_v1:
		"asks who draws the frame, and is told to leave it to the host, whose frame shows the title",
	org_kde_kwin_server_decoration_manager: "the same, for GTK",
	zxdg_output_manager_v1: "where the screens are beside each other",
	wp_viewporter: "scaled and cut pixels of its own",
	wp_fractional_scale_manager_v1: "how fine to draw",
	wp_single_pixel_buffer_manager_v1: "pixels of one colour",
	wp_presentation: "when its own pixels were shown",
	wp_cursor_shape_manager_v1: "the host's own cursors, over its own windows",
	zwp_text_input_manager_v3: "input methods of the host's for its own text fields; they learn what it tells them",
};

/** The version that a guest may use of a global that has `version`; undefined where it is not for guests. */
export function allowedVersion(name: string, version: number): number | undefined {
	return Object.hasOwn(allowed, name) ? Math.min(version, interfaceOf(name).version) : undefined;
}

export const allowedGlobals: readonly string[] = Object.keys(allowed);
