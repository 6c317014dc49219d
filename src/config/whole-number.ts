/** A schema that many keys have. */
import * as v from "valibot";

/** `what` is the phrase before the range: "a whole number of MiB". */
export function wholeNumber(min: number, max: number, what: string) {
	const expected = `${what} from ${min} to ${max}`;
	return v.pipe(
		v.number(expected),
		v.check((value) => Number.isInteger(value) && value >= min && value <= max, expected),
	);
}
