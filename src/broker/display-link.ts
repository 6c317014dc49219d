/** The broker's connection to the helper that keeps a vm's windows: which there are, and what people should know. One for each instance that has such a helper. */
import { connect, type Socket } from "node:net";
import { basename, join } from "node:path";
import { vmFiles } from "../launch-plan.ts";
import {
	type ClipMove,
	type DisplayNotice,
	type DisplayState,
	displayFrame,
	encodeWatch,
	fromDisplayLimits,
	parseMoved,
	parseNotice,
	parseState,
} from "../protocol/display.ts";
import { FrameDecoder } from "../protocol/frame.ts";

export type DisplayEvent =
	| ({ readonly type: "state" } & Windows)
	| ({ readonly type: "notice" } & DisplayNotice)
	| ({ readonly type: "moved" } & ClipMove);

/**
 * A helper that has cut us off, as it does with who does not read, is asked again: the windows that it keeps are still there. So is one that does not
 * listen yet, or that its shim starts again; each time after twice as long, for 25 s in all.
 */
const againAfterMs = 200;
const missesMax = 7;

/** After 6 s one that was there is gone, and so is not its vm: of a vm that ends, nobody asks so late. */
const missesOfGone = 6;

type Windows = Pick<DisplayState, "windows" | "cut">;

const nothing: Windows = { windows: [], cut: null };

export class DisplayLink {
	readonly #directory: string;
	readonly #wayland: () => string | null;
	readonly #tell: (event: DisplayEvent) => void;
	#socket: Socket | undefined;
	#again: NodeJS.Timeout | undefined;
	/** So often it was not there, or said what nobody understands, since it last told its state. */
	#misses = 0;
	/** The compositor that it was told. */
	#told: string | null = null;
	/** Who told the state. */
	#helper: number | undefined;
	#state = nothing;

	/** `wayland`: WAYLAND_DISPLAY as the broker has it. */
	constructor(directory: string, wayland: () => string | null, tell: (event: DisplayEvent) => void) {
		this.#directory = directory;
		this.#wayland = wayland;
		this.#tell = tell;
	}

	/** As last told; of one that is not there: no windows. */
	get state(): Windows {
		return this.#state;
	}

	/** Connects where that has not been done, or the helper was not there, and again when that ends. Where there is none any more, there are no windows. */
	open(): void {
		if (this.#socket !== undefined) return;
		clearTimeout(this.#again);
		this.#misses = 0;
		this.#connect();
	}

	#connect(): void {
		const socket = connect(join(this.#directory, vmFiles.display));
		this.#socket = socket;
		let wasThere = false;
		socket.once("connect", () => {
			wasThere = true;
		});
		const decoder = new FrameDecoder(fromDisplayLimits);
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, ({ type, payload }) => {
					if (type === displayFrame.state) this.#heard(parseState(payload));
					else if (type === displayFrame.moved) this.#tell({ type: "moved", ...parseMoved(payload) });
					else if (type === displayFrame.notice) this.#tell({ type: "notice", ...parseNotice(payload) });
				});
			} catch {
				socket.destroy();
			}
		});
		socket.once("close", () => {
			this.#socket = undefined;
			if (!wasThere && this.#state.windows.length > 0) this.#changed({ ...this.#state, windows: [] });
			const afterMs = againAfterMs * 2 ** this.#misses;
			this.#misses += 1;
			if (this.#misses === missesOfGone && this.#helper !== undefined) this.#gone();
			if (this.#misses <= missesMax) this.#again = setTimeout(() => this.#connect(), afterMs);
		});
		this.#watch(socket);
	}

	/** The compositor may be another one now. */
	tellSession(): void {
		if (this.#socket !== undefined && this.#wayland() !== this.#told) this.#watch(this.#socket);
	}

	#watch(socket: Socket): void {
		this.#told = this.#wayland();
		socket.write(encodeWatch({ wayland: this.#told }));
	}

	#heard({ helper, windows, cut }: DisplayState): void {
		if (this.#helper !== undefined && this.#helper !== helper) {
			this.#changed(nothing);
			const message = `${this.#ended}, and it has another one: programs with windows are to be run again`;
			this.#tell({ type: "notice", message, remedy: null });
		}
		this.#helper = helper;
		this.#misses = 0;
		this.#changed({ windows, cut });
	}

	#gone(): void {
		this.#helper = undefined;
		this.#changed({ windows: [], cut: this.#ended });
		const remedy = `qubes-lite restart ${basename(this.#directory)}   # gives it another one`;
		this.#tell({ type: "notice", message: this.#ended, remedy });
	}

	get #ended(): string {
		return `the display of ${basename(this.#directory)} was cut: its helper vm-display has ended`;
	}

	/** Tells nothing any more. */
	close(): void {
		clearTimeout(this.#again);
		this.#socket?.removeAllListeners("close").removeAllListeners("data").destroy();
		this.#socket = undefined;
	}

	#changed(state: Windows): void {
		this.#state = state;
		this.#tell({ type: "state", ...state });
	}
}
