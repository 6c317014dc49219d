/** What may go between a vm's clipboard and the host's, on purpose: one text, or one picture. */
import { QubesLiteError } from "../errors.ts";
import type { ClipKind } from "../protocol/display.ts";
import { clipboardMaxBytes } from "../protocol/limits.ts";
import type { VmClipboard } from "../wayland/clipboard.ts";
import type { Clipboard } from "./display-socket.ts";

/** As programs offer them, the best first. */
const textTypes = ["text/plain;charset=utf-8", "UTF8_STRING", "text/plain"];
/** A program in an emulated guest that has much to do takes seconds. */
const readWithinMs = 20_000;
const pngType = "image/png";

export function toClipboard(vm: string, clipboard: VmClipboard, withinMs = readWithinMs): Clipboard {
	return {
		async read() {
			const types = clipboard.types();
			const text = textTypes.find((type) => types.includes(type));
			const type = text ?? types.find((one) => one === pngType);
			if (type === undefined) throw nothing(vm, types);
			const late = AbortSignal.timeout(withinMs);
			const bytes = await clipboard.read(type, clipboardMaxBytes, late).catch((cause: unknown) => {
				throw late.aborted ? givesNothing(vm, cause) : cause;
			});
			return { kind: text === undefined ? "png" : "text", bytes };
		},
		write(kind: ClipKind, bytes: Buffer) {
			clipboard.set(new Map([[kind === "png" ? pngType : "text/plain;charset=utf-8", bytes]]));
		},
	};
}

const givesNothing = (vm: string, cause: unknown): QubesLiteError =>
	new QubesLiteError("Unresponsive", `the program in ${vm} that has copied something does not give it`, {
		remedy: "copy it there once more",
		cause,
	});

const nothing = (vm: string, types: readonly string[]): QubesLiteError =>
	types.length === 0
		? new QubesLiteError("NotRunning", `nothing has been copied in ${vm}`, { remedy: "copy something there first" })
		: new QubesLiteError("Unsupported", `what has been copied in ${vm} is neither text nor a PNG picture`, {
				remedy: "qubes-lite cp moves files",
			});
