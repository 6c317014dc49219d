/** `<vm>/display.sock`: tells the broker what windows there are, and moves what is copied, for whoever of this user asks. */
import type { Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import {
	type ClipKind,
	type ClipMove,
	type DisplayNotice,
	type DisplayState,
	displayFrame,
	encodeContent,
	encodeDone,
	encodeMoved,
	encodeNotice,
	encodeState,
	parseClipKind,
	parseWatch,
	toDisplayLimits,
} from "../protocol/display.ts";
import { encodeJsonFrame, type Frame, FrameDecoder } from "../protocol/frame.ts";
import { Door } from "./door.ts";

export interface Clipboard {
	/** What the vm's programs have copied; rejects where that is nothing that can be moved. */
	read(): Promise<{ readonly kind: ClipKind; readonly bytes: Buffer }>;
	/** What they paste from now on. */
	write(kind: ClipKind, bytes: Buffer): void;
}

export interface DisplaySocketOptions {
	readonly clipboard: Clipboard;
	state(): DisplayState;
	/** Where the broker knows the compositor to be. */
	told(wayland: string | null): void;
}

/** A broker that does not read has what there is when it looks again. */
const unreadMaxBytes = 4 * 1024 * 1024;

export class DisplaySocket {
	readonly #options: DisplaySocketOptions;
	readonly #door: Door;
	readonly #watchers = new Set<Socket>();

	constructor(options: DisplaySocketOptions) {
		this.#options = options;
		this.#door = new Door((socket) => this.#serve(socket));
	}

	listen(path: string): Promise<void> {
		return this.#door.listen(path);
	}

	close(): void {
		this.#door.close();
	}

	/** The state has changed. */
	changed(): void {
		this.#tellAll(encodeState(this.#options.state()));
	}

	notice(notice: DisplayNotice): void {
		this.#tellAll(encodeNotice(notice));
	}

	#moved(move: ClipMove): void {
		this.#tellAll(encodeMoved(move));
	}

	#tellAll(frame: Buffer): void {
		for (const watcher of this.#watchers) {
			if (watcher.writableLength > unreadMaxBytes) watcher.destroy();
			else watcher.write(frame);
		}
	}

	#serve(socket: Socket): void {
		const decoder = new FrameDecoder(toDisplayLimits);
		let kind: ClipKind | undefined;
		const take = ({ type, payload }: Frame): void => {
			if (type === displayFrame.watch) this.#watch(socket, parseWatch(payload).wayland);
			else if (type === displayFrame.read) void this.#read(socket);
			else if (type === displayFrame.write) kind = parseClipKind(payload);
			else if (kind !== undefined) {
				// The decoder's bytes are valid as long as this call.
				this.#options.clipboard.write(kind, Buffer.from(payload));
				this.#moved({ way: "paste", kind, bytes: payload.length });
				socket.end(encodeDone());
			}
		};
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, take);
			} catch (cause) {
				refuse(socket, cause);
			}
		});
		socket.resume();
	}

	#watch(socket: Socket, wayland: string | null): void {
		this.#options.told(wayland);
		if (!this.#watchers.has(socket)) socket.once("close", () => this.#watchers.delete(socket));
		this.#watchers.add(socket);
		socket.write(encodeState(this.#options.state()));
	}

	async #read(socket: Socket): Promise<void> {
		try {
			const { kind, bytes } = await this.#options.clipboard.read();
			this.#moved({ way: "copy", kind, bytes: bytes.length });
			socket.end(encodeContent(kind, bytes));
		} catch (cause) {
			refuse(socket, cause);
		}
	}
}

const refuse = (socket: Socket, cause: unknown): void => {
	socket.end(encodeJsonFrame(displayFrame.refused, QubesLiteError.from(cause).toFacts()));
};
