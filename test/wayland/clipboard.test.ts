import { describe, expect, test, vi } from "vitest";
import type { VmDisplay } from "../../src/wayland/vm-display.ts";
import { newDisplay, TestProgram } from "./test-program.ts";
import { wire, words } from "./wire.ts";

const firstOffer = 0xff000000;
const text = "text/plain";

interface Peer {
	readonly program: TestProgram;
	readonly bound: Record<string, number>;
	readonly device: number;
	readonly keyboard: number;
	readonly surface: number;
}

function join(display: VmDisplay): Peer {
	const program = new TestProgram(display);
	const bound = program.bindAll();
	const seat = bound.wl_seat ?? 0;
	const device = program.make(bound.wl_data_device_manager ?? 0, "wl_data_device_manager.get_data_device", seat);
	const keyboard = program.make(seat, "wl_seat.get_keyboard");
	const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	program.host();
	program.guest();
	return { program, bound, device, keyboard, surface };
}

function copy({ program, bound, device }: Peer, ...types: readonly string[]): number {
	const source = program.make(bound.wl_data_device_manager ?? 0, "wl_data_device_manager.create_data_source");
	for (const type of types) program.request(source, "wl_data_source.offer", type);
	program.request(device, "wl_data_device.set_selection", source, 7);
	return source;
}

const focus = ({ program, keyboard, surface }: Peer): void =>
	program.event(keyboard, "wl_keyboard.enter", 1, surface, Buffer.alloc(0));

/** Asks for what is offered, and returns waypipe's id of the pipe. */
function paste({ program }: Peer, offer: number, type = text): number {
	const rid = program.rid();
	program.send(wire("openReadPipe", words(rid)), wire("injectRids", words(rid)));
	program.request(offer, "wl_data_offer.receive", type);
	return rid;
}

const pair = (display = newDisplay()): [Peer, Peer] => [join(display), join(display)];

describe("What a program of a vm copies", () => {
	test("is offered to the vm's other programs when they have the keyboard, and the compositor never hears of it.", () => {
		const [one, other] = pair();
		const source = copy(one, text, "text/html");
		expect(one.program.host()).toEqual([
			`wl_data_device_manager@${one.bound.wl_data_device_manager}.create_data_source #${source}`,
			`wl_data_source@${source}.offer x-qubes-lite-k3y/text/plain`,
			`wl_data_source@${source}.offer x-qubes-lite-k3y/text/html`,
		]);
		expect(other.program.guest()).toEqual([]);
		focus(other);
		expect(other.program.guest()).toEqual([
			`wl_data_device@${other.device}.data_offer #${firstOffer}`,
			`wl_data_offer@${firstOffer}.offer text/plain`,
			`wl_data_offer@${firstOffer}.offer text/html`,
			`wl_data_device@${other.device}.selection #${firstOffer}`,
			`wl_keyboard@${other.keyboard}.enter 1 #${other.surface} []`,
		]);
		expect(other.program.host()).toEqual([]);
	});

	test("is offered at once to a program that has the keyboard, and to a device that it makes later.", () => {
		const [one, other] = pair();
		focus(other);
		other.program.guest();
		copy(one, text);
		expect(other.program.guest()).toHaveLength(3);
		const manager = other.bound.wl_data_device_manager ?? 0;
		const device = other.program.make(manager, "wl_data_device_manager.get_data_device", other.bound.wl_seat ?? 0);
		expect(other.program.guest().at(-1)).toBe(`wl_data_device@${device}.selection #${firstOffer + 1}`);
	});

	test("comes to who pastes through pipes of waypipe's, byte for byte, and ends.", () => {
		const [one, other] = pair();
		const source = copy(one, text);
		focus(other);
		const rid = paste(other, firstOffer);
		const [opened = "", ended, injected, asked] = one.program.guest();
		const own = Number(opened.split(" ")[1]);
		expect([opened, ended, injected, asked]).toEqual([
			`openDuplexPipe ${own}`,
			`pipeShutdownWrite ${own}`,
			`injectRids ${own}`,
			`wl_data_source@${source}.send text/plain`,
		]);
		expect(own).toBeLessThan(-(2 ** 29));
		other.program.guest();
		one.program.send(wire("pipeTransfer", words(own), Buffer.from("hello ")));
		one.program.send(wire("pipeTransfer", words(own), Buffer.from("world")), wire("pipeShutdownWrite", words(own)));
		expect(other.program.guest()).toEqual([`pipeTransfer ${rid} hello world`, `pipeShutdownWrite ${rid}`]);
		expect(other.program.host()).toEqual([]);
	});

	test("is cancelled when another program copies, and gone when its program destroys it or leaves.", () => {
		const display = newDisplay();
		const [one, other] = pair(display);
		const source = copy(one, text);
		const later = copy(other, "text/html");
		expect(one.program.guest()).toEqual([`wl_data_source@${source}.cancelled`]);
		expect(display.clipboard.types()).toEqual(["text/html"]);
		other.program.request(later, "wl_data_source.destroy");
		expect(display.clipboard.types()).toEqual([]);
		copy(one, text);
		one.program.connection.close();
		expect(display.clipboard.types()).toEqual([]);
		focus(other);
		expect(other.program.guest()[0]).toBe(`wl_data_device@${other.device}.selection #0`);
	});

	test("stays the vm's own: another vm's programs are offered theirs, or nothing.", () => {
		const [one] = pair();
		const [stranger] = pair(newDisplay({ vm: "banking" }));
		copy(one, text);
		focus(stranger);
		expect(stranger.program.guest()).toEqual([
			`wl_data_device@${stranger.device}.selection #0`,
			`wl_keyboard@${stranger.keyboard}.enter 1 #${stranger.surface} []`,
		]);
	});

	test("may be pasted no more than the limit, and a paste that nobody reads any more stops its program.", () => {
		const display = newDisplay({ limits: { clipboardBytes: 1000 } });
		const [one, other] = pair(display);
		copy(one, text);
		focus(other);
		for (const isTooLarge of [true, false]) {
			const rid = paste(other, firstOffer);
			const own = Number(one.program.guest()[0]?.split(" ")[1]);
			other.program.guest();
			if (isTooLarge) {
				one.program.send(wire("pipeTransfer", words(own), Buffer.alloc(2000)));
				expect(other.program.guest()).toEqual([`pipeShutdownWrite ${rid}`]);
			} else other.program.send(wire("pipeShutdownRead", words(rid)));
			expect(one.program.guest()).toEqual([`pipeShutdownRead ${own}`]);
			one.program.send(wire("pipeTransfer", words(own), Buffer.alloc(2000)), wire("pipeShutdownWrite", words(own)));
			expect(other.program.guest()).toEqual([]);
		}
	});

	test("is refused, not held, where it is not there any more, not of that type, or too many paste at once.", () => {
		const [one, other] = pair(newDisplay({ limits: { transfers: 1 } }));
		copy(one, text);
		focus(other);
		other.program.guest();
		const wrongType = paste(other, firstOffer, "image/png");
		paste(other, firstOffer);
		const second = paste(other, firstOffer);
		expect(other.program.guest()).toEqual([`pipeShutdownWrite ${wrongType}`, `pipeShutdownWrite ${second}`]);
		copy(one, text);
		other.program.guest();
		const late = paste(other, firstOffer);
		expect(other.program.guest()).toEqual([`pipeShutdownWrite ${late}`]);
	});

	test("keeps the ids of offers without gaps, as libwayland wants them.", () => {
		const [one, other] = pair();
		focus(other);
		copy(one, text);
		copy(one, text);
		other.program.request(firstOffer, "wl_data_offer.destroy");
		other.program.guest();
		copy(one, text);
		copy(one, text);
		const ids = other.program.guest().filter((line) => line.includes("data_offer #"));
		expect(ids.map((line) => Number(line.split("#")[1]) - firstOffer)).toEqual([0, 2]);
	});
});

describe("The host's clipboard", () => {
	test("is never shown to a guest: the compositor's offer is destroyed unseen.", () => {
		const [one] = pair();
		const { program, device } = one;
		program.event(device, "wl_data_device.data_offer", firstOffer);
		program.event(firstOffer, "wl_data_offer.offer", "text/plain");
		program.event(device, "wl_data_device.selection", firstOffer);
		program.event(device, "wl_data_device.selection", 0);
		expect(program.guest()).toEqual([]);
		expect(program.host()).toEqual([`wl_data_offer@${firstOffer}.destroy`]);
	});

	test("comes in by set: text by each of its names, a picture by its own, and takes the place of what was there.", async () => {
		const changed = vi.fn();
		const display = newDisplay({ clipboardChanged: changed });
		const [one, other] = pair(display);
		const source = copy(one, text);
		const png = Buffer.from("89504e47", "hex");
		display.clipboard.set(
			new Map([
				["text/plain", Buffer.from("héllo")],
				["image/png", png],
			]),
		);
		expect(one.program.guest()).toEqual([`wl_data_source@${source}.cancelled`]);
		expect(changed).toHaveBeenCalledTimes(2);
		focus(other);
		expect(other.program.guest().filter((line) => line.includes(".offer "))).toEqual(
			["text/plain", "image/png", "text/plain;charset=utf-8", "UTF8_STRING"].map(
				(type) => `wl_data_offer@${firstOffer}.offer ${type}`,
			),
		);
		const rid = paste(other, firstOffer, "UTF8_STRING");
		expect(other.program.guest()).toEqual([`pipeTransfer ${rid} héllo`, `pipeShutdownWrite ${rid}`]);
		expect(await display.clipboard.read("image/png", 100)).toEqual(png);
		display.clipboard.clear();
		expect(display.clipboard.types()).toEqual([]);
	});

	test("takes in no more than the limit.", () => {
		const display = newDisplay({ limits: { clipboardBytes: 3 } });
		expect(() => display.clipboard.set(new Map([[text, Buffer.from("long")]]))).toThrow(
			"4 bytes as text/plain are too many for a clipboard: 3 are allowed",
		);
		expect(display.clipboard.types()).toEqual([]);
	});

	test("reads what a guest has, whole, as asked.", async () => {
		const display = newDisplay();
		const [one] = pair(display);
		copy(one, text, "text/html");
		const reading = display.clipboard.read("text/html", 100);
		const own = Number(one.program.guest()[0]?.split(" ")[1]);
		for (const letter of "hello") one.program.send(wire("pipeTransfer", words(own), Buffer.from(letter)));
		one.program.send(wire("pipeShutdownWrite", words(own)));
		expect((await reading).toString()).toBe("hello");
	});

	test("reads nothing that is larger than asked, or from a program that leaves, or for longer than it is asked to.", async () => {
		const display = newDisplay();
		const [one] = pair(display);
		await expect(display.clipboard.read(text, 100)).rejects.toThrow("the clipboard has nothing as text/plain");
		copy(one, text);
		const own = (): number => Number(one.program.guest()[0]?.split(" ")[1]);
		const tooLarge = display.clipboard.read(text, 4);
		const first = own();
		one.program.send(wire("pipeTransfer", words(first), Buffer.from("hello")));
		await expect(tooLarge).rejects.toThrow("the clipboard has more than 4 bytes as text/plain");
		expect(one.program.guest()).toEqual([`pipeShutdownRead ${first}`]);
		const controller = new AbortController();
		const aborted = display.clipboard.read(text, 4, controller.signal);
		const second = own();
		controller.abort(new Error("too late"));
		await expect(aborted).rejects.toThrow("too late");
		expect(one.program.guest()).toEqual([`pipeShutdownRead ${second}`]);
		const left = display.clipboard.read(text, 4);
		one.program.connection.close();
		await expect(left).rejects.toThrow("the program that had it on the clipboard has gone");
	});
});
