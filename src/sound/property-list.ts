/** Properties of clients, streams and devices: what of them passes, and how a guest's name says whose it is. */
import { toSafeText } from "../terminal/safe-text.ts";
import type { Property } from "./tag-reader.ts";

const nameKey = "application.name";

/**
 * What a guest may say of a stream besides its program's name: what is played. Not its role (the host's modules silence other programs for a phone call, and keep the
 * volume of a role for all who have it), no ids (another program's volume), no filter.* (modules are loaded for it), no process or machine ids, no pictures, and
 * nothing of PipeWire's (node.*, stream.*), which says what is linked to what.
 */
const ofStreams = new Set(["media.name", "media.title", "media.artist"]);
/** What a guest may know of a device, or gets back of its own streams. Not serial numbers, addresses, paths. */
const ofHost = new Set([
	...[...ofStreams, nameKey],
	...["device.description", "device.class", "device.form_factor", "device.icon_name"],
]);

/** Characters; mixers show about thirty. */
const textMaxLength = 128;

/** One line of a guest's, as mixers may show it. */
export function toShownText(text: string): string {
	return [...toSafeText(text).replaceAll(/\s+/g, " ")].slice(0, textMaxLength).join("");
}

/** The program's name in a list of a guest's; undefined if it says none. */
export function findProgramName(properties: readonly Property[]): string | undefined {
	const value = properties.findLast(({ key }) => key === nameKey)?.value;
	return value === undefined ? undefined : toShownText(toText(value));
}

/** A guest's list as the host gets it. Which vm it is, always stands in front, where letters from right to left can't move it. */
export function toTaggedProperties(vm: string, program: string, properties: readonly Property[]): Property[] {
	const kept = properties.filter(({ key }) => ofStreams.has(key));
	return [
		toProperty(nameKey, `[${vm}] ${program}`.trimEnd()),
		...kept.map(({ key, value }) => toProperty(key, toShownText(toText(value)))),
	];
}

/** The host's list as a guest gets it. */
export const toKnownProperties = (properties: readonly Property[]): Property[] =>
	properties.filter(({ key }) => ofHost.has(key));

const toText = (value: Buffer): string => value.toString("utf8").replace(/\0.*$/s, "");
const toProperty = (key: string, text: string): Property => ({ key, value: Buffer.from(`${text}\0`) });
