/**
 * The filter between a hostile guest's output and the user's terminal, for streams: any chunking gives the same result.
 *
 * Text, in both modes: printable UTF-8 passes. A character that is not, and each piece that is not UTF-8, is shown as one
 * U+FFFD, also in `auto`: a raw 0x80–0x9f or U+0080–U+009F would be a control to some terminals. ZWJ and ZWNJ pass after a
 * character that is not ASCII (emoji, Persian, Indic scripts), and one variation selector there and behind what keycaps are
 * made of (0–9 # *), so they can't hide in a command or an address, nor hide much anywhere.
 *
 * `strict`: tab, newline and carriage return pass; every other control, ESC among them, is shown as U+FFFD.
 *
 * `auto`: what allowed-sequences.ts lists passes, and of C0 BEL, BS, HT, LF, VT, FF, CR, SO and SI. Other controls and
 * sequences are dropped without a trace, as a terminal drops what it doesn't know: a title in a prompt is no reason to
 * spoil the prompt. Private use characters pass, since prompts and status lines draw with them.
 * - A sequence passes whole or not at all, and never before its last byte is here.
 * - A byte that can't be in a sequence (a control, DEL, above 0x7e) ends it: what came of it is dropped, the byte is met
 *   anew. Terminals would carry out the control and go on with the sequence; no program writes that.
 * - A string (OSC, DCS, APC, PM, SOS, and ESC k, a title to screen and tmux) is swallowed up to ST, CAN, SUB or any ESC;
 *   an OSC and a title also to BEL and newline. What has no end after 64 KiB was no string: the rest is text.
 */
import { judgeSequence } from "./allowed-sequences.ts";
import { FilteredOutput } from "./filtered-output.ts";
import { decodeAt, joiner, kindOf, printable, privateUse, selector, sizeOf } from "./utf8.ts";

/**
 * `push` gives what may be shown so far; it may share memory with the chunk, so leave chunks alone. `end` gives what is
 * left when no more comes: an incomplete character as U+FFFD, of an incomplete sequence nothing.
 */
export interface EscapeFilter {
	push(chunk: Uint8Array): Buffer;
	end(): Buffer;
}

export function createEscapeFilter(mode: "strict" | "auto"): EscapeFilter {
	return new StreamFilter(mode);
}

/** Far more than the longest SGR that programs write (some 60 bytes). What is longer is dropped to its final byte. */
const mostSequenceBytes = 128;
/** Enough for a clipboard or a small picture; little enough to lose where a program died in the middle of a string. */
const mostSwallowedBytes = 64 * 1024;

const replacement = Buffer.from("\uFFFD");
const nothing = Buffer.alloc(0);

const esc = 0x1b;
const passes = 0;
const refused = 1;
const beginsSequence = 2;
const notAscii = 3;

/** What to do with each byte where no sequence or character has begun. */
const byteClasses = {
	strict: classify("\t\n\r"),
	auto: classify("\x07\b\t\n\v\f\r\x0e\x0f").fill(beginsSequence, esc, esc + 1),
};

function classify(controls: string): Uint8Array {
	const isAllowed = (byte: number) => (byte >= 0x20 && byte !== 0x7f) || controls.includes(String.fromCharCode(byte));
	return new Uint8Array(256).map((_, byte) => (byte >= 0x80 ? notAscii : isAllowed(byte) ? passes : refused));
}

/** What is dropped up to its end: an OSC or a title, another string, a control sequence over the limit. */
type Swallowing = "no" | "command" | "string" | "sequence";

/** What ESC and this byte begin: OSC and screen's title; DCS, SOS, PM and APC. */
const stringsByIntroducer: ReadonlyMap<number, Swallowing> = new Map([
	...[..."]k"].map((introducer) => [introducer.charCodeAt(0), "command"] as const),
	...[..."PX^_"].map((introducer) => [introducer.charCodeAt(0), "string"] as const),
]);

/** "other" is a visible character that is not ASCII; "keycap" is ASCII that emoji keycaps begin with. */
type Last = "ascii" | "keycap" | "other" | "joiner" | "selector";

const lastOfKind: Readonly<Record<number, Last>> = { [joiner]: "joiner", [selector]: "selector" };

/** 0–9, # and *: UTS #51, emoji keycap sequences. */
const isKeycap = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || byte === 0x23 || byte === 0x2a;

class StreamFilter implements EscapeFilter {
	readonly #mode: "strict" | "auto";
	/** The beginning of a sequence or a character, at most mostSequenceBytes: met again when more has come. */
	#held = nothing;
	#swallowing: Swallowing = "no";
	#swallowed = 0;
	/** What the last character that passed was. */
	#last: Last = "ascii";

	constructor(mode: "strict" | "auto") {
		this.#mode = mode;
	}

	push(chunk: Uint8Array): Buffer {
		const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : toBuffer(chunk);
		this.#held = nothing;
		const output = new FilteredOutput(bytes);
		const classes = byteClasses[this.#mode];
		let at = 0;
		while (at < bytes.length) {
			const from = at;
			if (this.#swallowing !== "no") {
				at = this.#swallow(bytes, from);
				output.replace(from, at, nothing);
				continue;
			}
			let byteClass = passes;
			while (at < bytes.length) {
				byteClass = classes[bytes[at] as number] as number;
				if (byteClass !== passes) break;
				at++;
			}
			if (at > from) this.#last = isKeycap(bytes[at - 1] as number) ? "keycap" : "ascii";
			if (byteClass === passes) break;
			const next =
				byteClass === notAscii
					? this.#filterCharacter(bytes, at, output)
					: byteClass === beginsSequence
						? this.#filterSequence(bytes, at, output)
						: this.#refuseControl(at, output);
			if (next < 0) {
				// A copy: the chunk is not kept alive for these few bytes.
				this.#held = Buffer.from(bytes.subarray(at));
				break;
			}
			at = next;
		}
		return output.finish(bytes.length - this.#held.length);
	}

	end(): Buffer {
		const isCharacter = this.#held.length > 0 && this.#held[0] !== esc;
		this.#held = nothing;
		this.#swallowing = "no";
		this.#last = "ascii";
		return isCharacter ? replacement : nothing;
	}

	/** These return where to go on, or -1 where the bytes end too early. */
	#filterCharacter(bytes: Buffer, at: number, output: FilteredOutput): number {
		const codePoint = decodeAt(bytes, at);
		if (codePoint === 0) return -1;
		if (codePoint < 0) {
			this.#last = "ascii";
			return output.replace(at, at - codePoint, replacement);
		}
		const next = at + sizeOf(codePoint);
		const kind = kindOf(codePoint);
		const isShown = this.#isShown(kind);
		this.#last = isShown ? (lastOfKind[kind] ?? "other") : "ascii";
		return isShown ? next : output.replace(at, next, replacement);
	}

	#isShown(kind: number): boolean {
		switch (kind) {
			case printable:
				return true;
			case privateUse:
				return this.#mode === "auto";
			case joiner:
				return this.#last === "other" || this.#last === "selector";
			case selector:
				return this.#last === "other" || this.#last === "keycap";
			default:
				return false;
		}
	}

	#refuseControl(at: number, output: FilteredOutput): number {
		if (this.#mode === "auto") return output.replace(at, at + 1, nothing);
		this.#last = "ascii";
		return output.replace(at, at + 1, replacement);
	}

	#filterSequence(bytes: Buffer, at: number, output: FilteredOutput): number {
		if (at + 1 === bytes.length) return -1;
		const introducer = bytes[at + 1] as number;
		const swallowing = stringsByIntroducer.get(introducer);
		if (swallowing !== undefined) {
			this.#startSwallowing(swallowing);
			return output.replace(at, at + 2, nothing);
		}
		// CSI: parameters and intermediates, then the final byte; else intermediates, then the final byte (ECMA-35).
		const isControlSequence = introducer === 0x5b;
		const lastBeforeFinal = isControlSequence ? 0x3f : 0x2f;
		const limit = at + mostSequenceBytes;
		let index = isControlSequence ? at + 2 : at + 1;
		for (; index < limit; index++) {
			if (index === bytes.length) return -1;
			const byte = bytes[index] as number;
			if (byte < 0x20 || byte > lastBeforeFinal) break;
		}
		if (index === limit) {
			this.#startSwallowing("sequence");
			return output.replace(at, limit, nothing);
		}
		const final = bytes[index] as number;
		if (final < 0x20 || final > 0x7e) return output.replace(at, index, nothing);
		const verdict = judgeSequence(bytes, at, index + 1);
		if (verdict === true) return index + 1;
		return output.replace(at, index + 1, verdict || nothing);
	}

	#startSwallowing(what: Swallowing): void {
		this.#swallowing = what;
		this.#swallowed = 0;
	}

	/** Where to go on. An ESC, CAN, SUB or newline that ended it is met anew; BEL or a final byte was part of it. */
	#swallow(bytes: Buffer, from: number): number {
		const what = this.#swallowing;
		const limit = Math.min(bytes.length, from + mostSwallowedBytes - this.#swallowed);
		for (let index = from; index < limit; index++) {
			const byte = bytes[index] as number;
			if (what === "sequence" ? byte < 0x20 || byte > 0x3f : byte < 0x20 && endsString(byte, what)) {
				this.#swallowing = "no";
				const isPartOfIt = what === "sequence" ? byte >= 0x40 && byte <= 0x7e : byte === 0x07;
				return isPartOfIt ? index + 1 : index;
			}
		}
		this.#swallowed += limit - from;
		if (this.#swallowed === mostSwallowedBytes) this.#swallowing = "no";
		return limit;
	}
}

function endsString(control: number, what: Swallowing): boolean {
	if (control === esc || control === 0x18 || control === 0x1a) return true;
	return what === "command" && (control === 0x07 || control === 0x0a);
}

function toBuffer(chunk: Uint8Array): Buffer {
	return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
