import { expect, test, vi } from "vitest";
import { newDisplay, TestProgram } from "./test-program.ts";
import { find, wayland, wire } from "./wire.ts";

test("A window has its vm's name before anything of it is seen, and whatever the guest calls it.", () => {
	const program = new TestProgram(newDisplay());
	const bound = program.bindAll();
	const { toplevel } = program.window(bound);
	expect(program.host().slice(-4)).toEqual([
		`xdg_surface@${toplevel - 1}.get_toplevel #${toplevel}`,
		`xdg_toplevel@${toplevel}.set_title [shopping] `,
		`xdg_toplevel@${toplevel}.set_app_id qubes-lite.shopping.`,
		`wl_surface@${toplevel - 2}.commit`,
	]);
	program.request(toplevel, "xdg_toplevel.set_title", "Mail \u202e\u2028 [banking]\u0007\n");
	program.request(toplevel, "xdg_toplevel.set_app_id", "org.mozilla/firefox\u0000".replace("\u0000", ";é"));
	expect(program.host()).toEqual([
		`xdg_toplevel@${toplevel}.set_title [shopping] Mail \ufffd\ufffd [banking]\ufffd `,
		`xdg_toplevel@${toplevel}.set_app_id qubes-lite.shopping.org.mozilla_firefox__`,
	]);
});

test("What is no UTF-8 in the names of a window is replaced.", () => {
	const program = new TestProgram(newDisplay());
	const { toplevel } = program.window(program.bindAll());
	program.host();
	for (const name of ["set_title", "set_app_id"]) {
		const message = find(`xdg_toplevel.${name}`, "requests");
		program.send(wire("protocol", wayland(toplevel, message, [Buffer.from([0x61, 0xff, 0x62, 0])])));
	}
	expect(program.host()).toEqual([
		`xdg_toplevel@${toplevel}.set_title [shopping] a\ufffdb`,
		`xdg_toplevel@${toplevel}.set_app_id qubes-lite.shopping.a_b`,
	]);
});

test("A title is cut at 200 characters, and no character in two.", () => {
	const program = new TestProgram(newDisplay());
	const { toplevel } = program.window(program.bindAll());
	program.host();
	program.request(toplevel, "xdg_toplevel.set_title", "🦊".repeat(300));
	expect(program.host()).toEqual([`xdg_toplevel@${toplevel}.set_title [shopping] ${"🦊".repeat(200)}`]);
});

test("A window is on the list while it has pixels, under the guest's names, made safe.", () => {
	const windowsChanged = vi.fn();
	const display = newDisplay({ windowsChanged });
	const program = new TestProgram(display);
	const bound = program.bindAll();
	const { surface, toplevel } = program.window(bound);
	program.request(toplevel, "xdg_toplevel.set_title", "Mail\u0000".replace("\u0000", "\u001b"));
	expect(display.windows).toEqual([]);
	expect(windowsChanged).toHaveBeenCalledTimes(0);
	program.show(bound, surface);
	expect(display.windows).toEqual([{ id: 1, title: "Mail\ufffd", appId: "" }]);
	program.request(toplevel, "xdg_toplevel.set_app_id", "mail");
	expect(display.windows).toEqual([{ id: 1, title: "Mail\ufffd", appId: "mail" }]);
	program.request(surface, "wl_surface.attach", 0, 0, 0);
	expect(display.windows).toHaveLength(1);
	program.request(surface, "wl_surface.commit");
	expect(display.windows).toEqual([]);
	program.show(bound, surface);
	program.request(toplevel, "xdg_toplevel.destroy");
	expect(display.windows).toEqual([]);
	program.show(bound, surface);
	expect(display.windows).toEqual([]);
	expect(windowsChanged).toHaveBeenCalledTimes(5);
});

test("Windows of all programs of a vm are on one list, and leave it with their connection.", () => {
	const display = newDisplay();
	const programs = [new TestProgram(display), new TestProgram(display)];
	for (const program of programs) {
		const bound = program.bindAll();
		program.show(bound, program.window(bound).surface);
	}
	expect(display.windows.map(({ id }) => id)).toEqual([1, 2]);
	programs[0]?.connection.close();
	expect(display.windows.map(({ id }) => id)).toEqual([2]);
});

test("Popups and bare surfaces are no windows.", () => {
	const display = newDisplay();
	const program = new TestProgram(display);
	const bound = program.bindAll();
	const { xdgSurface } = program.window(bound);
	const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	const popup = program.make(bound.xdg_wm_base ?? 0, "xdg_wm_base.get_xdg_surface", surface);
	const positioner = program.make(bound.xdg_wm_base ?? 0, "xdg_wm_base.create_positioner");
	program.request(popup, "xdg_surface.get_popup", program.id(), xdgSurface, positioner);
	program.show(bound, surface);
	program.show(bound, program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface"));
	expect(display.windows).toEqual([]);
});

test("A window that wants to cover the screen is made as large as can be; where that is allowed it covers the screen.", () => {
	for (const allowFullscreen of [false, true]) {
		const program = new TestProgram(newDisplay({ allowFullscreen }));
		const { toplevel } = program.window(program.bindAll());
		program.host();
		program.request(toplevel, "xdg_toplevel.set_fullscreen", 0);
		program.request(toplevel, "xdg_toplevel.unset_fullscreen");
		expect(program.host()).toEqual(
			allowFullscreen
				? [`xdg_toplevel@${toplevel}.set_fullscreen #0`, `xdg_toplevel@${toplevel}.unset_fullscreen`]
				: [`xdg_toplevel@${toplevel}.set_maximized`, `xdg_toplevel@${toplevel}.unset_maximized`],
		);
	}
});

test("The host draws the frame, whatever the guest asks for.", () => {
	const program = new TestProgram(newDisplay());
	const bound = program.bindAll();
	const { surface, toplevel } = program.window(bound);
	const decoration = program.make(
		bound.zxdg_decoration_manager_v1 ?? 0,
		"zxdg_decoration_manager_v1.get_toplevel_decoration",
		toplevel,
	);
	const kde = program.make(
		bound.org_kde_kwin_server_decoration_manager ?? 0,
		"org_kde_kwin_server_decoration_manager.create",
		surface,
	);
	program.host();
	program.request(decoration, "zxdg_toplevel_decoration_v1.set_mode", 1);
	program.request(kde, "org_kde_kwin_server_decoration.request_mode", 1);
	expect(program.host()).toEqual([
		`zxdg_toplevel_decoration_v1@${decoration}.set_mode 2`,
		`org_kde_kwin_server_decoration@${kde}.request_mode 2`,
	]);
});
