/** What a guest's kernel says last on its console. */

/** Its words where it has panicked; null where it has not, or says that it has ended in good order since. Whoever writes there has the say. */
export function findPanic(console: string): string | null {
	const [, words = null] = /^[\s\S]*Kernel panic - not syncing: ([^\r\n]*)/.exec(console) ?? [];
	if (words === null) return null;
	const after = console.slice(console.lastIndexOf(words) + words.length);
	/** kernel/reboot.c, at a level that "quiet" lets through. A panic ends by none of these. */
	return /reboot: (?:Power down|Restarting system|System halted)/.test(after) ? null : words;
}
