/** Compositors differ in when they show what waits for a parent: whichever it is, the frame is around all that may be seen. */
import { beforeEach, describe, expect, test } from "vitest";
import { newDisplay, TestProgram } from "./test-program.ts";

interface Part {
	readonly surface: number;
	readonly object: number;
}

let program: TestProgram;
let bound: Record<string, number>;
let subcompositor: number;
let window: number;
let outer: Part;
let inner: Part;
beforeEach(() => {
	program = new TestProgram(newDisplay());
	bound = program.bindAll();
	const registry = program.make(1, "wl_display.get_registry");
	program.event(registry, "wl_registry.global", 90, "wl_subcompositor", 1);
	subcompositor = program.make(registry, "wl_registry.bind", 90, "wl_subcompositor", 1);
	const { surface, xdgSurface } = program.window(bound);
	program.request(xdgSurface, "xdg_surface.set_window_geometry", 0, 0, 100, 100);
	window = surface;
	outer = part(window);
	inner = part(outer.surface);
	draw(inner.surface, 10);
	draw(outer.surface, 10);
	draw(window, 100);
	program.host();
});

function part(of: number): Part {
	const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	const object = program.id();
	program.request(subcompositor, "wl_subcompositor.get_subsurface", object, surface, of);
	return { surface, object };
}

const commit = (surface: number): void => program.request(surface, "wl_surface.commit");

function draw(surface: number, edge: number): void {
	program.request(surface, "wl_surface.attach", program.buffer(bound, edge, edge), 0, 0);
	commit(surface);
}

const set = (of: Part, mode: "sync" | "desync"): void => program.request(of.object, `wl_subsurface.set_${mode}`);
const move = (of: Part, x: number, y: number): void => program.request(of.object, "wl_subsurface.set_position", x, y);

/** What the compositor was told of the frame since it was last asked. */
const frames = (): string[] => program.host().flatMap((line) => /geometry (.*)/.exec(line)?.slice(1) ?? []);

const small = "0 0 100 100";
const large = "0 0 736 736";

describe("A part of a part", () => {
	test("that does not wait itself is as large as it was when its parent does.", () => {
		set(outer, "desync");
		set(inner, "desync");
		draw(inner.surface, 800);
		expect(frames()).toEqual([large]);
		set(outer, "sync");
		draw(inner.surface, 1);
		for (const surface of [outer.surface, window]) commit(surface);
		expect(frames()).toEqual([]);
		set(inner, "sync");
		commit(window);
		expect(frames()).toEqual([]);
		for (const surface of [outer.surface, window]) commit(surface);
		expect(frames()).toEqual([small]);
	});

	test("that has waited and does so no more may be as large as it was, until it waits again.", () => {
		set(outer, "desync");
		set(inner, "desync");
		draw(inner.surface, 800);
		set(outer, "sync");
		draw(inner.surface, 1);
		set(outer, "desync");
		frames();
		draw(inner.surface, 1);
		expect(frames()).toEqual([]);
		set(inner, "sync");
		commit(outer.surface);
		expect(frames()).toEqual([small]);
	});

	test("that comes after its parent comes with that one's next commit.", () => {
		for (const surface of [inner.surface, outer.surface, window]) draw(surface, surface === inner.surface ? 800 : 100);
		expect(frames()).toEqual([large]);
		commit(outer.surface);
		draw(inner.surface, 1);
		commit(window);
		expect(frames()).toEqual([]);
		for (const surface of [outer.surface, window]) commit(surface);
		expect(frames()).toEqual([small]);
	});

	test("may be seen before its window's commit.", () => {
		draw(inner.surface, 800);
		expect(frames()).toEqual([]);
		commit(outer.surface);
		expect(frames()).toEqual([large]);
		commit(window);
		expect(frames()).toEqual([]);
	});

	test("may be wherever it was to be at a commit of its parent.", () => {
		move(inner, -3000, -2000);
		commit(outer.surface);
		move(inner, 0, 0);
		commit(window);
		expect(frames()).toEqual(["-2936 -1936 3036 2036"]);
		for (const surface of [inner.surface, outer.surface, window]) commit(surface);
		expect(frames()).toEqual([small]);
	});

	test("is as large as it says where all wait, and come in order.", () => {
		for (const [edge, frame] of [
			[800, large],
			[10, small],
		] as const) {
			draw(inner.surface, edge);
			for (const surface of [outer.surface, window]) commit(surface);
			expect(frames()).toEqual([frame]);
		}
	});
});

describe("A part", () => {
	test("that was set free shows what has waited.", () => {
		draw(outer.surface, 800);
		set(outer, "desync");
		expect(frames()).toEqual([large]);
		draw(outer.surface, 10);
		expect(frames()).toEqual([small]);
	});

	test.each([["desync"], ["sync"]] as const)(
		"that is %s is where it was until it and its window have come.",
		(mode) => {
			set(outer, mode);
			move(outer, -300, -200);
			for (const surface of [outer.surface, window]) commit(surface);
			expect(frames()).toEqual(["-236 -136 336 236"]);
			move(outer, 0, 0);
			commit(window);
			expect(frames()).toEqual([]);
			for (const surface of [outer.surface, window]) commit(surface);
			expect(frames()).toEqual([small]);
		},
	);
});
