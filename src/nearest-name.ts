/** What a mistyped word was meant to be: vms, commands, options, keys. */

const shortestBeginning = 3;

/**
 * The one of `known` that `name` was most likely meant to be: the nearest by Damerau–Levenshtein distance, the first
 * of equals, case aside. One slip is allowed from 2 characters on, two from 5: beyond that a guess misleads. The only
 * one that begins so comes first, from 3 characters on.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
	let nearest: string | undefined;
	const begun = known.filter((candidate) => name.length >= shortestBeginning && candidate.startsWith(name));
	if (begun.length === 1) return begun[0];
	let bound = Math.min(2, Math.floor((name.length + 1) / 3));
	for (const candidate of known) {
		// The difference in length is a lower bound of the distance: a name of a megabyte costs nothing.
		if (Math.abs(candidate.length - name.length) > bound) continue;
		const distance = toDistance(name.toLowerCase(), candidate.toLowerCase());
		if (distance > bound) continue;
		nearest = candidate;
		bound = distance - 1;
	}
	return nearest;
}

/** Insertions, deletions, replacements and swaps of neighbours from `a` to `b` (optimal string alignment). */
function toDistance(a: string, b: string): number {
	let beforeLast: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, column) => column);
	for (let row = 1; row <= a.length; row++) {
		const current = [row];
		for (let column = 1; column <= b.length; column++) {
			const same = a[row - 1] === b[column - 1];
			const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
			current[column] = Math.min(
				(last[column] ?? 0) + 1,
				(current[column - 1] ?? 0) + 1,
				(last[column - 1] ?? 0) + (same ? 0 : 1),
				swapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
			);
		}
		beforeLast = last;
		last = current;
	}
	return last[b.length] ?? 0;
}
