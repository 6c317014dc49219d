import { describe } from "vitest";
import { type Case, protocol, testCases } from "./fault-cases.ts";
import type { TestProgram } from "./test-program.ts";
import { find, wayland, wire, words } from "./wire.ts";

const requests: readonly Case[] = [
	{ what: "half a message", sentence: "it sent a part of a Wayland message", act: protocol(words(1)) },
	{
		what: "a message that is shorter than its head",
		sentence: "it sent a Wayland message of an impossible size",
		act: protocol(words(1, 4 * 65536)),
	},
	{
		what: "a message that is longer than what there is",
		sentence: "it sent a Wayland message of an impossible size",
		act: protocol(words(1, 16 * 65536)),
	},
	{
		what: "a message that no libwayland would send",
		sentence: "it sent a Wayland message of 8192 bytes",
		act: protocol(words(1, 8192 * 65536), Buffer.alloc(8184)),
	},
	{
		what: "a request to nothing",
		sentence: "a request speaks of an object that is not there",
		act: protocol(words(99, 8 * 65536)),
	},
	{
		what: "a request to an offer that it does not have",
		sentence: "a request speaks of an object that is not there",
		act: protocol(words(0xff000000, 8 * 65536 + 2)),
	},
	{
		what: "a request that is too new",
		sentence: "it sent request 9 to a wl_surface, which has no such",
		act: (program, bound) => {
			const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
			program.request(surface, "wl_surface.damage_buffer", 0, 0, 1, 1);
		},
	},
	{
		what: "a request that there is not",
		sentence: "it sent request 7 to a wl_display, which has no such",
		act: protocol(words(1, 8 * 65536 + 7)),
	},
	{
		what: "descriptors with a request that takes none",
		sentence: "wl_display.sync came with 1 descriptors",
		act: protocol(words(1, 12 * 65536 + 2048, 50)),
	},
	{
		what: "arguments that are missing",
		sentence: "wl_display.sync came too short",
		act: protocol(words(1, 8 * 65536)),
	},
	{
		what: "arguments too many",
		sentence: "wl_display.sync came too long",
		act: protocol(words(1, 16 * 65536, 50, 0)),
	},
	{
		what: "no descriptor where there must be one",
		sentence: "wl_shm.create_pool came without its descriptor",
		act: (program, bound) => program.request(bound.wl_shm ?? 0, "wl_shm.create_pool", 50, 4),
	},
	{
		what: "a pool of a pipe",
		sentence: "it made a pool of pixels without a file",
		act: (program, bound) => {
			program.send(wire("openReadPipe", words(9)), wire("injectRids", words(9)));
			program.request(bound.wl_shm ?? 0, "wl_shm.create_pool", 50, 4);
		},
	},
	{
		what: "a pool that is larger than its file",
		sentence: "it made a pool of pixels that is larger than its file",
		act: (program, bound) => {
			program.send(wire("injectRids", words(program.file(4))));
			program.request(bound.wl_shm ?? 0, "wl_shm.create_pool", 50, 8);
		},
	},
	{
		what: "a pool that becomes larger than its file",
		sentence: "it made a pool of pixels that is larger than its file",
		act: (program, bound) => {
			const pool = program.buffer(bound) - 1;
			program.send(wire("extendFile", words(1, 100)));
			program.request(pool, "wl_shm_pool.resize", 100);
			program.request(pool, "wl_shm_pool.resize", 101);
		},
	},
	{
		what: "an object where there is one",
		sentence: "it made an object with the id 1, which is taken",
		act: (program) => program.request(1, "wl_display.sync", 1),
	},
	{
		what: "an object of the compositor's",
		sentence: "it made an object with the id 4278190080, which is not a program's",
		act: (program) => program.request(1, "wl_display.sync", 0xff000000),
	},
	{
		what: "an object without an id",
		sentence: "wl_display.sync came without one of its objects",
		act: (program) => program.request(1, "wl_display.sync", 0),
	},
	{
		what: "an object of the wrong kind",
		sentence: "xdg_wm_base.get_xdg_surface speaks of a wl_seat",
		act: (program, bound) =>
			program.request(bound.xdg_wm_base ?? 0, "xdg_wm_base.get_xdg_surface", 50, bound.wl_seat ?? 0),
	},
	{
		what: "an object that it has destroyed",
		sentence: "a request speaks of an object that is not there",
		act: (program, bound) => {
			const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
			program.request(surface, "wl_surface.destroy");
			program.request(surface, "wl_surface.commit");
		},
	},
	{
		what: "a popup of no window",
		sentence: "it opened a popup that belongs to no window",
		act: (program, bound) => {
			const { xdgSurface } = program.window(bound);
			const positioner = program.make(bound.xdg_wm_base ?? 0, "xdg_wm_base.create_positioner");
			program.request(xdgSurface, "xdg_surface.get_popup", 50, 0, positioner);
		},
	},
	...[
		{ what: "a global that it was not offered", values: [77, "wl_shm", 1] as const },
		{ what: "a global by another's number", values: [0, "wl_shm", 1] as const },
		{
			what: "a global that the compositor has and a guest may not have",
			values: [90, "zwlr_screencopy_manager_v1", 1] as const,
		},
	].map(({ what, values }) => ({
		what,
		sentence: "it wanted to use a part of the compositor that it was not offered",
		act: (program: TestProgram) => {
			const registry = program.make(1, "wl_display.get_registry");
			program.event(registry, "wl_registry.global", 90, "zwlr_screencopy_manager_v1", 3);
			program.request(registry, "wl_registry.bind", ...values, program.id());
		},
	})),
	{
		what: "a version that it was not offered",
		sentence: "it wanted version 9 of wl_compositor, and was offered 3",
		act: (program) => {
			const registry = program.make(1, "wl_display.get_registry");
			program.request(registry, "wl_registry.bind", 0, "wl_compositor", 9, program.id());
		},
	},
	...[
		{
			what: "a text without an end",
			text: Buffer.from("abcd"),
			sentence: "a text in xdg_toplevel.set_title has no end, or two",
		},
		{
			what: "a text with two ends",
			text: Buffer.from("a\0c\0"),
			sentence: "a text in xdg_toplevel.set_title has no end, or two",
		},
		{ what: "no text", text: null, sentence: "xdg_toplevel.set_title came without its text" },
	].map(({ what, text, sentence }) => ({
		what,
		sentence,
		act: (program: TestProgram, bound: Record<string, number>) => {
			const { toplevel } = program.window(bound);
			program.send(wire("protocol", wayland(toplevel, find("xdg_toplevel.set_title", "requests"), [text])));
		},
	})),
	{
		what: "a text that is no UTF-8",
		sentence: "a text in wl_data_source.offer is not UTF-8",
		act: (program, bound) => {
			const source = program.make(bound.wl_data_device_manager ?? 0, "wl_data_device_manager.create_data_source");
			const offer = wayland(source, find("wl_data_source.offer", "requests"), [Buffer.from([0xff, 0])]);
			program.send(wire("protocol", offer));
		},
	},
	{
		what: "a text that is longer than its message",
		sentence: "xdg_toplevel.set_title came too short",
		act: (program, bound) => {
			const { toplevel } = program.window(bound);
			program.send(wire("protocol", words(toplevel, 16 * 65536 + 2, 5000, 0)));
		},
	},
	{
		what: "a pointer that covers the screen",
		sentence: "it gave the pointer a picture of 4000 pixels; 512 are allowed",
		act: (program, bound) => {
			const pointer = program.make(bound.wl_seat ?? 0, "wl_seat.get_pointer");
			const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
			program.request(pointer, "wl_pointer.set_cursor", 1, surface, 0, 0);
			program.request(surface, "wl_surface.attach", program.buffer(bound, 10, 4000), 0, 0);
		},
	},
	{
		what: "a pointer that is scaled to cover the screen",
		sentence: "it gave the pointer a picture of 4000 pixels; 512 are allowed",
		act: (program, bound) => {
			const pointer = program.make(bound.wl_seat ?? 0, "wl_seat.get_pointer");
			const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
			const viewport = program.make(bound.wp_viewporter ?? 0, "wp_viewporter.get_viewport", surface);
			program.request(viewport, "wp_viewport.set_destination", 4000, 10);
			program.request(pointer, "wl_pointer.set_cursor", 1, surface, 0, 0);
		},
	},
	...["before", "after"].map((when) => ({
		what: `a pointer with parts that come ${when} it`,
		sentence: "it gave the pointer a picture of several parts",
		act: (program: TestProgram, bound: Record<string, number>) => {
			const pointer = program.make(bound.wl_seat ?? 0, "wl_seat.get_pointer");
			const surface = () => program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
			const registry = program.make(1, "wl_display.get_registry");
			program.event(registry, "wl_registry.global", 90, "wl_subcompositor", 1);
			const subcompositor = program.make(registry, "wl_registry.bind", 90, "wl_subcompositor", 1);
			const [picture, part, inner] = [surface(), surface(), surface()];
			const join = (child: number, parent: number) =>
				program.request(subcompositor, "wl_subcompositor.get_subsurface", program.id(), child, parent);
			join(inner, part);
			if (when === "before") join(part, picture);
			program.request(pointer, "wl_pointer.set_cursor", 1, picture, 0, 0);
			join(part, picture);
		},
	})),
];

describe("A request", () => testCases(requests));
