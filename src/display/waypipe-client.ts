/** One `waypipe client` for one connection of a guest's program: it has the compositor's socket, and of this host's session nothing else. */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { QubesLiteError } from "../errors.ts";
import { toInstallCommand } from "../host/install-command.ts";
import { findProgram } from "../host/programs.ts";
import { lastLines } from "../terminal/safe-text.ts";
import { waypipePackages } from "../vmm/display-helper.ts";

/** It listens after some ms; on a host that swaps it may take a moment. */
const listensWithinMs = 10_000;
/** From the end of its connection, or SIGTERM, to SIGKILL. */
const endsWithinMs = 2_000;
/** It is there after some ms. */
const dialAgainMs = 5;
/** Of its words the last ones count. */
const wordsMaxChars = 4_096;

/** Both ends speak so (guest: qubes-lite-windows.service), for what is compressed can not be judged. Without a GPU there are no dma-bufs, which carry the drivers of this host. */
const agreed = ["--compress", "none", "--no-gpu"];

export interface WaypipeOptions {
	/** PATH. */
	readonly searchPath: string;
	/** The compositor's socket. */
	readonly compositor: string;
	/** Where its own is made. */
	readonly path: string;
}

export class WaypipeClient {
	readonly #child: ChildProcess;
	readonly #options: WaypipeOptions;
	#words = "";
	/** Resolves when it is gone; never rejects. */
	readonly ended: Promise<void>;

	/** Throws Unsupported where there is no waypipe. */
	constructor(options: WaypipeOptions) {
		this.#options = options;
		const program = findProgram(options.searchPath, "waypipe");
		if (program === undefined) {
			throw new QubesLiteError("Unsupported", "waypipe is not installed on this host", {
				remedy: toInstallCommand(options.searchPath, waypipePackages),
			});
		}
		this.#child = spawn(program, [...agreed, "--oneshot", "--socket", options.path, "client"], {
			stdio: ["ignore", "ignore", "pipe"],
			env: { WAYLAND_DISPLAY: options.compositor, XDG_RUNTIME_DIR: dirname(options.compositor) },
		});
		this.#child.stderr?.on("data", (chunk: Buffer) => {
			this.#words = `${this.#words}${chunk.toString("latin1")}`.slice(-wordsMaxChars);
		});
		this.ended = new Promise((resolve) => {
			const gone = (): void => {
				rmSync(options.path, { force: true });
				resolve();
			};
			this.#child.once("error", gone).once("close", gone);
		});
	}

	/** Resolves with its connection, not read yet; rejects where it ends before, with what it has said. */
	async connect(): Promise<Socket> {
		let hasEnded = false;
		void this.ended.then(() => {
			hasEnded = true;
		});
		const deadline = performance.now() + listensWithinMs;
		while (!hasEnded && performance.now() < deadline) {
			const socket = await dial(this.#options.path);
			if (socket !== undefined) return socket;
			await setTimeout(dialAgainMs);
		}
		throw this.#failure();
	}

	/** Told once; resolves when it is gone. */
	async end(): Promise<void> {
		if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
		const late = new AbortController();
		await Promise.race([this.ended, setTimeout(endsWithinMs, null, { signal: late.signal }).catch(() => {})]);
		late.abort();
		this.#child.kill("SIGKILL");
		await this.ended;
	}

	#failure(): QubesLiteError {
		const [words] = lastLines(this.#words, 1);
		const why = words === undefined ? "" : `: ${words}`;
		return new QubesLiteError("Unsupported", `waypipe could not reach the compositor${why}`, {
			remedy: "waypipe --version   # 0.8.4 and newer will do",
		});
	}
}

/** A look at its socket would be the one connection that it takes. */
function dial(path: string): Promise<Socket | undefined> {
	return new Promise((resolve) => {
		const socket = connect(path);
		socket.once("connect", () => resolve(socket.pause().removeAllListeners("error")));
		socket.once("error", () => resolve(undefined));
	});
}
