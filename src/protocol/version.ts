/**
 * Which version of the protocol two peers speak. Each hello says the newest version that its sender speaks and the oldest
 * that it still does; they speak the newest that both know. A running guest keeps the agent it booted with, so after an
 * update the two ends differ until its next boot.
 */
import { QubesLiteError } from "../errors.ts";
import type { Fields } from "./fields.ts";

export interface Versions {
	readonly version: number;
	/** Absent in a hello: only `version`. */
	readonly oldest: number;
}

export const ourVersions: Versions = { version: 3, oldest: 2 };

/** From this one on an agent knows the control connection's `resumed`. */
export const resumedSince = 3;

const versionMax = 0xffff;

export function parseVersions(fields: Fields): Versions {
	const version = fields.integer("version", 1, versionMax);
	return { version, oldest: fields.has("oldest") ? fields.integer("oldest", 1, version) : version };
}

/** The version to speak. `peer` as in "the agent in shopping". Throws Unsupported where there is none. */
export function agreeOnVersion(peer: string, theirs: Versions, ours: Versions = ourVersions): number {
	const version = Math.min(theirs.version, ours.version);
	if (version >= theirs.oldest && version >= ours.oldest) return version;
	const isOlder = theirs.version < ours.oldest;
	throw new QubesLiteError(
		"Unsupported",
		isOlder
			? `${peer} speaks version ${theirs.version} of the protocol, which is too old: we need ${ours.oldest} or newer`
			: `${peer} needs version ${theirs.oldest} of the protocol or newer, and we speak ${ours.version}`,
	);
}
