import { expect, test } from "vitest";
import { allowedGlobals } from "../../src/wayland/globals.ts";
import { interfaces } from "../../src/wayland/interfaces.ts";
import { newDisplay, TestProgram } from "./test-program.ts";

test("What a guest gets to see is what is allowed, in versions that we know; the rest neither comes nor goes.", () => {
	const program = new TestProgram(newDisplay());
	const registry = program.make(1, "wl_display.get_registry");
	program.guest();
	const others = [
		...[
			"zwlr_screencopy_manager_v1",
			"zwlr_data_control_manager_v1",
			"ext_data_control_manager_v1",
			"zwlr_layer_shell_v1",
		],
		...["zwp_virtual_keyboard_manager_v1", "zwlr_virtual_pointer_manager_v1", "zwp_input_method_manager_v2"],
		...["zwlr_foreign_toplevel_manager_v1", "zwp_linux_dmabuf_v1", "wl_drm", "zwp_primary_selection_device_manager_v1"],
		...["ext_session_lock_manager_v1", "xdg_activation_v1", "zwp_pointer_constraints_v1", "constructor", "__proto__"],
	];
	for (const [number, name] of others.entries()) program.event(registry, "wl_registry.global", number, name, 1);
	for (const [index, name] of allowedGlobals.entries())
		program.event(registry, "wl_registry.global", 100 + index, name, 99);
	expect(program.guest()).toEqual(
		allowedGlobals.map(
			(name, index) => `wl_registry@${registry}.global ${100 + index} ${name} ${interfaces.get(name)?.version}`,
		),
	);
	for (const number of others.keys()) program.event(registry, "wl_registry.global_remove", number);
	expect(program.guest()).toEqual([]);
	program.event(registry, "wl_registry.global_remove", 100);
	expect(program.guest()).toEqual([`wl_registry@${registry}.global_remove 100`]);
});

test("A global that goes while a guest reaches for it is no fault.", () => {
	const program = new TestProgram(newDisplay());
	const registry = program.make(1, "wl_display.get_registry");
	program.event(registry, "wl_registry.global", 5, "wl_output", 4);
	program.event(registry, "wl_registry.global_remove", 5);
	const output = program.make(registry, "wl_registry.bind", 5, "wl_output", 4);
	expect(program.host().at(-1)).toBe(`wl_registry@${registry}.bind 5 wl_output 4 #${output}`);
});

test("Who made a screen, and its serial number, are not told.", () => {
	const program = new TestProgram(newDisplay());
	const registry = program.make(1, "wl_display.get_registry");
	program.event(registry, "wl_registry.global", 5, "wl_output", 4);
	const output = program.make(registry, "wl_registry.bind", 5, "wl_output", 4);
	program.guest();
	program.event(output, "wl_output.geometry", 0, 0, 600, 340, 0, "Dell Inc.", "U2720Q 8XK2", 0);
	program.event(output, "wl_output.description", "Dell Inc. U2720Q 8XK2 (DP-1)");
	program.event(output, "wl_output.name", "DP-1");
	expect(program.guest()).toEqual([
		`wl_output@${output}.geometry 0 0 600 340 0 screen screen 0`,
		`wl_output@${output}.description screen`,
		`wl_output@${output}.name DP-1`,
	]);
});
