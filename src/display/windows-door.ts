/**
 * `<vm>/vsock_6000`: each connection is one of the guest's programs that has windows to show. What it says goes through the vm's display (src/wayland), which
 * judges and changes it, to a waypipe of its own. A guest that breaks a rule has no windows any more in this boot.
 */
import type { Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import type { DisplayNotice } from "../protocol/display.ts";
import type { DisplayConnection } from "../wayland/display-connection.ts";
import { GuestFault } from "../wayland/faults.ts";
import type { VmDisplay } from "../wayland/vm-display.ts";
import type { CompositorDoor } from "./compositor-door.ts";
import { Door } from "./door.ts";
import { closed, firstBytes, letGo, Outflow } from "./streams.ts";
import { WaypipeClient } from "./waypipe-client.ts";

/** What the host has not taken yet: the guest waits then. */
const toHostBytes = 4 * 1024 * 1024;
/** What the guest has not taken: events, and what it pastes. It waits itself then, and the compositor, who ends such a program sooner or later. */
const toGuestBytes = 8 * 1024 * 1024;
/** The same of all connections of a vm: what one of them says, others are told, and where these do not listen nobody waits. Many of the largest pastes at a time. */
const allToGuestBytes = 256 * 1024 * 1024;

export interface WindowsDoorOptions {
	readonly vm: string;
	/** The vm's. */
	readonly directory: string;
	/** PATH. */
	readonly searchPath: string;
	readonly display: VmDisplay;
	/** False: by the configuration its programs have no windows, and are told so. */
	readonly isAllowed: boolean;
	readonly compositor: Pick<CompositorDoor, keyof CompositorDoor>;
	/** Something that people should know. */
	tell(notice: DisplayNotice): void;
	/** The guest has broken a rule, and why: it has no windows any more. */
	cut(why: string): void;
}

export class WindowsDoor {
	readonly #options: WindowsDoorOptions;
	readonly #door: Door;
	readonly #clients = new Set<WaypipeClient>();
	#number = 0;
	#isCut = false;
	#isClosed = false;
	/** For all of the guest's connections. */
	#waitingBytes = 0;

	constructor(options: WindowsDoorOptions) {
		this.#options = options;
		this.#door = new Door((guest) => void this.#serve(guest));
	}

	listen(path: string): Promise<void> {
		return this.#door.listen(path);
	}

	/** Resolves when nothing of it is left. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#door.close();
		this.#options.compositor.close();
		await Promise.all([...this.#clients].map((client) => client.end()));
	}

	async #serve(guest: Socket): Promise<void> {
		if (this.#isCut) {
			letGo(guest);
			return;
		}
		// One that says nothing, or has gone before its turn, costs no process.
		const first = await firstBytes(guest);
		if (first === undefined || this.#isCut) return;
		let client: WaypipeClient | undefined;
		try {
			client = await this.#start();
			this.#clients.add(client);
			const host = await client.connect();
			/** Another of its programs may have broken a rule meanwhile. */
			if (!this.#isCut) {
				this.#join(guest, host, first);
				await Promise.race([closed(guest), closed(host), client.ended]);
			}
			host.destroySoon();
		} catch (cause) {
			if (!this.#isClosed) this.#refuse(QubesLiteError.from(cause));
		}
		letGo(guest);
		await client?.end();
		if (client !== undefined) this.#clients.delete(client);
	}

	async #start(): Promise<WaypipeClient> {
		const { vm, compositor, searchPath, directory } = this.#options;
		if (!this.#options.isAllowed) throw notAllowed(vm);
		const found = await compositor.open();
		// What is started now nobody would end: it listens until somebody comes.
		if (this.#isClosed) throw new QubesLiteError("NotRunning", `the display of ${vm} has ended`);
		if ("missing" in found) {
			throw new QubesLiteError(
				"Unsupported",
				`a program in ${vm} has a window, and there is no Wayland session on this host: ${found.missing}`,
				{
					remedy:
						"run it from within the session; in a unit's or a broker's environment: systemctl --user import-environment WAYLAND_DISPLAY",
				},
			);
		}
		this.#number += 1;
		return new WaypipeClient({ searchPath, compositor: found.socket, path: `${directory}/wp-${this.#number}` });
	}

	#join(guest: Socket, host: Socket, first: Buffer): void {
		let connection: DisplayConnection | undefined;
		const end = (): void => {
			connection?.close();
			letGo(guest);
			host.destroySoon();
		};
		const guarded = (work: () => void): void => {
			try {
				work();
			} catch (cause) {
				end();
				this.#blame(cause);
			}
		};
		guarded(() => {
			const toHost = new Outflow(host, { mostBytes: toHostBytes, sources: [guest] });
			const toGuest = new Outflow(guest, {
				mostBytes: toGuestBytes,
				sources: [host, guest],
				changed: (bytes) => this.#wait(bytes),
			});
			connection = this.#options.display.connect({
				toHost: (buffers) => toHost.give(buffers),
				toGuest: (buffers) => toGuest.give(buffers),
			});
		});
		for (const socket of [guest, host]) socket.on("error", end).once("close", end);
		guest.on("data", (chunk: Buffer) => guarded(() => connection?.fromGuest(chunk)));
		host.on("data", (chunk: Buffer) => guarded(() => connection?.fromHost(chunk)));
		guarded(() => connection?.fromGuest(first));
		guest.resume();
		host.resume();
	}

	/** Never throws: who says so much may be another connection, or nobody of the guest's. */
	#wait(bytes: number): void {
		this.#waitingBytes += bytes;
		if (this.#waitingBytes <= allToGuestBytes || this.#isCut) return;
		this.#blame(new GuestFault(`its programs did not take ${allToGuestBytes} bytes that were for them`, "Limit"));
	}

	/** Whose fault it is decides what becomes of the others. */
	#blame(cause: unknown): void {
		const { message } = QubesLiteError.from(cause);
		if (cause instanceof GuestFault) {
			this.#isCut = true;
			this.#door.cutAll();
			this.#options.cut(message);
		} else this.#options.tell({ message: `a window of ${this.#options.vm} was lost: ${message}`, remedy: null });
	}

	#refuse({ message, remedy }: QubesLiteError): void {
		this.#options.tell({ message, remedy: remedy ?? null });
	}
}

const notAllowed = (vm: string): QubesLiteError =>
	new QubesLiteError("Unsupported", `a program in ${vm} has a window, and "display" of ${vm} is "none"`, {
		remedy: `"display": "auto" in the configuration, then: qubes-lite restart ${vm}`,
	});
