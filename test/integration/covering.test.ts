/** Windows that a guest makes so that they cover others, on a real compositor: beside them is a program of the host's, whose pixels and title are counted. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { messageOf } from "../../src/wayland/interfaces.ts";
import { encodeWayland, readHead, type Value } from "../../src/wayland/wayland-wire.ts";
import { encodeMessage, messageTypes, toPlainToken } from "../../src/wayland/waypipe-wire.ts";
import { Compositor } from "../e2e/compositor.ts";
import { until } from "../fakes/fake-vmm-host.ts";
import { FilteredDisplay } from "./filtered-display.ts";

const colours = { neighbour: "117733", title: "882255", guest: "aa4499", guestTitle: "332288" };
/** Of the screen, and of what the guest covers with. */
const width = 800;
const height = 600;

let compositor: Compositor;
let filtered: FilteredDisplay;
let neighbour: ChildProcess;
let guest: Guest;
/** Each has a vm of its own. */
let tests = 0;

beforeAll(async () => {
	const { title, guestTitle } = colours;
	// border, background and text of titles: the guest's window has the keyboard.
	const config = [
		`client.unfocused #000000 #${title} #ffffff #000000 #000000`,
		`client.focused #000000 #${guestTitle} #ffffff #000000 #000000`,
	];
	compositor = new Compositor({ size: { width, height }, config: config.join("\n") });
	await compositor.start();
});
afterAll(async () => await compositor.stop());

beforeEach(async () => {
	const words = ["-o", `colors.background=${colours.neighbour}`, "sh", "-c", "printf '\\033[?25l'; exec sleep 100"];
	neighbour = spawn("foot", words, { env: { PATH: process.env.PATH, ...compositor.env }, stdio: "ignore" });
	await compositor.until("the neighbour is there", () => count("neighbour") > 0);
	tests++;
	filtered = new FilteredDisplay(compositor, { vm: `vm${tests}` });
	await filtered.start();
	guest = new Guest(connect(filtered.guestSocket));
	await guest.start();
});

afterEach(async () => {
	guest.socket.destroy();
	await filtered.stop();
	neighbour.kill();
	await once(neighbour, "exit");
	await compositor.until("no window is left", () => compositor.tree().length === 0);
});

const count = (what: keyof typeof colours): number => compositor.colours().get(colours[what]) ?? 0;

const request = (id: number, name: string, ...values: readonly Value[]): Buffer =>
	encodeWayland(id, messageOf(name), values);
const bytes = width * height * 4;
const ids = { small: 8, large: 9, surface: 10, xdgSurface: 11, toplevel: 12, positioner: 13, popup: 14, part: 13 };

/** What a program's waypipe says, by hand. */
class Guest {
	readonly socket: Socket;
	readonly #globals = new Map<string, number>();
	readonly #serials = new Map<number, number>();
	readonly isDismissed = () => this.#isDismissed;
	#isDismissed = false;
	#held = Buffer.alloc(0);

	constructor(socket: Socket) {
		this.socket = socket;
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => this.#read(chunk));
	}

	say(...requests: readonly Buffer[]): void {
		this.socket.write(Buffer.concat(encodeMessage(messageTypes.protocol, [], requests)));
	}

	async start(): Promise<void> {
		this.socket.write(toPlainToken(Buffer.alloc(16)));
		this.say(request(1, "wl_display.get_registry", 2));
		const names = ["wl_compositor", "wl_shm", "xdg_wm_base", "wl_subcompositor"];
		await until("globals are told", () => names.every((name) => this.#globals.has(name)));
		const versions = [4, 1, 2, 1];
		this.say(
			...names.map((name, index) =>
				request(2, "wl_registry.bind", this.#globals.get(name), name, versions[index], index + 3),
			),
		);
		const colour = Buffer.from([...Buffer.from(colours.guest, "hex").reverse(), 0xff]);
		this.socket.write(
			Buffer.concat([
				...encodeMessage(messageTypes.openFile, [1, bytes]),
				...encodeMessage(messageTypes.injectRids, [1]),
			]),
		);
		this.say(request(4, "wl_shm.create_pool", 7, 0, bytes));
		this.socket.write(
			Buffer.concat(encodeMessage(messageTypes.bufferFill, [1, 0, bytes], [Buffer.alloc(bytes, colour)])),
		);
		this.say(
			request(7, "wl_shm_pool.create_buffer", ids.small, 0, 10, 10, width * 4, 1),
			request(7, "wl_shm_pool.create_buffer", ids.large, 0, width, height, width * 4, 1),
		);
	}

	/** A window whose pixels are `buffer`; `requests` come with them. */
	async show(buffer: number, ...requests: readonly Buffer[]): Promise<void> {
		const { surface, xdgSurface, toplevel } = ids;
		this.say(
			request(3, "wl_compositor.create_surface", surface),
			request(5, "xdg_wm_base.get_xdg_surface", xdgSurface, surface),
			request(xdgSurface, "xdg_surface.get_toplevel", toplevel),
			request(surface, "wl_surface.commit"),
		);
		await this.draw(xdgSurface, surface, buffer, ...requests);
		await compositor.until("it is to be seen", () => count("guest") > 0 && compositor.tree().length === 2);
	}

	async draw(xdgSurface: number, surface: number, buffer: number, ...requests: readonly Buffer[]): Promise<void> {
		await until("it is configured", () => this.#serials.has(xdgSurface));
		this.say(
			request(xdgSurface, "xdg_surface.ack_configure", this.#serials.get(xdgSurface)),
			...requests,
			...paint(surface, buffer),
		);
	}

	#read(chunk: Buffer): void {
		this.#held = Buffer.concat([this.#held, chunk]);
		while (this.#held.length >= 4) {
			const word = this.#held.readUInt32LE(0);
			const size = word >>> 5;
			const padded = Math.ceil(size / 4) * 4;
			if (this.#held.length < padded) return;
			if ((word & 31) === messageTypes.protocol) this.#events(this.#held.subarray(4, size));
			this.#held = this.#held.subarray(padded);
		}
	}

	#events(events: Buffer): void {
		for (let at = 0; at < events.length; at += readHead(events, at).size) {
			const { object, opcode } = readHead(events, at);
			if (object === 2 && opcode === 0) {
				const length = events.readUInt32LE(at + 12);
				this.#globals.set(events.toString("utf8", at + 16, at + 15 + length), events.readUInt32LE(at + 8));
			}
			if ((object === ids.xdgSurface || object === ids.popup + 1) && opcode === 0)
				this.#serials.set(object, events.readUInt32LE(at + 8));
			if (object === ids.popup + 2 && opcode === 1) this.#isDismissed = true;
		}
	}
}

const paint = (surface: number, buffer: number): readonly Buffer[] => [
	request(surface, "wl_surface.attach", buffer, 0, 0),
	request(surface, "wl_surface.damage", 0, 0, width, height),
	request(surface, "wl_surface.commit"),
];
const small = request(ids.xdgSurface, "xdg_surface.set_window_geometry", 400, 300, 10, 10);

/** What the neighbour has for itself while the guest's window is beside it and does nothing. */
async function settle(): Promise<{ pixels: number; title: number }> {
	let seen = { pixels: 0, title: 0 };
	await compositor.until("nothing moves", () => {
		const before = seen;
		seen = { pixels: count("neighbour"), title: count("title") };
		return seen.pixels > 0 && seen.pixels === before.pixels && seen.title === before.title;
	});
	return seen;
}

async function expectWhole(fair: { pixels: number; title: number }): Promise<void> {
	const { pixels, title } = await settle();
	expect(pixels).toBeGreaterThan(fair.pixels * 0.9);
	expect(title).toBe(fair.title);
	expect(count("guestTitle")).toBeGreaterThan(0);
	expect(filtered.fault).toBeUndefined();
}

test("a window beside others covers none of them, however small it says that it is", async () => {
	await guest.show(ids.small);
	const fair = await settle();
	guest.say(small, ...paint(ids.surface, ids.large));
	await compositor.until("it is drawn", () => count("guest") > 1000);
	await expectWhole(fair);
});

test("nor does a window that begins so", async () => {
	await guest.show(ids.large, small);
	const { pixels, title } = await settle();
	// Half of the screen, but for titles and borders.
	expect(pixels).toBeGreaterThan(0.9 * 0.5 * width * (height - 30));
	expect(title).toBeGreaterThan(0);
	expect(count("guestTitle")).toBeGreaterThan(0);
});

test("nor do its parts", async () => {
	await guest.show(ids.small);
	const fair = await settle();
	guest.say(
		request(3, "wl_compositor.create_surface", ids.part),
		request(6, "wl_subcompositor.get_subsurface", ids.part + 1, ids.part, ids.surface),
		request(ids.part + 1, "wl_subsurface.set_position", -300, -200),
		...paint(ids.surface, ids.small),
		request(ids.part + 1, "wl_subsurface.set_desync"),
		...paint(ids.part, ids.large),
	);
	await compositor.until("it is drawn", () => count("guest") > 1000);
	await expectWhole(fair);
});

test("a window above others is as large as what it shows", async () => {
	const sizes = ["min", "max"].map((word) => request(ids.toplevel, `xdg_toplevel.set_${word}_size`, 10, 10));
	await guest.show(ids.small, ...sizes);
	compositor.message('[app_id="qubes-lite.*"]', "floating", "enable");
	guest.say(small, ...paint(ids.surface, ids.large));
	await compositor.until("it has grown", () => (guestWindow()?.width ?? 0) >= width - 128);
	expect(guestWindow()?.height).toBeGreaterThanOrEqual(height - 128);
});

const guestWindow = () => compositor.tree().find(({ appId }) => appId?.startsWith("qubes-lite."))?.rect;

test("a popup covers nothing that is too much", async () => {
	await guest.show(ids.small);
	const fair = await settle();
	const { popup, positioner } = ids;
	guest.say(
		request(5, "xdg_wm_base.create_positioner", positioner),
		request(positioner, "xdg_positioner.set_size", width, height),
		request(positioner, "xdg_positioner.set_anchor_rect", 0, 0, 1, 1),
		request(positioner, "xdg_positioner.set_offset", -195, -6),
		request(3, "wl_compositor.create_surface", popup),
		request(5, "xdg_wm_base.get_xdg_surface", popup + 1, popup),
		request(popup + 1, "xdg_surface.get_popup", popup + 2, ids.xdgSurface, positioner),
		request(popup, "wl_surface.commit"),
	);
	await guest.draw(popup + 1, popup, ids.large);
	await until("it is dismissed", guest.isDismissed);
	await expectWhole(fair);
});
