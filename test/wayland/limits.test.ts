import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Touched } from "../../src/wayland/touched.ts";
import { type Case, testCases } from "./fault-cases.ts";
import { newDisplay, TestProgram } from "./test-program.ts";
import { wire, words } from "./wire.ts";

function openWindows(count: number): Case["act"] {
	return (program, bound) => {
		for (let opened = 0; opened < count; opened++) program.window(bound);
	};
}

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
		what: "surfaces",
		sentence: "its programs have more than 4000 surfaces",
		act: (program, bound) => {
			for (;;) program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
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

describe("Too much", () => testCases(tooMuch));

test("A vm has so many connections, and gets those back that it closes.", () => {
	const display = newDisplay({ limits: { connections: 1 } });
	const program = new TestProgram(display);
	expect(() => new TestProgram(display)).toThrow("it opened more than 1 connections");
	program.connection.close();
	expect(new TestProgram(display)).toBeDefined();
});

test("The programs of a vm have so many objects together, and get those back that the compositor lets go of.", () => {
	const display = newDisplay({ limits: { allObjects: 30, surfaces: 1 } });
	const [first, second] = [new TestProgram(display), new TestProgram(display)];
	const [bound, other] = [first.bindAll(), second.bindAll()];
	const surface = first.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	const more = () => second.make(other.wl_compositor ?? 0, "wl_compositor.create_surface");
	expect(more).toThrow("its programs have more than 1 surfaces");
	first.request(surface, "wl_surface.destroy");
	for (let round = 0; round < 2; round++) first.event(1, "wl_display.delete_id", surface);
	more();
	const fill = () => {
		for (;;) second.make(1, "wl_display.sync");
	};
	expect(fill).toThrow("its programs have more than 30 objects");
	first.connection.close();
	for (let round = 0; round < 10; round++) second.make(1, "wl_display.sync");
	expect(fill).toThrow("its programs have more than 30 objects");
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

test("What of a file is in memory is counted once, in steps of a MiB, also when the file grows.", () => {
	const MiB = 2 ** 20;
	const at = fc.nat({ max: 9 * MiB });
	fc.assert(
		fc.property(fc.array(fc.record({ start: at, length: at, grows: fc.boolean() }), { maxLength: 8 }), (actions) => {
			let size = 5 * MiB + 77;
			const touched = new Touched(size);
			const steps = new Set<number>();
			for (const { start, length, grows } of actions) {
				const before = touched.bytes;
				if (grows) {
					size += 1 + (length % MiB);
					expect(touched.grow(size)).toBe(touched.bytes - before);
				} else {
					const end = Math.min(size, start + length);
					expect(touched.touch(start, start + length)).toBe(touched.bytes - before);
					for (let step = Math.floor(start / MiB); step * MiB < end; step++) steps.add(step);
				}
				expect(touched.bytes).toBe([...steps].reduce((sum, step) => sum + Math.min(MiB, size - step * MiB), 0));
			}
		}),
	);
});
