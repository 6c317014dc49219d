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
			const { ino, size, mtimeNs, ctimeNs, ctimeMs } = statSync(place, { bigint: true });
			changedAtMs = Math.max(changedAtMs, Number(ctimeMs));
			return [ino, size, mtimeNs, ctimeNs].join();
		} catch (cause) {
			return errnoOf(cause) ?? "";
		}
	});
	return { stamp: stamps.join(" "), changedAtMs };
}
