/** Which unit runs which vm, and how D-Bus spells it. Pure. */
import { toPathElement } from "../dbus/object-path.ts";

/** The broker's own units. */
export const brokerUnits = {
	socket: "qubes-lite-broker.socket",
	service: "qubes-lite-broker.service",
	slice: "qubes-lite.slice",
	/** Started by D-Bus. */
	byBus: "dbus-org.qubeslite.Broker1.service",
} as const;

/** All that qubes-lite may own; more precise is parseUnitName. */
export const unitPattern = "qubes-lite-*.service";

/** Of a configured vm. */
export const toUnitName = (vm: string): string => `qubes-lite-${vm}.service`;

/** Of the instances that are made from `base`. */
export const toTemplateName = (base: string): string => `qubes-lite-${base}@.service`;

/** Of the instance `disp-<tag>` of `base`. */
export const toInstanceUnitName = (base: string, tag: string): string => `qubes-lite-${base}@${tag}.service`;

/** The vm that a unit runs; undefined for what is no vm's. `base` is null but for an instance. */
export function parseUnitName(unit: string): { readonly vm: string; readonly base: string | null } | undefined {
	const match = /^qubes-lite-([a-z][a-z0-9-]{0,11})(?:@([0-9a-f]{4}))?\.service$/.exec(unit);
	const [, name, tag] = match ?? [];
	if (name === undefined || unit === brokerUnits.service) return undefined;
	return tag === undefined ? { vm: name, base: null } : { vm: `disp-${tag}`, base: name };
}

/** The vm that a unit file is for: the one that it runs, or of a template the base of its instances. */
export function parseUnitFileName(file: string): string | undefined {
	const template = /^qubes-lite-([a-z][a-z0-9-]{0,11})@\.service$/.exec(file)?.[1];
	return template ?? parseUnitName(file)?.vm;
}

/** Its own, or its template's. */
export const toUnitFileName = (unit: string): string => unit.replace(/@[^.]*\./, "@.");

export const toUnitPath = (unit: string): string => unitPathPrefix + toPathElement(unit);

const unitPathPrefix = "/org/freedesktop/systemd1/unit/";

/** The unit of an object path; undefined for other objects. */
export function fromUnitPath(path: string): string | undefined {
	if (!path.startsWith(unitPathPrefix)) return undefined;
	const name = path.slice(unitPathPrefix.length);
	return name.replaceAll(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
