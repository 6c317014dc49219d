/** A vm's wish for an image with some packages: where the image of it is found, and how it is called. */
import { createHash } from "node:crypto";
import type { ImageWish } from "../config/image.ts";
import { cachePaths } from "./image-manifest.ts";

/** The same for the same wish, in whatever order its packages are named. Without a suite it is the wish for the machine's own release, whichever that is. */
export function toWishKey({ suite, packages }: ImageWish): string {
	const text = JSON.stringify([suite ?? null, [...packages].sort()]);
	return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** Below `$XDG_CACHE_HOME/qubes-lite`: a symlink to the image, replaced at once by each build, so that what runs keeps what it has. */
export const wishPath = (wish: ImageWish): string => `${cachePaths.wishes}/${toWishKey(wish)}`;

/** So many are named; more are counted. */
const named = 4;

/** "firefox-esr and foot", "a, b, c, d and 3 more", "foot of Debian trixie". */
export function describeWish({ suite, packages }: ImageWish): string {
	const shown = packages.length > named + 1 ? packages.slice(0, named) : packages;
	const rest = packages.length - shown.length;
	const parts = rest === 0 ? shown : [...shown, `${rest} more`];
	const list = parts.length === 1 ? parts[0] : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
	return suite === undefined ? `${list}` : `${list} of Debian ${suite}`;
}
