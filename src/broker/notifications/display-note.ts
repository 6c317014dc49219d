/** What a vm's display tells: a window that could not be shown, or something that was copied. Who has started the program may not sit before a terminal. */
import type { ClipMove } from "../../protocol/display.ts";
import type { NotedVmOptions, Noter } from "./noted-vm.ts";
import type { OpenNote } from "./open-note.ts";

export class DisplayNote implements Noter {
	readonly #options: NotedVmOptions;
	#note: OpenNote | undefined;
	readonly #unwatch: () => void;

	constructor(options: NotedVmOptions) {
		this.#options = options;
		this.#unwatch = options.vm.watchDisplay((event) => {
			if (options.isHidden()) return;
			if (event.type === "notice") this.#tell(event.message, event.remedy);
			if (event.type === "moved") this.#tellMove(event);
		});
	}

	/** Its machine has no part in it. */
	look(): void {}

	async end(): Promise<void> {
		this.#unwatch();
		const note = this.#note;
		this.#note = undefined;
		await note?.finish();
	}

	/** Whoever has not asked for it should see it. */
	#tellMove({ way, kind, bytes }: ClipMove): void {
		const { name } = this.#options.vm.config;
		const [from, to] = way === "copy" ? [name, "this desktop"] : ["this desktop", name];
		const what = kind === "text" ? "text" : "a picture";
		const body = [`${what}, ${bytes} bytes`];
		this.#options.desk.show(name, "clip", { summary: `Copied from ${from} to ${to}`, body, urgency: "low" });
	}

	#tell(message: string, remedy: string | null): void {
		const { name } = this.#options.vm.config;
		const body = remedy === null ? [message] : [message, remedy];
		const note = this.#options.desk.show(name, "display", {
			summary: `${name} can't show a window`,
			body,
			urgency: "normal",
		});
		if (note === undefined) return;
		void this.#note?.close();
		this.#note = note;
	}
}
