/** A pointer for a compositor that has none: sway takes it from a client, by wlr-virtual-pointer. It stays as long as its connection. */
import { connect, type Socket } from "node:net";
import { words } from "../wayland/wire.ts";
import type { Compositor } from "./compositor.ts";

const registry = 2;
const manager = 3;
const pointer = 4;
const leftButton = 0x110;
const managerName = "zwlr_virtual_pointer_manager_v1";

function message(object: number, opcode: number, ...parts: readonly Buffer[]): Buffer {
	const body = Buffer.concat(parts);
	return Buffer.concat([words(object, (body.length + 8) * 65536 + opcode), body]);
}

export class Pointer {
	readonly #socket: Socket;
	readonly #size: { readonly width: number; readonly height: number };

	private constructor(socket: Socket, size: { readonly width: number; readonly height: number }) {
		this.#socket = socket;
		this.#size = size;
	}

	/** Resolves when windows can get it. `size` is the output's, in pixels. */
	static async plug(compositor: Compositor, size = { width: 800, height: 600 }): Promise<Pointer> {
		const socket = connect(compositor.socket);
		socket.write(message(1, 1, words(registry)));
		const number = await findManager(socket);
		const name = Buffer.alloc(Math.ceil((managerName.length + 1) / 4) * 4);
		name.write(managerName);
		socket.write(
			Buffer.concat([
				message(registry, 0, words(number, managerName.length + 1), name, words(1, manager)),
				message(manager, 0, words(0, pointer)),
			]),
		);
		socket.resume();
		await compositor.until("it has a pointer", () => compositor.message("-t", "get_inputs").includes('"pointer"'));
		return new Pointer(socket, size);
	}

	/** Moves it at once to a place of the output. */
	move(x: number, y: number): void {
		const { width, height } = this.#size;
		this.#socket.write(Buffer.concat([message(pointer, 1, words(0, x, y, width, height)), message(pointer, 4)]));
	}

	press(): void {
		this.#button(1);
	}

	release(): void {
		this.#button(0);
	}

	unplug(): void {
		this.#socket.destroy();
	}

	#button(state: number): void {
		this.#socket.write(Buffer.concat([message(pointer, 2, words(0, leftButton, state)), message(pointer, 4)]));
	}
}

/** The number of the global, among those that the compositor announces. */
function findManager(socket: Socket): Promise<number> {
	return new Promise((resolve, reject) => {
		let bytes = Buffer.alloc(0);
		const read = (chunk: Buffer): void => {
			bytes = Buffer.concat([bytes, chunk]);
			const at = bytes.indexOf(`${managerName}\0`);
			if (at < 0) return;
			socket.off("data", read);
			// Before the name are its number and its length.
			resolve(bytes.readUInt32LE(at - 8));
		};
		socket.on("data", read);
		socket.once("error", reject);
		socket.once("close", () => reject(new Error("the compositor has no virtual pointers")));
	});
}
