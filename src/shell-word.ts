/** Words for a shell's command line: remedies are there to be pasted. */

/** `word` as any POSIX sh reads it back, in quotes only where it needs them (XCU 2.2.2). It must not hold a NUL. */
export function shellWord(word: string): string {
	return /^[\w%+,./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
