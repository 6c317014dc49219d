/** Settings of a vm in words: "idleTimeout 10 min, idleAction pause". */
import type { WireSettings } from "../protocol/settings.ts";
import { toSafeText } from "../terminal/safe-text.ts";

export const formatSettings = (settings: WireSettings): string =>
	Object.entries(settings)
		.map(([key, value]) => `${toSafeText(key)} ${format(key, value)}`)
		.join(", ");

function format(key: string, value: string | number): string {
	if (typeof value === "string") return toSafeText(value);
	return key === "memory" ? `${value} MiB` : formatExactly(value);
}

/** "10 min", "1 h 30 s": who has set something wants to see all of it. 0 is for ever. */
function formatExactly(seconds: number): string {
	if (seconds === 0) return "0 (never)";
	const units = [
		["d", Math.floor(seconds / 86_400)],
		["h", Math.floor(seconds / 3600) % 24],
		["min", Math.floor(seconds / 60) % 60],
		["s", seconds % 60],
	] as const;
	return units
		.filter(([, count]) => count > 0)
		.map(([unit, count]) => `${count} ${unit}`)
		.join(" ");
}
