/** Absolute paths, as every file that names one may have them. */
import * as v from "valibot";

/** What is expected of one. */
export const absolutePathRule = "an absolute path without control characters";

/**
 * 4096 bytes is PATH_MAX. Control characters have no business in a path, and would break unit files and logs; half a surrogate pair is
 * no text. Invisible ones such as the joiner in an emoji may be in a file's name.
 */
export const isAbsolutePath = (value: string): boolean =>
	value.startsWith("/") && value.length < 4096 && !/[\p{Cc}\p{Cs}]/u.test(value);

export const absolutePath = v.pipe(v.string(absolutePathRule), v.check(isAbsolutePath, absolutePathRule));
