import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findWayland } from "../../src/host/wayland.ts";

const directory = mkdtempSync(join(tmpdir(), "wayland-"));
const socket = join(directory, "wayland-1");
const compositor = createServer();

beforeAll(async () => {
	compositor.listen(socket);
	await once(compositor, "listening");
});
afterAll(() => {
	compositor.close();
	rmSync(directory, { recursive: true });
});

it("is a name in the runtime directory, or a path", () => {
	expect(findWayland({ WAYLAND_DISPLAY: "wayland-1", XDG_RUNTIME_DIR: directory })).toEqual({ socket, isByName: true });
	expect(findWayland({ WAYLAND_DISPLAY: socket })).toEqual({ socket, isByName: false });
});

it.each([
	[{ XDG_RUNTIME_DIR: directory }, "WAYLAND_DISPLAY is not set"],
	[{ WAYLAND_DISPLAY: "", XDG_RUNTIME_DIR: directory }, "WAYLAND_DISPLAY is not set"],
	[{ WAYLAND_DISPLAY: "wayland-1" }, "WAYLAND_DISPLAY is wayland-1, and XDG_RUNTIME_DIR is not set"],
	[
		{ WAYLAND_DISPLAY: "wayland-7", XDG_RUNTIME_DIR: directory },
		`WAYLAND_DISPLAY is wayland-7, and no compositor has a socket at ${directory}/wayland-7`,
	],
	[
		{ WAYLAND_DISPLAY: directory, XDG_RUNTIME_DIR: directory },
		`WAYLAND_DISPLAY is ${directory}, and no compositor has a socket at ${directory}`,
	],
])("is missing, and why is said: %j", (env, missing) => {
	expect(findWayland(env)).toEqual({ missing });
});
