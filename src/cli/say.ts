/** Words of our own on standard output. */

/** Resolves when they are written; rejects where they can't be. */
export function say(text: string): Promise<void> {
	return new Promise((resolve, reject) => {
		process.stdout.write(text, (cause) => (cause === null || cause === undefined ? resolve() : reject(cause)));
	});
}
