/** A "vm" without a machine: real programs behind a real waypipe, ours between it and the waypipe of a real compositor. */
import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, mkdirSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { VmDisplay, type VmDisplayOptions } from "../../src/wayland/vm-display.ts";
import { type Compositor, identityWords } from "../e2e/compositor.ts";

const plainWaypipe = ["--no-gpu", "--compress", "none"];

export class FilteredDisplay {
	readonly display: VmDisplay;
	/** Why it was cut; undefined while it is not. */
	fault: string | undefined;
	readonly #compositor: Compositor;
	readonly #directory: string;
	readonly #children: ChildProcess[] = [];
	readonly #sockets = new Set<Socket>();
	readonly #server: Server;

	constructor(compositor: Compositor, options: Pick<VmDisplayOptions, "vm"> & Partial<VmDisplayOptions>) {
		this.display = new VmDisplay({ token: `t${Math.random().toString(36).slice(2)}`, ...options });
		this.#compositor = compositor;
		this.#directory = join(compositor.directory, options.vm);
		mkdirSync(this.#directory, { mode: 0o700 });
		if (compositor.uid !== undefined) chownSync(this.#directory, compositor.uid, compositor.uid);
		this.#server = createServer((socket) => this.#take(socket));
	}

	get guestSocket(): string {
		return join(this.#directory, "guest.sock");
	}

	async start(): Promise<void> {
		await new Promise<void>((resolve) => this.#server.listen(this.guestSocket, resolve));
		if (this.#compositor.uid !== undefined) chownSync(this.guestSocket, this.#compositor.uid, this.#compositor.uid);
		this.#spawn("waypipe", [...plainWaypipe, "-s", this.#hostSocket, "client"], this.#compositor.env);
		await this.#compositor.until("waypipe listens", () => this.#canConnect());
	}

	/** A program of the guest's. Its process group ends with the display. */
	run(...words: readonly string[]): ChildProcess {
		return this.#spawn("waypipe", [...plainWaypipe, "-s", this.guestSocket, "server", "--", ...words], {
			XDG_RUNTIME_DIR: this.#directory,
			LANG: "C.UTF-8",
		});
	}

	/** What a program of the guest's writes until it ends. */
	async output(input: string | Buffer, ...words: readonly string[]): Promise<Buffer> {
		const child = this.run(...words);
		const pieces: Buffer[] = [];
		child.stdout?.on("data", (piece: Buffer) => pieces.push(piece));
		child.stdin?.end(input);
		await new Promise((resolve) => child.once("close", resolve));
		return Buffer.concat(pieces);
	}

	async stop(): Promise<void> {
		for (const socket of this.#sockets) socket.destroy();
		await new Promise((resolve) => this.#server.close(resolve));
		for (const child of this.#children.splice(0)) {
			if (child.pid === undefined) continue;
			const gone = child.exitCode !== null || child.signalCode !== null;
			const ended = gone ? undefined : new Promise((resolve) => child.once("exit", resolve));
			try {
				process.kill(-child.pid, "SIGKILL");
			} catch {
				// The group has ended by itself.
			}
			await ended;
		}
	}

	get #hostSocket(): string {
		return join(this.#directory, "host.sock");
	}

	#take(guest: Socket): void {
		if (this.fault !== undefined) {
			guest.destroy();
			return;
		}
		const host = connect(this.#hostSocket);
		let close = (): void => {};
		const end = (): void => {
			close();
			guest.destroy();
			host.destroy();
		};
		for (const socket of [guest, host]) {
			this.#sockets.add(socket);
			socket.on("error", end);
			socket.on("close", () => {
				this.#sockets.delete(socket);
				end();
			});
		}
		try {
			const connection = this.display.connect({
				toHost: (buffers) => write(host, buffers, guest),
				toGuest: (buffers) => write(guest, buffers, host),
			});
			close = () => connection.close();
			guest.on("data", (chunk: Buffer) => this.#guard(() => connection.fromGuest(chunk)));
			host.on("data", (chunk: Buffer) => this.#guard(() => connection.fromHost(chunk)));
		} catch (error) {
			this.#cut(error);
		}
	}

	#guard(work: () => void): void {
		try {
			work();
		} catch (error) {
			this.#cut(error);
		}
	}

	/** As the process that owns it does: the whole vm's display goes. */
	#cut(error: unknown): void {
		this.fault ??= (error as Error).message;
		for (const socket of this.#sockets) socket.destroy();
	}

	#canConnect(): Promise<boolean> {
		return new Promise((resolve) => {
			const socket = connect(this.#hostSocket, () => {
				socket.destroy();
				resolve(true);
			});
			socket.on("error", () => resolve(false));
		});
	}

	#spawn(program: string, words: readonly string[], environment: Record<string, string>): ChildProcess {
		const become = ["--pdeathsig", "TERM", ...identityWords(this.#compositor.uid)];
		const child = spawn("setpriv", [...become, program, ...words], {
			env: { PATH: process.env.PATH, HOME: this.#directory, ...environment },
			cwd: this.#directory,
			detached: true,
			stdio: ["pipe", "pipe", "ignore"],
		});
		child.on("error", () => {});
		child.stdin?.on("error", () => {});
		this.#children.push(child);
		return child;
	}
}

/** Stops reading from `source` while `target` has not taken what it was given. */
function write(target: Socket, buffers: readonly Buffer[], source: Socket): void {
	if (target.destroyed) return;
	target.cork();
	let isTaken = true;
	for (const buffer of buffers) isTaken = target.write(buffer);
	target.uncork();
	if (isTaken) return;
	source.pause();
	target.once("drain", () => source.resume());
}
