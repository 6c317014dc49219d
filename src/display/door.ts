/** A socket in the vm's directory, where connections come: the guest's by its vsock, or the broker's. */
import { chmodSync, renameSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { letGo } from "./streams.ts";

/** Of one door, at a time; each may have a process. What comes beyond is closed. */
const connectionsMax = 256;

export class Door {
	readonly #server: Server;
	readonly #open = new Set<Socket>();
	#path: string | undefined;

	/** Gets connections that nobody reads yet. */
	constructor(accept: (socket: Socket) => void) {
		this.#server = createServer({ pauseOnConnect: true }, (socket) => {
			this.#open.add(socket);
			socket.on("error", () => {});
			socket.once("close", () => this.#open.delete(socket));
			accept(socket);
		});
		this.#server.maxConnections = connectionsMax;
	}

	/** What an earlier start has left at `path` is in nobody's way. Who finds it there can connect: between bind(2) and listen(2) it has another name. */
	async listen(path: string): Promise<void> {
		const first = `${path}.new`;
		rmSync(first, { force: true });
		await new Promise<void>((resolve, reject) => {
			this.#server.once("error", reject).listen(first, resolve);
		});
		this.#server.removeAllListeners("error").on("error", () => {});
		chmodSync(first, 0o600);
		renameSync(first, path);
		this.#path = path;
	}

	/** Ends all its connections; new ones may come. */
	cutAll(): void {
		for (const socket of this.#open) letGo(socket);
	}

	/** Ends all its connections; the socket goes. */
	close(): void {
		this.#server.close();
		if (this.#path !== undefined) rmSync(this.#path, { force: true });
		for (const socket of this.#open) socket.destroy();
	}
}
