/** What a guest may not do: each is one sentence, which ends "the display of shopping was cut: …". */
import { describe, expect, test } from "vitest";
import { GuestFault, HostFault } from "../../src/wayland/faults.ts";
import type { DisplayLimits } from "../../src/wayland/limits.ts";
import { newDisplay, TestProgram } from "./test-program.ts";
import { find, token, wayland, wire, words } from "./wire.ts";

interface Case {
	readonly what: string;
	readonly sentence: string;
	readonly limits?: Partial<DisplayLimits>;
	readonly act: (program: TestProgram, bound: Record<string, number>) => void;
}

const sends =
	(...messages: readonly Buffer[]): Case["act"] =>
	(program) =>
		program.send(...messages);
const protocol = (...parts: readonly Buffer[]): Case["act"] => sends(wire("protocol", ...parts));

function draws(program: TestProgram, ...messages: readonly Buffer[]): void {
	program.file(4096);
	program.send(...messages);
}

function openWindows(count: number): Case["act"] {
	return (program, bound) => {
		for (let opened = 0; opened < count; opened++) program.window(bound);
	};
}

const waypipe: readonly Case[] = [
	{
		what: "a graphics card's file",
		sentence: "it sent a message of type 4, which no display without a graphics card has",
		act: sends(wire("openDmabuf", Buffer.alloc(64))),
	},
	{
		what: "a type that nobody knows",
		sentence: "it sent a message of type 31, which no display without a graphics card has",
		act: sends(wire(31)),
	},
	{
		what: "the wish to come back",
		sentence: "its waypipe wanted to come back to a connection that was cut",
		act: sends(wire("restart", words(0))),
	},
	{
		what: "a message without room for its own size",
		sentence: "it sent a message (protocol) with -4 bytes",
		act: sends(words(0)),
	},
	{
		what: "a message that is too large, before it has come",
		sentence: "it sent a message (protocol) with 134217720 bytes",
		act: sends(words((2 ** 27 - 4) * 32)),
	},
	{
		what: "a pipe with a strange size",
		sentence: "it sent a message (openReadPipe) with 8 bytes",
		act: sends(wire("openReadPipe", words(1, 2))),
	},
	{
		what: "a number of the host's",
		sentence: "it numbered a descriptor as only the host does",
		act: sends(wire("openFile", words(-1, 10))),
	},
	{
		what: "the same number twice",
		sentence: "it numbered two descriptors alike",
		act: sends(wire("openFile", words(1, 10)), wire("openReadPipe", words(1))),
	},
	{
		what: "descriptors without end",
		sentence: "it sent descriptors that belong to nothing",
		act: sends(wire("injectRids", words(...Array(200).fill(1))), wire("injectRids", words(...Array(200).fill(1)))),
	},
	{
		what: "pixels beyond the end",
		sentence: "it sent pixels beyond the end of their file",
		act: (program) => draws(program, wire("bufferFill", words(1, 4092, 4100), Buffer.alloc(8))),
	},
	{
		what: "pixels from their end to their start",
		sentence: "it sent pixels of another size than it said",
		act: (program) => draws(program, wire("bufferFill", words(1, 8, 4))),
	},
	{
		what: "fewer pixels than announced",
		sentence: "it sent pixels of another size than it said",
		act: (program) => draws(program, wire("bufferFill", words(1, 0, 8), Buffer.alloc(4))),
	},
	...[
		{ what: "changes beyond the end", diff: words(1023, 1025, 0, 0) },
		{ what: "changes from their end to their start", diff: words(8, 4) },
		{ what: "changes that are longer than they are", diff: words(0, 3, 1, 2) },
		{ what: "changes that end within their head", diff: words(0, 1, 7, 5) },
	].map(({ what, diff }) => ({
		what,
		sentence: "it sent changes of pixels that lie outside of their file",
		act: (program: TestProgram) => draws(program, wire("bufferDiff", words(1, diff.length, 0), diff)),
	})),
	{
		what: "more at the end of changes than a block has",
		sentence: "it sent more changes of pixels than their file has",
		act: (program) => draws(program, wire("bufferDiff", words(1, 0, 64), Buffer.alloc(64))),
	},
	{
		what: "changes of another size",
		sentence: "it sent changes of pixels of another size than it said",
		act: (program) => draws(program, wire("bufferDiff", words(1, 16, 0), Buffer.alloc(12))),
	},
	{
		what: "a file that shrinks",
		sentence: "it made a file of pixels smaller",
		act: (program) => draws(program, wire("extendFile", words(1, 4096))),
	},
];

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
		{
			what: "a text that is no UTF-8",
			text: Buffer.from([0xff, 0]),
			sentence: "a text in xdg_toplevel.set_title is not UTF-8",
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
];

const tooMuch: readonly Case[] = [
	{ what: "windows", sentence: "it opened more than 200 windows", act: openWindows(10_000) },
	{
		what: "objects",
		sentence: "one of its programs has 16384 objects",
		act: (program) => {
			for (;;) program.make(1, "wl_display.sync");
		},
	},
	{
		what: "memory that it draws on",
		sentence: "its windows need more than 8388608 bytes of memory",
		limits: { fileBytes: 8 * 1024 * 1024 },
		act: (program, bound) => {
			for (;;) program.buffer(bound, 1024, 1024);
		},
	},
	{
		what: "memory that it fills",
		sentence: "its windows need more than 8388608 bytes of memory",
		limits: { fileBytes: 8 * 1024 * 1024 },
		act: (program) => {
			const rid = program.file(2 ** 31);
			for (let at = 0; ; at += 2 ** 20) program.send(wire("bufferFill", words(rid, at, at + 4), words(0)));
		},
	},
	{
		what: "memory that it announces",
		sentence: "its windows announced more than 137438953472 bytes of memory",
		act: (program) => {
			for (;;) program.file(2 ** 32 - 1);
		},
	},
	{
		what: "files",
		sentence: "one of its programs has 900 files of pixels",
		act: (program) => {
			for (;;) program.file(1);
		},
	},
	{
		what: "pipes",
		sentence: "one of its programs has 64 pipes",
		act: (program) => {
			for (;;) program.send(wire("openReadPipe", words(program.rid())));
		},
	},
	{
		what: "types of one source",
		sentence: "it offers more than 128 types",
		act: (program, bound) => {
			const source = program.make(bound.wl_data_device_manager ?? 0, "wl_data_device_manager.create_data_source");
			for (let number = 0; ; number++) program.request(source, "wl_data_source.offer", `a/${number}`);
		},
	},
	{
		what: "types of all sources",
		sentence: "one of its programs offers more than 2048 types",
		act: (program, bound) => {
			for (;;) {
				const source = program.make(bound.wl_data_device_manager ?? 0, "wl_data_device_manager.create_data_source");
				for (let number = 0; number < 100; number++) program.request(source, "wl_data_source.offer", `a/${number}`);
			}
		},
	},
	{
		what: "letters in a type",
		sentence: "it offers a type with an endless name",
		act: (program, bound) => {
			const source = program.make(bound.wl_data_device_manager ?? 0, "wl_data_device_manager.create_data_source");
			program.request(source, "wl_data_source.offer", "a".repeat(300));
		},
	},
	{
		what: "of what waits while it does not finish a message",
		sentence: "more than 100 bytes waited behind a message that was not finished",
		limits: { heldBytes: 100 },
		act: (program, bound) => {
			const rid = program.file(4096);
			const manager = bound.wl_data_device_manager ?? 0;
			const device = program.make(manager, "wl_data_device_manager.get_data_device", bound.wl_seat ?? 0);
			program.send(wire("bufferFill", words(rid, 0, 4096), Buffer.alloc(4096)).subarray(0, 100));
			for (let offer = 0xff000000; ; offer++) {
				program.event(device, "wl_data_device.data_offer", offer);
				program.event(device, "wl_data_device.selection", offer);
			}
		},
	},
];

/** What is thrown, and whether the connection is silent after it was closed. */
function faultOf({ act, limits = {} }: Case): Error | undefined {
	const program = new TestProgram(newDisplay({ limits }));
	const bound = program.bindAll();
	try {
		act(program, bound);
	} catch (error) {
		program.bytes();
		program.connection.close();
		program.connection.close();
		program.send(Buffer.alloc(100, 0xff));
		program.hostSends(Buffer.alloc(100, 0xff));
		expect(program.bytes()).toEqual({ toHost: Buffer.alloc(0), toGuest: Buffer.alloc(0) });
		return error as Error;
	}
	return undefined;
}

describe.each([
	["A message of waypipe's", waypipe],
	["A request", requests],
	["Too much", tooMuch],
])("%s", (_, cases) => {
	test.each(cases)("$what cuts the display: $sentence", (one) => {
		const fault = faultOf(one);
		expect(fault?.message).toBe(one.sentence);
		expect(fault).toBeInstanceOf(GuestFault);
	});
});

test.each([
	[words(0x8000_0984, 1, 2, 3), "its waypipe has another byte order"],
	[words(0x1_0904, 1, 2, 3), "its waypipe has another byte order"],
	[words(0x2_0984, 1, 2, 3), "its waypipe speaks version 2 of the protocol, not 1"],
	[words(0x1_0986, 1, 2, 3), "its waypipe wanted to come back to a connection that was cut"],
	[words(0x1_0a84, 1, 2, 3), "its waypipe compresses; it is to run with --compress none"],
	[words(0x1_0884, 1, 2, 3), "its waypipe compresses; it is to run with --compress none"],
	[words(0x1_1184, 1, 2, 3), "its waypipe sends videos"],
])("A connection that begins with %o is refused: %s", (greeting, sentence) => {
	expect(() => new TestProgram(newDisplay(), greeting)).toThrow(sentence);
});

test("The host's waypipe gets a token of ours, with the guest's key.", () => {
	const program = new TestProgram(newDisplay(), token.subarray(0, 15));
	program.connection.fromGuest(token.subarray(15));
	expect(program.bytes().toHost).toEqual(token);
	const reconnectable = new TestProgram(newDisplay(), words(0x1_0985, 1, 2).subarray(0, 11));
	reconnectable.connection.fromGuest(Buffer.concat([words(2).subarray(3), words(3)]));
	expect(reconnectable.bytes().toHost).toEqual(token);
});

test("A vm has so many connections, and gets those back that it closes.", () => {
	const display = newDisplay({ limits: { connections: 1 } });
	const program = new TestProgram(display);
	expect(() => new TestProgram(display)).toThrow("it opened more than 1 connections");
	program.connection.close();
	expect(new TestProgram(display)).toBeDefined();
});

test("Memory comes back when the compositor lets go of its last user, and when the connection ends.", () => {
	const display = newDisplay({ limits: { fileBytes: 5 * 2 ** 20, files: 2 } });
	const program = new TestProgram(display);
	const bound = program.bindAll();
	for (let round = 0; round < 5; round++) {
		const buffer = program.buffer(bound, 1024, 1024);
		program.request(buffer, "wl_buffer.destroy");
		program.request(buffer - 1, "wl_shm_pool.destroy");
		program.event(1, "wl_display.delete_id", buffer);
		program.event(1, "wl_display.delete_id", buffer - 1);
	}
	program.buffer(bound, 1024, 1024);
	program.connection.close();
	const next = new TestProgram(display);
	expect(next.buffer(next.bindAll(), 1024, 1024)).toBeGreaterThan(0);
});

test("Types come back with their source, and one that is offered twice is one.", () => {
	const program = new TestProgram(newDisplay({ limits: { allMimeTypes: 2 } }));
	const bound = program.bindAll();
	for (let round = 0; round < 3; round++) {
		const source = program.make(bound.wl_data_device_manager ?? 0, "wl_data_device_manager.create_data_source");
		for (const type of ["a/b", "a/b", "c/d"]) program.request(source, "wl_data_source.offer", type);
		program.request(source, "wl_data_source.destroy");
	}
	expect(program.host()).toHaveLength(15);
});

test("Late pixels of a file that has gone are no fault: they are left out.", () => {
	const program = new TestProgram(newDisplay());
	program.host();
	program.send(
		wire("bufferFill", words(7, 0, 8), Buffer.alloc(8)),
		wire("bufferDiff", words(7, 12, 0), words(0, 1, 5)),
	);
	program.send(wire("pipeTransfer", words(7), Buffer.alloc(3)), wire("extendFile", words(7, 8)));
	expect(program.host()).toEqual([]);
});

test.each([
	["a type that nobody knows", wire(31), "the host's waypipe sent a message of type 31"],
	["a size that is none", words(0), "the host's waypipe sent a message (protocol) with -4 bytes"],
	["half a message", wire("protocol", words(1)), "the compositor sent a part of a Wayland message"],
	["a wrong size", wire("protocol", words(1, 4)), "the compositor sent a Wayland message of an impossible size"],
	[
		"an unknown event",
		wire("protocol", words(1, 8 * 65536 + 9)),
		"the compositor sent event 9 of a wl_display, which has no such",
	],
	["a short event", wire("protocol", words(1, 8 * 65536 + 1)), "wl_display.delete_id came too short"],
])("The host's waypipe is told apart: %s is its fault.", (_, message, sentence) => {
	const program = new TestProgram(newDisplay());
	expect(() => program.hostSends(message)).toThrow(new HostFault(sentence));
});
