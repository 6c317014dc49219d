/** Whose a file is that is where one of ours belongs. Pure. */
import { basename } from "node:path";
import { judgeUnit } from "../../activation/unit-file.ts";
import { entryMark } from "../../desktop/entries.ts";
import { type Content, isSame } from "../change-files.ts";
import { type Entry, hashContent } from "./manifest.ts";

/** `masked`: a unit that systemd shall not start (systemctl(1), mask). */
export type Owner = "ours" | "edited" | "foreign" | "masked";

/** `wanted` is what we would put there; absent for what an earlier installation has put. */
export function toOwner(
	{ path, kind }: Pick<Entry, "path" | "kind">,
	found: Content | "other",
	files: readonly Entry[],
	wanted?: Content,
): Owner {
	const known = files.filter((entry) => entry.path === path);
	if (found === "other") return known.length > 0 ? "edited" : "foreign";
	if (known.some(({ sha256 }) => sha256 === hashContent(found))) return "ours";
	if (kind === "unit" && found.kind === "file") {
		// The broker keeps units as the configuration has them, without telling the manifest.
		const judged = judgeUnit(found.text);
		if (judged !== "foreign") return judged;
	}
	if (kind === "entry" && found.kind === "file") {
		const judged = entryMark.judge(found.text);
		if (judged !== "foreign") return judged;
	}
	// Nobody else has anything in our own directories.
	if (kind === "own") return "ours";
	if (kind === "unit" && found.kind === "link" && found.target === "/dev/null") return "masked";
	// An enablement leads nowhere without our unit, whoever has made it.
	if (kind === "enablement" && found.kind === "link" && basename(found.target) === basename(path)) return "ours";
	if (known.length > 0 && !(wanted !== undefined && isSame(found, wanted))) return "edited";
	return "foreign";
}
