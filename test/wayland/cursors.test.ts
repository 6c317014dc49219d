import { beforeEach, expect, test } from "vitest";
import { newDisplay, TestProgram } from "./test-program.ts";

let program: TestProgram;
let surface: number;
let pointer: number;
beforeEach(() => {
	program = new TestProgram(newDisplay());
	const bound = program.bindAll();
	pointer = program.make(bound.wl_seat ?? 0, "wl_seat.get_pointer");
	surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	program.host();
});

test.each([
	[
		[24, 7],
		[24, 7],
	],
	[
		[1500, -900],
		[511, 0],
	],
])("A pointer's tip at %j of its picture is at %j.", (said, expected) => {
	program.request(pointer, "wl_pointer.set_cursor", 3, surface, ...said);
	expect(program.host()).toEqual([`wl_pointer@${pointer}.set_cursor 3 #${surface} ${expected.join(" ")}`]);
});

test("A pointer may be hidden.", () => {
	program.request(pointer, "wl_pointer.set_cursor", 3, 0, 0, 0);
	expect(program.host()).toEqual([`wl_pointer@${pointer}.set_cursor 3 #0 0 0`]);
});

test("Nothing is moved by new pixels.", () => {
	program.request(surface, "wl_surface.attach", 0, 500, -500);
	expect(program.host()).toEqual([`wl_surface@${surface}.attach #0 0 0`]);
	const registry = program.make(1, "wl_display.get_registry");
	program.event(registry, "wl_registry.global", 90, "wl_compositor", 5);
	const compositor = program.make(registry, "wl_registry.bind", 90, "wl_compositor", 5);
	const newer = program.make(compositor, "wl_compositor.create_surface");
	program.host();
	program.request(newer, "wl_surface.offset", 500, -500);
	expect(program.host()).toEqual([]);
});
