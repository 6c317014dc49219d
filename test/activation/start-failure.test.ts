import { describe, expect, it } from "vitest";
import { toBootFailed } from "../../src/activation/start-failure.ts";
import { QubesLiteError } from "../../src/errors.ts";

const systemError = (code: string) => Object.assign(new Error(`${code}: words of libuv`), { code });

describe("a start that the host could not afford", () => {
	it.each([
		"ENOSPC",
		"EDQUOT",
		"EROFS",
		"EACCES",
		"EPERM",
		"ENOENT",
		"ENAMETOOLONG",
		"EAGAIN",
		"ENOMEM",
		"EMFILE",
		"ENFILE",
	])("for %s says where, why and what to look at", (errno) => {
		const error = toBootFailed("shopping", "/run/x/shopping", systemError(errno));
		expect(error.toFacts()).toEqual({
			code: "BootFailed",
			message: expect.stringMatching(
				new RegExp(`^Can't start shopping in /run/x/shopping: [a-z].* \\(${errno}\\)\\.$`),
			),
			remedy: expect.not.stringContaining("DIR"),
		});
	});

	it("for any other reason quotes it", () => {
		const error = toBootFailed("shopping", "/run/x/shopping", new TypeError("odd"));
		expect(error.toFacts()).toEqual({
			code: "BootFailed",
			message: "Can't start shopping in /run/x/shopping: TypeError: odd.",
		});
	});

	it("leaves an error that is ours as it is", () => {
		const busy = new QubesLiteError("Busy", "shopping is running already.");
		expect(toBootFailed("shopping", "/run/x/shopping", busy)).toBe(busy);
	});
});
