import { describe, expect, it } from "vitest";
import { checkRuntimeDirectoryOf } from "../../src/broker/supervisors.ts";
import { QubesLiteError } from "../../src/errors.ts";

describe("a user manager", () => {
	const refusalOf = (...words: Parameters<typeof checkRuntimeDirectoryOf>): unknown => {
		try {
			return checkRuntimeDirectoryOf(...words);
		} catch (cause) {
			return QubesLiteError.from(cause).toFacts();
		}
	};

	it("of our runtime directory is used", () => {
		expect(refusalOf(["A=b", "XDG_RUNTIME_DIR=/run/user/7"], "/run/user/7")).toBeUndefined();
	});

	it("of another one is not, and the remedy leads there, not away from both", () => {
		expect(refusalOf(["XDG_RUNTIME_DIR=/run/it's"], "/tmp/run")).toEqual({
			code: "Unsupported",
			message: "the user manager has another runtime directory than we have (/run/it's)",
			remedy: "export XDG_RUNTIME_DIR='/run/it'\\''s'",
		});
	});

	it("of none is not, and nobody is sent there", () => {
		expect(refusalOf(["A=b"], "/tmp/run")).toEqual({
			code: "Unsupported",
			message: "the user manager has another runtime directory than we have (none)",
			remedy: 'set "supervisor": "direct" in the configuration',
		});
		expect(refusalOf([], undefined)).toMatchObject({ code: "Unsupported" });
	});
});
