import { beforeEach, describe, expect, test } from "vitest";
import { newDisplay, TestProgram } from "./test-program.ts";
import { words } from "./wire.ts";

let program: TestProgram;
let bound: Record<string, number>;
let surface: number;
let xdgSurface: number;
let toplevel: number;
beforeEach(() => {
	program = new TestProgram(newDisplay());
	bound = program.bindAll();
	({ surface, xdgSurface, toplevel } = program.window(bound));
	program.host();
});

const geometry = (...box: readonly number[]) => program.request(xdgSurface, "xdg_surface.set_window_geometry", ...box);

function attach(width: number, height: number, to = surface): void {
	program.request(to, "wl_surface.attach", program.buffer(bound, width, height), 0, 0);
}

/** Commits, and what the compositor hears of frames and commits since it was last asked. */
function commit(what = surface): string[] {
	program.request(what, "wl_surface.commit");
	return heard();
}

const heard = (): string[] =>
	program.host().flatMap((line) => (/geometry|commit|position|destination/.test(line) ? [line] : []));

const told = (...box: readonly number[]): string[] => [
	`xdg_surface@${xdgSurface}.set_window_geometry ${box.join(" ")}`,
	`wl_surface@${surface}.commit`,
];
const onlyCommit = (): string[] => [`wl_surface@${surface}.commit`];

/** Of the window's, or of another part. */
function part(of = surface, child = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface")) {
	const registry = program.make(1, "wl_display.get_registry");
	program.event(registry, "wl_registry.global", 90, "wl_subcompositor", 1);
	const subcompositor = program.make(registry, "wl_registry.bind", 90, "wl_subcompositor", 1);
	const object = program.id();
	program.request(subcompositor, "wl_subcompositor.get_subsurface", object, child, of);
	return { object, child };
}

test("A frame within its shadow is as the program says, once, with the commit that it belongs to.", () => {
	geometry(26, 23, 748, 548);
	expect(commit()).toEqual(onlyCommit());
	attach(800, 600);
	expect(commit()).toEqual(told(26, 23, 748, 548));
	expect(commit()).toEqual(onlyCommit());
	attach(900, 700);
	geometry(64, 64, 772, 572);
	expect(commit()).toEqual(told(64, 64, 772, 572));
});

test("A window that says nothing of its frame has none said.", () => {
	attach(800, 600);
	expect(commit()).toEqual(onlyCommit());
	attach(80, 60);
	expect(commit()).toEqual(onlyCommit());
});

test.each([
	["a small frame in the middle", [400, 300, 10, 10], [64, 64, 672, 472]],
	["a frame at the left", [-400, 0, 10, 600], [0, 0, 736, 600]],
	["a frame at the lower right", [790, 590, 10, 10], [64, 64, 736, 536]],
	["a frame outside", [5000, 5000, 10, 10], [64, 64, 736, 536]],
	["a frame far outside", [0x7fffffff, -0x80000000, 0x7fffffff, 1], [64, 0, 736, 536]],
	["a frame around all", [-100, -100, 2000, 2000], [0, 0, 800, 600]],
] as const)("Pixels stand out of %s by a shadow at most.", (_, said, expected) => {
	geometry(...said);
	attach(800, 600);
	expect(commit()).toEqual(told(...expected));
});

test("A window that grows takes its frame along, whatever it said before.", () => {
	geometry(0, 0, 10, 10);
	attach(10, 10);
	expect(commit()).toEqual(told(0, 0, 10, 10));
	attach(800, 600);
	expect(commit()).toEqual(told(0, 0, 736, 536));
	program.request(surface, "wl_surface.attach", 0, 0, 0);
	expect(commit()).toEqual(onlyCommit());
	attach(800, 600);
	expect(commit()).toEqual(told(0, 0, 736, 536));
});

test("A frame without an inside is not passed.", () => {
	geometry(0, 0, 0, 10);
	geometry(0, 0, 10, -1);
	attach(800, 600);
	expect(commit()).toEqual(onlyCommit());
});

test("How large a surface is depends on its buffer's scale and side, and on its viewport.", () => {
	geometry(0, 0, 10, 10);
	attach(400, 200);
	program.request(surface, "wl_surface.set_buffer_scale", 2);
	expect(commit()).toEqual(told(0, 0, 136, 36));
	program.request(surface, "wl_surface.set_buffer_transform", 3);
	expect(commit()).toEqual(told(0, 0, 36, 136));
	const viewport = program.make(bound.wp_viewporter ?? 0, "wp_viewporter.get_viewport", surface);
	// The id comes first on the wire.
	program.host();
	expect(commit()).toEqual(onlyCommit());
	program.request(viewport, "wp_viewport.set_source", 0, 0, 90 * 256, 80 * 256);
	expect(commit()).toEqual(told(0, 0, 26, 16));
	program.request(viewport, "wp_viewport.set_destination", 1000, 500);
	expect(commit().slice(1)).toEqual(told(0, 0, 936, 436));
	program.request(viewport, "wp_viewport.destroy");
	expect(commit()).toEqual(told(0, 0, 36, 136));
});

test("Parts that wait for their window count when they come.", () => {
	geometry(0, 0, 100, 100);
	attach(100, 100);
	expect(commit()).toEqual(told(0, 0, 100, 100));
	const { object, child } = part();
	program.request(object, "wl_subsurface.set_position", -300, -200);
	attach(800, 600, child);
	expect(commit(child).at(-1)).toBe(`wl_surface@${child}.commit`);
	expect(commit()).toEqual(told(-236, -136, 672, 472));
	program.request(object, "wl_subsurface.destroy");
	expect(commit()).toEqual(told(0, 0, 100, 100));
});

test("A part that grows by itself takes the frame along at once.", () => {
	geometry(0, 0, 100, 100);
	attach(100, 100);
	commit();
	const { object, child } = part();
	program.request(object, "wl_subsurface.set_desync");
	attach(164, 164, child);
	expect(commit(child).at(-1)).toBe(`wl_surface@${child}.commit`);
	attach(800, 600, child);
	expect(commit(child)).toEqual([`wl_surface@${child}.commit`, ...told(0, 0, 736, 536)]);
	attach(10, 10, child);
	expect(commit(child)).toEqual([`wl_surface@${child}.commit`, ...told(0, 0, 100, 100)]);
	expect(commit()).toEqual(onlyCommit());
});

test("A window beside others has no shadow there, at once, and again when it is alone.", () => {
	geometry(26, 23, 748, 548);
	attach(800, 600);
	expect(commit()).toEqual(told(26, 23, 748, 548));
	configure();
	expect(heard()).toEqual([]);
	configure(5, 7);
	expect(heard()).toEqual(told(0, 0, 774, 571));
	configure(1);
	expect(heard()).toEqual(told(0, 0, 800, 600));
	configure(4);
	expect(heard()).toEqual(told(26, 23, 748, 548));
	configure(2);
	expect(heard()).toEqual(told(0, 0, 800, 600));
	attach(748, 548);
	geometry(0, 0, 748, 548);
	expect(commit()).toEqual(told(0, 0, 748, 548));
	configure(1);
	expect(heard()).toEqual([]);
});

const configure = (...states: readonly number[]) =>
	program.event(toplevel, "xdg_toplevel.configure", 0, 0, words(...states));

describe.each([
	["zxdg_decoration_manager_v1.get_toplevel_decoration", "zxdg_toplevel_decoration_v1.configure", "destroy"],
	["org_kde_kwin_server_decoration_manager.create", "org_kde_kwin_server_decoration.mode", "release"],
])("Below a title of the compositor's, as %s has it,", (create, mode, end) => {
	let decoration: number;
	const say = (...modes: readonly number[]): void => {
		for (const each of modes) program.event(decoration, mode, each);
	};
	const decorate = (): number => {
		const manager = create.slice(0, create.indexOf("."));
		return program.make(bound[manager] ?? 0, create, create.startsWith("org") ? surface : toplevel);
	};
	beforeEach(() => {
		decoration = decorate();
		program.host();
	});

	test("no pixels of the window cover it, from the moment on that it is there.", () => {
		geometry(26, 23, 748, 548);
		attach(800, 600);
		expect(commit()).toEqual(told(26, 23, 748, 548));
		say(2);
		expect(heard()).toEqual(told(26, 0, 748, 571));
		say(2);
		expect(heard()).toEqual([]);
		geometry(300, 300, 10, 10);
		expect(commit()).toEqual(told(64, 0, 672, 536));
		say(1);
		expect(heard()).toEqual(told(64, 64, 672, 472));
	});

	test("nothing covers it when its program speaks no more of frames, before the compositor says something else.", () => {
		say(2);
		geometry(26, 23, 748, 548);
		attach(800, 600);
		expect(commit()).toEqual(told(26, 0, 748, 571));
		program.request(decoration, `${mode.slice(0, mode.indexOf("."))}.${end}`);
		program.host();
		expect(commit()).toEqual(onlyCommit());
		decoration = decorate();
		expect(heard()).toEqual([]);
		say(1);
		expect(heard()).toEqual(told(26, 23, 748, 548));
	});

	test("a window is told its own size, not the one with what stands out.", () => {
		say(2);
		sized(0, 0);
		geometry(26, 23, 748, 548);
		attach(800, 600);
		commit();
		expect(sized(748, 571)).toEqual([748, 548]);
		expect(sized(900, 700)).toEqual([900, 677]);
		expect(sized(0, 0)).toEqual([0, 0]);
		expect(sized(900, 10)).toEqual([900, 1]);
		// Its shadow is gone with the next size.
		expect(sized(900, 700, 1)).toEqual([900, 700]);
	});
});

/** What the program hears of a size. */
function sized(width: number, height: number, ...states: readonly number[]): readonly number[] {
	program.guest();
	program.event(toplevel, "xdg_toplevel.configure", width, height, words(...states));
	return program.guest().flatMap((line) => /configure (\d+) (\d+)/.exec(line)?.slice(1, 3).map(Number) ?? []);
}

test("A window that draws more than its tile is asked its size once, and told as much less.", () => {
	const asked = () => program.host().filter((line) => line.includes("maximized"));
	const draw = (width: number, height: number) => {
		geometry(14, 12, width, height);
		attach(width + 28, height + 28);
		program.request(surface, "wl_surface.commit");
	};
	const tiled = [5, 6, 7, 8];
	expect(sized(512, 700, ...tiled)).toEqual([512, 700]);
	draw(512, 700);
	expect(asked()).toEqual([`xdg_toplevel@${toplevel}.unset_maximized`]);
	draw(512, 700);
	expect(asked()).toEqual([]);
	expect(sized(512, 700, ...tiled)).toEqual([484, 672]);
	draw(484, 672);
	expect(asked()).toEqual([]);
	expect(sized(512, 700, ...tiled)).toEqual([484, 672]);
	// Nothing is to be asked of one that covers the screen.
	expect(sized(800, 600, 1)).toEqual([800, 600]);
	draw(800, 600);
	expect(asked()).toEqual([]);
	expect(sized(800, 600, 1)).toEqual([772, 572]);
});

test.each(["set_maximized", "set_fullscreen"])(
	"A window that has asked for %s is not asked for its size before it has an answer.",
	(name) => {
		sized(512, 700, 5, 6, 7, 8);
		program.request(toplevel, `xdg_toplevel.${name}`, ...(name === "set_fullscreen" ? [0] : []));
		geometry(14, 12, 512, 700);
		attach(540, 728);
		program.request(surface, "wl_surface.commit");
		expect(program.host().join()).not.toContain("unset_maximized");
		sized(512, 700, 5, 6, 7, 8);
		attach(548, 736);
		program.request(surface, "wl_surface.commit");
		expect(program.host().join()).toContain("unset_maximized");
	},
);

test("A window that is gone is not asked for its size.", () => {
	sized(512, 700, 5, 6, 7, 8);
	geometry(14, 12, 512, 700);
	attach(540, 728);
	program.request(toplevel, "xdg_toplevel.destroy");
	program.request(surface, "wl_surface.commit");
	expect(program.host().join()).not.toContain("maximized");
});

test.each([
	["window", "xdg_toplevel.destroy"],
	["surface of a window", "xdg_toplevel.destroy", "xdg_surface.destroy"],
	["surface", "xdg_toplevel.destroy", "xdg_surface.destroy", "wl_surface.destroy"],
	["surface whose window is left over", "wl_surface.destroy"],
])("Of a %s that is gone the compositor is told nothing, whatever it says meanwhile.", (_, ...ends) => {
	const manager = bound.zxdg_decoration_manager_v1 ?? 0;
	const decoration = program.make(manager, "zxdg_decoration_manager_v1.get_toplevel_decoration", toplevel);
	geometry(26, 23, 748, 548);
	attach(800, 600);
	commit();
	const objects = { xdg_toplevel: toplevel, xdg_surface: xdgSurface, wl_surface: surface };
	for (const end of ends) {
		program.request(objects[end.split(".")[0] as keyof typeof objects], end);
		configure(1);
		program.event(decoration, "zxdg_toplevel_decoration_v1.configure", 2);
		expect(heard()).toEqual([]);
	}
});

test("A surface without a window is nothing that has a frame, until it has one again.", () => {
	geometry(0, 0, 10, 10);
	attach(100, 100);
	commit();
	program.request(toplevel, "xdg_toplevel.destroy");
	attach(800, 600);
	expect(commit()).toEqual(onlyCommit());
	program.make(xdgSurface, "xdg_surface.get_toplevel");
	configure(1);
	attach(800, 600);
	expect(commit()).toEqual(told(0, 0, 736, 536));
});

test("A popup that is gone has no frame.", () => {
	const popup = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	const object = program.make(bound.xdg_wm_base ?? 0, "xdg_wm_base.get_xdg_surface", popup);
	const positioner = program.make(bound.xdg_wm_base ?? 0, "xdg_wm_base.create_positioner");
	const role = program.id();
	program.request(object, "xdg_surface.get_popup", role, xdgSurface, positioner);
	program.request(object, "xdg_surface.set_window_geometry", 0, 0, 10, 10);
	program.request(role, "xdg_popup.destroy");
	program.host();
	attach(300, 300, popup);
	expect(commit(popup)).toEqual([`wl_surface@${popup}.commit`]);
});

test("A window that has less than there is to see of it is told its own size, and one that has more is told what there is.", () => {
	sized(0, 0);
	geometry(300, 300, 10, 10);
	attach(800, 600);
	commit();
	expect(sized(672, 472)).toEqual([10, 10]);
	geometry(-0x80000000, 0, 0x7fffffff, 0x7fffffff);
	commit();
	expect(sized(0x7fffffff, 0x7fffffff)).toEqual([0x7fffffff, 0x7fffffff]);
});

test("A frame that had to be larger goes back when its part is smaller, without the window's own commit.", () => {
	geometry(26, 23, 748, 548);
	attach(800, 600);
	commit();
	const { object, child } = part();
	program.request(object, "wl_subsurface.set_desync");
	attach(900, 600, child);
	expect(commit(child).slice(-2)).toEqual(told(26, 23, 810, 548));
	attach(800, 600, child);
	expect(commit(child)).toEqual([`wl_surface@${child}.commit`, ...told(26, 23, 748, 548)]);
	expect(commit(child)).toEqual([`wl_surface@${child}.commit`]);
});

test("What a program has begun to change in its window it commits itself, unless a part stands out.", () => {
	geometry(0, 0, 100, 100);
	attach(100, 100);
	commit();
	const { object, child } = part();
	program.request(object, "wl_subsurface.set_desync");
	program.request(surface, "wl_surface.set_buffer_scale", 2);
	attach(800, 600, child);
	expect(commit(child).slice(-2)).toEqual(told(0, 0, 736, 536));
	program.request(surface, "wl_surface.set_buffer_scale", 1);
	attach(100, 100, child);
	expect(commit(child)).toEqual([`wl_surface@${child}.commit`]);
	expect(commit()).toEqual(told(0, 0, 100, 100));
});

test("A part that waits for one which does not is not forgotten by what it says before it comes.", () => {
	geometry(0, 0, 100, 100);
	attach(100, 100);
	commit();
	const outer = part();
	const inner = part(outer.child);
	program.request(outer.object, "wl_subsurface.set_desync");
	attach(10, 10, outer.child);
	attach(800, 600, inner.child);
	commit(inner.child);
	expect(commit(outer.child).slice(-2)).toEqual(told(0, 0, 736, 536));
	attach(1, 1, inner.child);
	commit(inner.child);
	expect(commit()).toEqual(onlyCommit());
	expect(commit(outer.child).slice(-2)).toEqual(told(0, 0, 100, 100));
});

test("A surface is no part of itself.", () => {
	const { child } = part();
	expect(() => part(surface, surface)).toThrow("it made a surface a part of itself");
	expect(() => part(child, surface)).toThrow("it made a surface a part of itself");
});

test("A surface is a part once, and may be one again when it is none any more.", () => {
	const other = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	const { object, child } = part(other);
	program.request(object, "wl_subsurface.destroy");
	expect(part(other, child).child).toBe(child);
	expect(() => part(surface, child)).toThrow("it made a surface a part twice");
});

test("A window of a part at the end of the world is a fault.", () => {
	const { object, child } = part();
	attach(10, 10, child);
	commit(child);
	program.request(object, "wl_subsurface.set_position", 0x7fffffff, 0);
	attach(10, 10);
	expect(() => commit()).toThrow("it has a window that reaches over more than 1048576 pixels");
});
