/** Words of a vm's own on its guest's kernel command line. */
import * as v from "valibot";

/**
 * The whole line has 2047 bytes at most (COMMAND_LINE_SIZE of x86 with its NUL, arch/x86/include/asm/setup.h), and what the broker itself
 * says on it never more than the rest: test/vmm/kernel-command-line.test.ts has the longest.
 */
export const kernelParamsMaxBytes = 1200;

/** What the broker says of a vm (contracts: configuration); root= follows from its root disk. */
const taken = ["qubeslite.", "systemd.hostname=", "ifname=", "ip=", "root="];

const wordRule = "a word of printable ASCII that does not begin with -";

const word = v.pipe(
	v.string(wordRule),
	// crosvm takes a value that begins with - and has = in it for an option.
	v.regex(/^(?!-)[\x21-\x7e]+$/, wordRule),
	// Up to the next one all is one word to the kernel, what we say behind it included (next_arg in its lib/cmdline.c).
	v.check((value: string) => value.split('"').length % 2 === 1, "a word with its quotes in pairs"),
	v.check(
		(value: string) => !taken.some((key) => value.startsWith(key)),
		"another word: this one the broker sets itself",
	),
);

export const kernelParams = v.optional(
	v.pipe(
		v.array(word, "a list of words"),
		v.readonly(),
		v.check(
			(words) => words.join(" ").length <= kernelParamsMaxBytes,
			`at most ${kernelParamsMaxBytes} bytes in all: the kernel's whole line has 2047`,
		),
	),
	[],
);
