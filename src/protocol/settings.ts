/** Settings of a vm on the wire, by the keys of its configuration. Which there are, is known to whoever takes them. */
import { QubesLiteError } from "../errors.ts";
import type { Fields } from "./fields.ts";

export type WireSettings = Readonly<Record<string, string | number>>;

/** There are fewer, and they are short; a newer peer may have some more. */
const settingsMax = 16;
const wordMax = 64;

/** Throws BadRequest. */
export function parseWireSettings(fields: Fields, name: string): WireSettings {
	const settings = fields.object(name);
	const keys = settings.keys();
	if (keys.length > settingsMax || keys.some((key) => key.length > wordMax)) {
		throw new QubesLiteError("BadRequest", `${name} may have at most ${settingsMax} keys of ${wordMax} characters`);
	}
	return Object.fromEntries(keys.map((key) => [key, readValue(settings, key)]));
}

function readValue(settings: Fields, key: string): string | number {
	if (settings.isNumber(key)) return settings.integer(key, 0, Number.MAX_SAFE_INTEGER);
	const value = settings.string(key, wordMax);
	if (value !== "") return value;
	throw new QubesLiteError("BadRequest", `${key} is set to nothing`);
}
