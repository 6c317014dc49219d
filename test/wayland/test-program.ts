/** A program of the guest's and its compositor, in one hand: what each sends, and what each gets to hear. */
import type { DisplayConnection } from "../../src/wayland/display-connection.ts";
import { firstServerId } from "../../src/wayland/objects.ts";
import { VmDisplay, type VmDisplayOptions } from "../../src/wayland/vm-display.ts";
import { type Argument, find, readWayland, readWire, token, wayland, wire, words } from "./wire.ts";

export const newDisplay = (options: Partial<VmDisplayOptions> = {}): VmDisplay =>
	new VmDisplay({ vm: "shopping", token: "k3y", ...options });

/** The globals that its compositor announces, by number. */
const globals = [
	...["wl_compositor", "wl_shm", "wl_seat", "xdg_wm_base", "wl_data_device_manager", "zxdg_decoration_manager_v1"],
	...["wl_output", "wp_viewporter", "org_kde_kwin_server_decoration_manager"],
];

/** What one end has sent, in one piece. */
export interface Sent {
	readonly isGuest: boolean;
	readonly bytes: Buffer;
}

export class TestProgram {
	/** All that came from either end, in order, but for the token. */
	readonly sent: Sent[] = [];
	readonly connection: DisplayConnection;
	readonly #toHost: Buffer[] = [];
	readonly #toGuest: Buffer[] = [];
	/** What each end knows of the other's objects. */
	readonly #hostObjects = new Map([[1, "wl_display"]]);
	readonly #guestObjects = new Map([[1, "wl_display"]]);
	#nextId = 2;
	#nextRid = 1;

	constructor(display: VmDisplay, greeting: Buffer = token) {
		this.connection = display.connect({
			toHost: (buffers) => this.#toHost.push(Buffer.concat(buffers)),
			toGuest: (buffers) => this.#toGuest.push(Buffer.concat(buffers)),
		});
		this.connection.fromGuest(greeting);
		if (greeting.length === 16) this.#toHost.splice(0);
	}

	/** Of the guest's. */
	id(): number {
		this.#nextId++;
		return this.#nextId - 1;
	}

	send(...messages: readonly Buffer[]): void {
		const bytes = Buffer.concat(messages);
		this.sent.push({ isGuest: true, bytes });
		this.connection.fromGuest(bytes);
	}

	hostSends(...messages: readonly Buffer[]): void {
		const bytes = Buffer.concat(messages);
		this.sent.push({ isGuest: false, bytes });
		this.connection.fromHost(bytes);
	}

	/** One request in a message of its own, with what it has made before it. */
	request(object: number, name: string, ...args: readonly Argument[]): void {
		this.send(wire("protocol", this.encode(object, name, ...args)));
	}

	encode(object: number, name: string, ...args: readonly Argument[]): Buffer {
		const message = find(name, "requests");
		for (const [index, { kind, interfaceName }] of message.arguments.filter(({ kind }) => kind !== "h").entries())
			if (kind === "n") this.#guestObjects.set(Number(args[index]), interfaceName ?? String(args[1]));
		return wayland(object, message, args);
	}

	/** The compositor tells the guest. */
	event(object: number, name: string, ...args: readonly Argument[]): void {
		const message = find(name, "events");
		for (const [index, { kind, interfaceName }] of message.arguments.entries())
			if (kind === "n" && interfaceName !== undefined) this.#hostObjects.set(Number(args[index]), interfaceName);
		this.hostSends(wire("protocol", wayland(object, message, args)));
	}

	/** Makes a new object by a request whose last argument is its id, or its first. */
	make(object: number, name: string, ...args: readonly Argument[]): number {
		const id = this.id();
		const isFirst = find(name, "requests").arguments[0]?.kind === "n";
		this.request(object, name, ...(isFirst ? [id, ...args] : [...args, id]));
		return id;
	}

	/** A file of pixels, of `size` bytes; its id for waypipe. */
	file(size: number): number {
		const rid = this.rid();
		this.send(wire("openFile", words(rid, size)));
		return rid;
	}

	rid(): number {
		this.#nextRid++;
		return this.#nextRid - 1;
	}

	/** Globals that are bound, by name; nothing of that is heard of later. */
	bindAll(): Record<string, number> {
		const registry = this.make(1, "wl_display.get_registry");
		const bound: Record<string, number> = {};
		for (const [number, name] of globals.entries()) {
			this.event(registry, "wl_registry.global", number, name, 3);
			const version = name === "wl_shm" || name === "wl_output" ? 1 : name.startsWith("org") ? 1 : 3;
			if (name.endsWith("_v1") || name === "wp_viewporter") {
				bound[name] = this.make(registry, "wl_registry.bind", number, name, 1);
			} else bound[name] = this.make(registry, "wl_registry.bind", number, name, version);
		}
		this.host();
		this.guest();
		return bound;
	}

	/** A window, with its first commit: its ids. */
	window(bound: Record<string, number>): { surface: number; xdgSurface: number; toplevel: number } {
		const surface = this.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
		const xdgSurface = this.make(bound.xdg_wm_base ?? 0, "xdg_wm_base.get_xdg_surface", surface);
		const toplevel = this.make(xdgSurface, "xdg_surface.get_toplevel");
		this.request(surface, "wl_surface.commit");
		return { surface, xdgSurface, toplevel };
	}

	/** A buffer of so many pixels, in a file and pool of its own. */
	buffer(bound: Record<string, number>, width = 1, height = 1): number {
		const rid = this.file(width * height * 4);
		this.send(wire("injectRids", words(rid)));
		const pool = this.make(bound.wl_shm ?? 0, "wl_shm.create_pool", width * height * 4);
		return this.make(pool, "wl_shm_pool.create_buffer", 0, width, height, width * 4, 0);
	}

	/** Shows a window that has had its first commit. */
	show(bound: Record<string, number>, surface: number): void {
		this.request(surface, "wl_surface.attach", this.buffer(bound), 0, 0);
		this.request(surface, "wl_surface.commit");
	}

	/** What the compositor has heard since it was last asked. */
	host(): string[] {
		return this.#read(this.#toHost, "requests", this.#guestObjects);
	}

	guest(): string[] {
		return this.#read(this.#toGuest, "events", this.#hostObjects);
	}

	/** The bytes instead. */
	bytes(): { toHost: Buffer; toGuest: Buffer } {
		return { toHost: Buffer.concat(this.#toHost.splice(0)), toGuest: Buffer.concat(this.#toGuest.splice(0)) };
	}

	#read(buffers: Buffer[], kind: "requests" | "events", made: Map<number, string>): string[] {
		const others = kind === "requests" ? this.#hostObjects : this.#guestObjects;
		return readWire(Buffer.concat(buffers.splice(0))).flatMap(({ type, payload }) => {
			if (type !== "protocol") {
				const isText = type === "pipeTransfer";
				const said = isText ? [payload.readInt32LE(0), payload.toString("utf8", 4)] : numbers(payload);
				return [[type, ...said].join(" ")];
			}
			const known = new Map([...made, ...others]);
			const lines = readWayland(payload, kind, known);
			for (const [id, name] of known) if (id >= firstServerId) others.set(id, name);
			return lines;
		});
	}
}

const numbers = (payload: Buffer): number[] =>
	Array.from({ length: Math.floor(payload.length / 4) }, (_, index) => payload.readInt32LE(4 * index));
