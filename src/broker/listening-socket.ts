/** The socket that clients find us at: made in the place of one that was left behind, or the service manager's; and whether it is still there. */
import { chmodSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { errnoOf } from "../errors.ts";

export class ListeningSocket {
	readonly #server: Server;
	/** Where clients find us, and which file is there; undefined: we can't tell. */
	#path = "";
	#file: string | undefined;

	/** What comes beyond `most` at a time is accepted and closed. */
	constructor(most: number, accept: (socket: Socket) => void) {
		this.#server = createServer(accept);
		this.#server.maxConnections = most;
	}

	/**
	 * Takes the place of a socket that a broker left behind; the caller holds the lock that says there is none now. False
	 * where somebody listens all the same: a service manager, whose socket it is, and who starts a broker of its own.
	 */
	async listen(path: string): Promise<boolean> {
		if (await isServed(path)) return false;
		rmSync(path, { force: true });
		await this.#listen({ path, backlog: 511 });
		chmodSync(path, 0o600);
		this.#path = path;
		this.#file = fileAt(path);
		return true;
	}

	/** The socket is the service manager's, and at `path`. */
	async listenOn(fd: number, path: string): Promise<void> {
		/** Node listens again (listen(2)), with a backlog of its own: this is the socket unit's. */
		await this.#listen({ fd, backlog: 1024 });
		this.#path = path;
		this.#file = fileAt(path);
	}

	/** Another socket is at our path, or none: no client can come any more. */
	isLost(): boolean {
		return this.#file !== undefined && fileAt(this.#path) !== this.#file;
	}

	/** Nobody is accepted any more. */
	close(): void {
		/** Node removes what is at the path of a socket that it has made (uv_pipe), which may be our successor's by now. */
		if (!this.isLost()) this.#server.close();
	}

	#listen(where: ListenOptions & { fd?: number }): Promise<void> {
		return new Promise((resolve, reject) => {
			this.#server.once("error", reject);
			this.#server.listen(where, resolve);
		});
	}
}

/** Which file it is, for as long as it is there: the number alone may be used again by the next one. */
function fileAt(path: string): string | undefined {
	const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
	return stat === undefined ? undefined : `${stat.ino} ${stat.birthtimeNs}`;
}

function isServed(path: string): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(path);
		socket.once("connect", () => {
			socket.destroy();
			resolve(true);
		});
		/** A full backlog (EAGAIN) is somebody's, too. */
		socket.once("error", (cause) => resolve(errnoOf(cause) === "EAGAIN"));
	});
}
