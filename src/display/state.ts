/** What the broker is told of a vm's windows. */
import type { DisplayState } from "../protocol/display.ts";
import { titleMaxChars, windowsMax } from "../protocol/limits.ts";
import type { Window } from "../wayland/windows.ts";

/** Titles as they stand on the screen, but for their vm's name. One without a title is called by its program. */
export const toState = (vm: string, windows: readonly Window[], cut: string | null): DisplayState => ({
	helper: process.pid,
	windows: windows.slice(0, windowsMax).map(({ id, title, appId }) => ({
		id,
		title: (title === "" ? appId || vm : title).slice(0, titleMaxChars),
		app: appId.slice(0, titleMaxChars),
	})),
	cut,
});
