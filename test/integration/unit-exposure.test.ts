/** What systemd-analyze makes of our units' hardening, so that none of it gets lost unseen. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

/**
 * Of 10; without any hardening it is 9.8. What is left counts for settings that a user manager can't make in every distribution or
 * has no right to, and for the code that V8 and QEMU write (units/qubes-lite-broker.service and unit-file.ts have the reasons). The bounds are
 * what systemd 252 says, with nothing to spare: one setting may count as little as 0.1.
 */
it.each([
	["the broker's", "units/qubes-lite-broker.service", 6.8],
	["a networked vm's", "test/launch/golden/qubes-lite-shopping.service", 6.3],
	["an offline vm's", "test/launch/golden/qubes-lite-vault.service", 6.0],
	["a vm's that shares a directory", "test/launch/golden/shares-qubes-lite-shopping.service", 7],
	["a disposable instance's", "test/launch/golden/qubes-lite-disp@.service", 6.3],
])("%s unit, %s, is exposed by at most %f", (_, unit, bound) => {
	const directory = mkdtempSync(join(tmpdir(), "qubes-lite-test-"));
	try {
		const path = join(directory, basename(unit).replace("@.", "@1a2b."));
		copyFileSync(fileURLToPath(new URL(`../../${unit}`, import.meta.url)), path);
		const words = ["security", "--offline=yes", "--user", "--no-pager", path];
		const env = { ...process.env, XDG_RUNTIME_DIR: directory };
		const said = execFileSync("systemd-analyze", words, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
		const exposure = Number(/Overall exposure level for .*: ([\d.]+) /.exec(said)?.[1]);
		expect(exposure, said).toBeLessThanOrEqual(bound);
	} finally {
		rmSync(directory, { recursive: true });
	}
});
