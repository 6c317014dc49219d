import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkRuntimeDirectory } from "../src/runtime-directory.ts";

const directory = mkdtempSync(join(tmpdir(), "runtime-"));

afterAll(() => rmSync(directory, { recursive: true }));

function refusalOf(env: Parameters<typeof checkRuntimeDirectory>[0]): unknown {
	try {
		return checkRuntimeDirectory(env);
	} catch (cause) {
		return cause;
	}
}

describe("without XDG_RUNTIME_DIR", () => {
	it("the remedy is one directory for all of a user's terminals: two would be two brokers, and each vm twice", () => {
		expect(refusalOf({})).toMatchObject({
			code: "Unsupported",
			remedy: expect.stringMatching(
				/^mkdir -p -m 700 \/tmp\/run-\$\(id -u\) && export XDG_RUNTIME_DIR=\/tmp\/run-\$\(id -u\) /,
			),
		});
	});

	it.runIf(process.getuid?.() === 0)("root by sudo is told to be who they are", () => {
		expect(refusalOf({ SUDO_USER: "me" })).toMatchObject({ remedy: "run it as your own user: without sudo" });
		expect(refusalOf({ SUDO_USER: "root" })).toMatchObject({ remedy: expect.stringMatching(/^mkdir /) });
	});
});

it("such a directory is looked at like any other", () => {
	expect(refusalOf({ XDG_RUNTIME_DIR: directory })).toBe(join(directory, "qubes-lite"));
	chmodSync(directory, 0o755);
	expect(refusalOf({ XDG_RUNTIME_DIR: directory })).toMatchObject({ remedy: `chmod 700 ${directory}` });
});
