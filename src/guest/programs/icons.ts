/** An application's icon where most programs have it: no theme's rules, only hicolor and pixmaps. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { iconMaxBytes } from "../../protocol/programs.ts";

/** Of those that a theme has, the best for a menu first. */
const sizes = ["64x64", "48x48", "128x128", "96x96", "256x256", "32x32", "512x512"];

/** Its bytes; undefined where there is no PNG of a size that the host takes. */
export function readIcon(icon: string, directories: readonly string[]): Buffer | undefined {
	for (const path of placesOf(icon, directories)) {
		try {
			const found = statSync(path);
			if (found.isFile() && found.size <= iconMaxBytes) return readFileSync(path);
		} catch {}
	}
	return undefined;
}

function placesOf(icon: string, directories: readonly string[]): string[] {
	if (icon.startsWith("/")) return icon.endsWith(".png") ? [icon] : [];
	if (icon.includes("/")) return [];
	const name = icon.endsWith(".png") ? icon : `${icon}.png`;
	return [
		...sizes.flatMap((size) => directories.map((data) => join(data, "icons/hicolor", size, "apps", name))),
		...directories.map((data) => join(data, "pixmaps", name)),
	];
}
