/** What a window is called, with its vm's name, which no guest can leave out or move. */
import { toSafeText } from "../terminal/safe-text.ts";

/** Of a guest's title, in characters: what a title bar can show at most. */
const titleLength = 200;
const appIdLength = 64;

/** Without controls, marks that turn the direction of writing, and line breaks. */
export function toSafeTitle(title: string): string {
	const line = toSafeText(title).replace(/[\n\t]/g, " ");
	return line.length <= titleLength ? line : [...line].slice(0, titleLength).join("");
}

export const tagTitle = (vm: string, title: string): string => `[${vm}] ${toSafeTitle(title)}`;

/** Letters, digits and "._-". */
export function toSafeAppId(appId: string): string {
	return appId.slice(0, appIdLength).replace(/[^A-Za-z0-9._-]/g, "_");
}

/** What the compositor's rules, for colours and the like, may go by. */
export const tagAppId = (vm: string, appId: string): string => `qubes-lite.${vm}.${toSafeAppId(appId)}`;
