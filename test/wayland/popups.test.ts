import { expect, test } from "vitest";
import type { VmDisplay } from "../../src/wayland/vm-display.ts";
import { newDisplay, TestProgram } from "./test-program.ts";

/** A program with a window of 300 x 200. */
class Menus {
	readonly program: TestProgram;
	readonly bound: Record<string, number>;
	readonly window: number;
	readonly surface: number;

	constructor(display: VmDisplay, screen?: { width: number; height: number }) {
		this.program = new TestProgram(display);
		this.bound = this.program.bindAll();
		const { surface, xdgSurface } = this.program.window(this.bound);
		this.window = xdgSurface;
		this.surface = surface;
		this.attach(surface, 300, 200);
		if (screen !== undefined) {
			this.program.event(this.bound.wl_output ?? 0, "wl_output.mode", 1, screen.width, screen.height, 60);
			this.program.event(this.bound.wl_output ?? 0, "wl_output.mode", 0, 30_000, 30_000, 60);
		}
		this.program.host();
		this.program.guest();
	}

	attach(surface: number, width: number, height: number): void {
		this.program.request(surface, "wl_surface.attach", this.program.buffer(this.bound, width, height), 0, 0);
		this.program.request(surface, "wl_surface.commit");
	}

	positioner(rectangle: readonly number[], offset: readonly number[] = [0, 0], size: readonly number[] = [100, 50]) {
		const made = this.program.make(this.bound.xdg_wm_base ?? 0, "xdg_wm_base.create_positioner");
		this.program.request(made, "xdg_positioner.set_size", ...size);
		this.program.request(made, "xdg_positioner.set_anchor_rect", ...rectangle);
		this.program.request(made, "xdg_positioner.set_offset", ...offset);
		return made;
	}

	popup(positioner = this.positioner([0, 0, 1, 1]), parent = this.window) {
		const { program, bound } = this;
		const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
		const xdgSurface = program.make(bound.xdg_wm_base ?? 0, "xdg_wm_base.get_xdg_surface", surface);
		const popup = program.id();
		program.request(xdgSurface, "xdg_surface.get_popup", popup, parent, positioner);
		return { surface, xdgSurface, popup };
	}

	/** What was said of its place last. */
	placed(): string[] {
		return this.program
			.host()
			.flatMap((line) => /set_(anchor_rect|offset) (.*)/.exec(line)?.slice(1, 3).join(" ") ?? []);
	}
}

test.each([
	["within its window", [10, 20, 30, 40], [-100, 114], ["anchor_rect 10 20 30 40", "offset -100 114"]],
	["beside its window", [290, -20, 30, 40], [0, 0], ["anchor_rect 290 0 10 20", "offset 0 0"]],
	["far away", [5000, -5000, 30, 40], [9000, -9000], ["anchor_rect 299 0 1 1", "offset 164 -114"]],
	["at no number", [0x7fffffff, 0x7fffffff, 0x7fffffff, 1], [0, 0], ["anchor_rect 299 199 1 1", "offset 0 0"]],
])("A popup that is to be %s begins at its window.", (_, rectangle, offset, expected) => {
	const menus = new Menus(newDisplay());
	const positioner = menus.positioner(rectangle, offset);
	menus.placed();
	const { popup } = menus.popup(positioner);
	expect(menus.placed()).toEqual(expected);
	const other = menus.positioner(rectangle, offset);
	menus.placed();
	menus.program.request(popup, "xdg_popup.reposition", other, 1);
	expect(menus.placed()).toEqual(expected);
});

test("A popup is where its program means it, at a window that stands further out than it says.", () => {
	const menus = new Menus(newDisplay());
	const { program } = menus;
	program.request(menus.window, "xdg_surface.set_window_geometry", 100, 80, 150, 100);
	menus.attach(menus.surface, 300, 200);
	menus.placed();
	const { popup } = menus.popup(menus.positioner([10, 20, 30, 40]));
	expect(menus.placed().slice(-2)).toEqual(["anchor_rect 46 36 30 40", "offset 0 0"]);
	program.guest();
	program.event(popup, "xdg_popup.configure", 46, 76, 100, 50);
	expect(program.guest()).toEqual([`xdg_popup@${popup}.configure 10 60 100 50`]);
	program.request(menus.window, "xdg_surface.set_window_geometry", 0x7fffffff, 0x7fffffff, 1, 1);
	menus.attach(menus.surface, 300, 200);
	program.event(popup, "xdg_popup.configure", -0x80000000, 0x7fffffff, 100, 50);
	expect(program.guest().at(-1)).toBe(`xdg_popup@${popup}.configure -2147483648 2147483647 100 50`);
});

test("A popup of a window that is not to be seen begins at its corner.", () => {
	const menus = new Menus(newDisplay());
	const positioner = menus.positioner([50, 60, 10, 10]);
	const { xdgSurface } = menus.program.window(menus.bound);
	menus.placed();
	menus.popup(positioner, xdgSurface);
	expect(menus.placed()).toEqual(["anchor_rect 0 0 1 1", "offset 0 0"]);
});

test("A popup that covers too much is dismissed and not shown, also when it grows later.", () => {
	const menus = new Menus(newDisplay());
	const { surface, popup } = menus.popup();
	menus.attach(surface, 480, 320);
	expect(menus.program.guest()).toEqual([]);
	menus.program.host();
	menus.attach(surface, 481, 320);
	expect(menus.program.guest()).toEqual([`xdg_popup@${popup}.popup_done`]);
	const hidden = [`wl_surface@${surface}.attach #0 0 0`, `wl_surface@${surface}.commit`];
	expect(menus.program.host().slice(-2)).toEqual(hidden);
	menus.attach(surface, 1, 1);
	expect(menus.program.host().slice(-2)).toEqual(hidden);
	expect(menus.program.guest()).toEqual([]);
});

test("Popups of popups are shown down to the tenth.", () => {
	const menus = new Menus(newDisplay());
	let last = menus.popup();
	for (let depth = 2; depth <= 10; depth++) last = menus.popup(undefined, last.xdgSurface);
	menus.attach(last.surface, 10, 10);
	expect(menus.program.guest()).toEqual([]);
	const { surface, popup } = menus.popup(undefined, last.xdgSurface);
	expect(menus.program.guest()).toEqual([`xdg_popup@${popup}.popup_done`]);
	menus.program.host();
	menus.attach(surface, 10, 10);
	expect(menus.program.host().slice(-2)).toEqual([
		`wl_surface@${surface}.attach #0 0 0`,
		`wl_surface@${surface}.commit`,
	]);
	expect(menus.popup(undefined, menus.window)).toBeDefined();
	expect(menus.program.guest()).toEqual([]);
});

test("Popups may cover half of the largest screen that their program has.", () => {
	const menus = new Menus(newDisplay(), { width: 1000, height: 800 });
	const { surface, popup } = menus.popup();
	menus.attach(surface, 500, 800);
	expect(menus.program.guest()).toEqual([]);
	menus.attach(surface, 501, 800);
	expect(menus.program.guest()).toEqual([`xdg_popup@${popup}.popup_done`]);
});

test("What screens have is counted in a window's pixels.", () => {
	const menus = new Menus(newDisplay());
	const registry = menus.program.make(1, "wl_display.get_registry");
	menus.program.event(registry, "wl_registry.global", 90, "wl_output", 4);
	const output = menus.program.make(registry, "wl_registry.bind", 90, "wl_output", 4);
	menus.program.event(output, "wl_output.mode", 1, 2000, 1600, 60);
	menus.program.event(output, "wl_output.scale", 2);
	menus.program.event(output, "wl_output.done");
	menus.program.guest();
	const { surface, popup } = menus.popup();
	menus.attach(surface, 500, 800);
	expect(menus.program.guest()).toEqual([]);
	menus.attach(surface, 501, 800);
	expect(menus.program.guest()).toEqual([`xdg_popup@${popup}.popup_done`]);
});

test("What popups may cover is for those of all programs of a vm together, and comes back with each that goes.", () => {
	const display = newDisplay();
	const one = new Menus(display);
	const other = new Menus(display);
	const first = one.popup();
	one.attach(first.surface, 300, 320);
	const second = other.popup();
	other.attach(second.surface, 300, 320);
	expect(other.program.guest()).toEqual([`xdg_popup@${second.popup}.popup_done`]);
	one.program.request(first.popup, "xdg_popup.destroy");
	const third = other.popup();
	other.attach(third.surface, 300, 320);
	expect(other.program.guest()).toEqual([]);
	other.program.connection.close();
	const fourth = one.popup();
	one.attach(fourth.surface, 300, 320);
	expect(one.program.guest()).toEqual([]);
});

test("A popup's pixels stand out of its frame by a shadow at most.", () => {
	const menus = new Menus(newDisplay());
	const { surface, xdgSurface } = menus.popup();
	menus.program.request(xdgSurface, "xdg_surface.set_window_geometry", 200, 100, 10, 10);
	menus.attach(surface, 400, 200);
	expect(menus.program.host().slice(-2)).toEqual([
		`xdg_surface@${xdgSurface}.set_window_geometry 64 64 272 72`,
		`wl_surface@${surface}.commit`,
	]);
});
