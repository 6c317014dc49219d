/** "3 min 20 s", "600 ms": the words of a duration, for reasons and answers. At most two units. */
export function formatDuration(ms: number): string {
	if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
	const seconds = Math.round(ms / 1000);
	const units: readonly (readonly [string, number])[] = [
		["d", Math.floor(seconds / 86_400)],
		["h", Math.floor(seconds / 3600) % 24],
		["min", Math.floor(seconds / 60) % 60],
		["s", seconds % 60],
	];
	const first = units.findIndex(([, count]) => count > 0);
	return units
		.slice(first, first + 2)
		.filter(([, count]) => count > 0)
		.map(([unit, count]) => `${count} ${unit}`)
		.join(" ");
}
