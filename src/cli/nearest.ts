/** The candidate that was most likely meant: at most two edits away, or a third of its length. undefined where none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
	let best: { readonly candidate: string; readonly distance: number } | undefined;
	for (const candidate of candidates) {
		const distance = editDistance(word, candidate);
		if (distance > Math.max(2, Math.floor(candidate.length / 3))) continue;
		if (best === undefined || distance < best.distance) best = { candidate, distance };
	}
	return best?.candidate;
}

function editDistance(a: string, b: string): number {
	let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
	for (let row = 1; row <= a.length; row++) {
		const current = [row];
		for (let column = 1; column <= b.length; column++) {
			const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
			current[column] = Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
		}
		previous = current;
	}
	return previous[b.length] ?? 0;
}
