import type { Look } from "../terminal/columns.ts";

/** Of our standard output: colours where it is a terminal that has them. */
export function lookHere(): Look {
	const { isTTY } = process.stdout;
	// no-color.org: any value but the empty one means no colour.
	const colour = isTTY === true && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
	return { colour, now: Date.now(), width: null };
}
