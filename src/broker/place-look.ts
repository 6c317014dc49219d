/** Whether files have changed, without reading them. */
import { statSync } from "node:fs";
import { errnoOf } from "../errors.ts";

export interface Look {
	/** Another one whenever a file has come, gone, been replaced, or been written to. */
	readonly stamp: string;
	/** When the last of these was, on the wall's clock, ms; 0 where nothing is there. */
	readonly changedAtMs: number;
}

/** Of links it is what they lead to that is looked at. Never throws. */
export function lookAt(places: readonly string[]): Look {
	let changedAtMs = 0;
	const stamps = places.map((place) => {
		try {
			/** Most are not there, and an error costs as much as ten looks. */
			const found = statSync(place, { bigint: true, throwIfNoEntry: false });
			if (found === undefined) return "ENOENT";
			const { ino, size, mtimeNs, ctimeNs, ctimeMs } = found;
			changedAtMs = Math.max(changedAtMs, Number(ctimeMs));
			return [ino, size, mtimeNs, ctimeNs].join();
		} catch (cause) {
			return errnoOf(cause) ?? "";
		}
	});
	return { stamp: stamps.join(" "), changedAtMs };
}
