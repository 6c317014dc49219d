import { beforeEach, expect, test } from "vitest";
import { newDisplay, TestProgram } from "./test-program.ts";

let program: TestProgram;
let bound: Record<string, number>;
let surface: number;
beforeEach(() => {
	program = new TestProgram(newDisplay());
	bound = program.bindAll();
	({ surface } = program.window(bound));
	program.host();
});

function damage(count: number, of = surface): string[] {
	for (let at = 0; at < count; at++) program.request(of, "wl_surface.damage", at, at, 1, 1);
	return program.host().map((line) => line.slice(line.indexOf(".") + 1));
}

test("So many changes of a surface pass; after those all of it has changed, until it is shown.", () => {
	const changes = damage(256);
	expect(changes.at(-1)).toBe("damage 255 255 1 1");
	expect(changes).toHaveLength(256);
	expect(damage(1)).toEqual(["damage 0 0 2147483647 2147483647"]);
	expect(damage(1000)).toEqual([]);
	expect(damage(1, program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface"))).toHaveLength(2);
	program.request(surface, "wl_surface.commit");
	program.host();
	expect(damage(256)).toEqual(changes);
});

test("Changes of a part that waits are not forgotten before its window shows them.", () => {
	const registry = program.make(1, "wl_display.get_registry");
	program.event(registry, "wl_registry.global", 90, "wl_subcompositor", 1);
	const subcompositor = program.make(registry, "wl_registry.bind", 90, "wl_subcompositor", 1);
	const part = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	program.request(subcompositor, "wl_subcompositor.get_subsurface", program.id(), part, surface);
	damage(250, part);
	program.request(part, "wl_surface.commit");
	program.host();
	expect(damage(10, part)).toHaveLength(7);
	program.request(part, "wl_surface.commit");
	program.request(surface, "wl_surface.commit");
	program.host();
	expect(damage(10, part)).toHaveLength(10);
});

test("Changes in a buffer's own pixels count as well.", () => {
	const registry = program.make(1, "wl_display.get_registry");
	program.event(registry, "wl_registry.global", 90, "wl_compositor", 4);
	const compositor = program.make(registry, "wl_registry.bind", 90, "wl_compositor", 4);
	const fine = program.make(compositor, "wl_compositor.create_surface");
	damage(255, fine);
	for (let at = 0; at < 9; at++) program.request(fine, "wl_surface.damage_buffer", at, at, 1, 1);
	expect(program.host().map((line) => line.slice(line.indexOf(".") + 1))).toEqual([
		"damage_buffer 0 0 1 1",
		"damage 0 0 2147483647 2147483647",
	]);
});

test("A region has so many rectangles.", () => {
	const region = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_region");
	const change = (name: string) => program.request(region, `wl_region.${name}`, 0, 0, 1, 1);
	for (let at = 0; at < 2048; at++) for (const name of ["add", "subtract"]) change(name);
	expect(program.host()).toHaveLength(4097);
	expect(() => change("add")).toThrow("it made a region of more than 4096 rectangles");
	const other = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_region");
	expect(() => program.request(other, "wl_region.add", 0, 0, 1, 1)).not.toThrow();
});
