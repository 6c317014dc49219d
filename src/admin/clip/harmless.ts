/** What a guest has copied, as it may come to this desktop: a program may take what is pasted for more than it is. */
import { remakePng } from "../../desktop/png.ts";
import { QubesLiteError } from "../../errors.ts";
import type { ClipKind } from "../../protocol/display.ts";

/** A screenshot of four large screens. */
const sideMax = 16_384;
const pixelBytesMax = 256 * 1024 * 1024;

/** Text without control characters, of which terminals do more than show; a picture of nothing but its pixels. */
export function toHarmless(kind: ClipKind, bytes: Buffer, vm: string): Buffer {
	if (kind === "text") return Buffer.from(toPlainText(bytes.toString("utf8")));
	const made = remakePng(bytes, pixelBytesMax, sideMax);
	if (made !== undefined) return made.png;
	throw new QubesLiteError("Unsupported", `the picture that has been copied in ${vm} is no PNG that can be made anew`, {
		remedy: "qubes-lite cp moves files as they are",
	});
}

/** Lines end as they do here. */
const toPlainText = (text: string): string =>
	text.replace(/\r\n?/g, "\n").replace(/\p{Cc}/gu, (character) => (/[\n\t]/.test(character) ? character : "\uFFFD"));
