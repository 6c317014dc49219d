/**
 * Which escape sequences of a guest may reach the user's terminal: what a full-screen program or a shell with colours
 * needs, and nothing that isn't listed. The names are those of ECMA-48 (5th edition, §8.3), of DEC (VT510 manual) and of
 * xterm ("XTerm Control Sequences", ctlseqs); there each can be looked up by its name.
 *
 * Left out on purpose, for what is left out is dropped:
 * - what makes the terminal type an answer: DA1–DA3, DSR, DECRQM, DECREQTPARM, XTVERSION, window reports (CSI t, all of
 *   it), DECRQCRA, XTQMODKEYS, the keyboard query (CSI ? u), DECID; and focus reports (?1004): xterm and others type
 *   one as soon as they are switched on (ghostty #2196 says why);
 * - every string: OSC, DCS, APC, PM, SOS. So no title, clipboard, palette, notification, graphics, nor hyperlink (OSC 8):
 *   its target need not be what its text says, and the text itself passes;
 * - what changes the keyboard or outlives the program: KAM, SRM, LNM, XTMODKEYS, the keyboard protocol (CSI > u), LEDs,
 *   tab stops (HTS, TBC), which nothing puts back as they were;
 * - printing (MC), resizing (DECCOLM), full reset (RIS) and erasing the scrollback (ED 3), which is the user's;
 * - other character sets than these two, locking shifts, and leaving UTF-8 (ESC %); VT52 mode; margins left and right;
 *   synchronized output (?2026), which holds back what others write.
 */

/** How many parameters a control sequence may have, and which values; an omitted one counts as 0. */
interface ParameterRule {
	readonly most: number;
	readonly accepts?: (value: number) => boolean;
	/** The parameters are apart from each other, as modes are: those that are not accepted are taken out. */
	readonly each?: true;
	/** Parameters may have parts, as colours do: 38:2::255:128:0 (ISO 8613-6). */
	readonly parts?: true;
}

const none: ParameterRule = { most: 0 };
const one: ParameterRule = { most: 1 };
const two: ParameterRule = { most: 2 };
const among = (...values: number[]): ParameterRule => ({ most: 1, accepts: (value) => values.includes(value) });
const modes = (values: readonly number[]): ParameterRule => ({
	most: 16,
	accepts: (value) => values.includes(value),
	each: true,
});

/** IRM; the other ANSI modes are the keyboard's, or LNM. */
const ansiModes = modes([4]);

const decPrivateModes = modes([
	1, // DECCKM, cursor keys
	5, // DECSCNM, reverse screen: the visible bell
	6, // DECOM, origin
	7, // DECAWM, wrap
	12, // cursor blinks (att610)
	25, // DECTCEM, cursor is shown
	...[47, 1047, 1048, 1049], // alternate screen, saved cursor
	...[1000, 1002, 1003, 1006], // mouse reports, sent when the user acts; 1001 waits for an answer, 1005 and 1015 are obsolete
	2004, // bracketed paste
]);

/** By private marker, intermediate and final byte. */
const controlSequences: Readonly<Record<string, ParameterRule>> = {
	A: one, // CUU, cursor up
	B: one, // CUD, down
	C: one, // CUF, forward
	D: one, // CUB, back
	E: one, // CNL, next line
	F: one, // CPL, preceding line
	G: one, // CHA, column
	"`": one, // HPA, column
	a: one, // HPR, columns forward
	d: one, // VPA, line
	e: one, // VPR, lines down
	H: two, // CUP, position
	f: two, // HVP, position
	s: none, // SCOSC, save cursor; with parameters it is DECSLRM
	u: none, // SCORC, restore cursor
	I: one, // CHT, tab forward
	Z: one, // CBT, tab back
	J: among(0, 1, 2), // ED, erase in display
	K: among(0, 1, 2), // EL, erase in line
	X: one, // ECH, erase characters
	"@": one, // ICH, insert characters
	P: one, // DCH, delete characters
	L: one, // IL, insert lines
	M: one, // DL, delete lines
	S: one, // SU, scroll up
	T: one, // SD, scroll down; with five parameters it is XTHIMOUSE
	r: two, // DECSTBM, scroll region
	// REP, repeat a character: ncurses fills a line so. A wider terminal than this is nobody's.
	b: { most: 1, accepts: (count) => count < 1000 },
	m: { most: 32, parts: true }, // SGR, colours and attributes
	h: ansiModes, // SM
	l: ansiModes, // RM
	"?h": decPrivateModes, // DECSET
	"?l": decPrivateModes, // DECRST
	"!p": none, // DECSTR, soft reset
	" q": among(0, 1, 2, 3, 4, 5, 6), // DECSCUSR, cursor's shape
};

/** What follows ESC, other than "[". */
const escapeSequences: ReadonlySet<string> = new Set([
	"7", // DECSC, save cursor
	"8", // DECRC, restore cursor
	"D", // IND, line down
	"E", // NEL, next line
	"M", // RI, line up
	"=", // DECKPAM, application keypad
	">", // DECKPNM, numeric keypad
	...["(B", ")B", "(0", ")0"], // SCS: ASCII or line drawing as G0 or G1; SO and SI choose between those
]);

const keyOf = (marker: number, intermediate: number, final: number): number =>
	(marker << 16) | (intermediate << 8) | final;

const rules: ReadonlyMap<number, ParameterRule> = new Map(
	Object.entries(controlSequences).map(([name, rule]) => {
		const prefix = name.length > 1 ? name.charCodeAt(0) : 0;
		const final = name.charCodeAt(name.length - 1);
		return [isMarker(prefix) ? keyOf(prefix, 0, final) : keyOf(0, prefix, final), rule];
	}),
);

/**
 * What may be shown of the whole sequence `bytes[from, to)`, which begins with ESC and has no control in it: true for all
 * of it as it stands, false for nothing, or the sequence to show instead.
 */
export function judgeSequence(bytes: Buffer, from: number, to: number): boolean | Buffer {
	if (bytes[from + 1] !== 0x5b) return escapeSequences.has(bytes.toString("latin1", from + 1, to));
	const marker = bytes[from + 2] as number;
	const intermediate = bytes[to - 2] as number;
	const first = isMarker(marker) ? from + 3 : from + 2;
	const last = intermediate < 0x30 ? to - 2 : to - 1;
	const key = keyOf(first > from + 2 ? marker : 0, last < to - 1 ? intermediate : 0, bytes[to - 1] as number);
	const rule = rules.get(key);
	if (rule === undefined) return false;
	if (areAccepted(bytes, first, last, rule)) return true;
	return rule.each === true && selectParameters(bytes, from, first, last, rule);
}

/** More digits are nobody's screen, and some terminal's overflow. */
const mostDigits = 5;

function areAccepted(bytes: Buffer, from: number, to: number, rule: ParameterRule): boolean {
	if (from === to) return rule.accepts?.(0) ?? true;
	let count = 1;
	let value = 0;
	let digits = 0;
	for (let index = from; index < to; index++) {
		const byte = bytes[index] as number;
		if (byte >= 0x30 && byte <= 0x39) {
			value = value * 10 + byte - 0x30;
			if (++digits > mostDigits) return false;
		} else if (byte === 0x3b || (byte === 0x3a && rule.parts)) {
			if (rule.accepts?.(value) === false) return false;
			count++;
			value = 0;
			digits = 0;
		} else {
			return false;
		}
	}
	return count <= rule.most && rule.accepts?.(value) !== false;
}

/** The sequence with the accepted ones of its parameters, or false where there are none. */
function selectParameters(
	bytes: Buffer,
	from: number,
	first: number,
	last: number,
	rule: ParameterRule,
): false | Buffer {
	const accepted = bytes
		.toString("latin1", first, last)
		.split(";")
		.map((text) => Buffer.from(text, "latin1"))
		.filter((parameter) => areAccepted(parameter, 0, parameter.length, rule))
		.slice(0, rule.most);
	if (accepted.length === 0) return false;
	return Buffer.from(
		`${bytes.toString("latin1", from, first)}${accepted.join(";")}${bytes.toString("latin1", last, last + 1)}`,
	);
}

function isMarker(byte: number): boolean {
	return byte >= 0x3c && byte <= 0x3f;
}
