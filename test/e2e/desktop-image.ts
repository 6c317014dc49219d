/** The image of Debian with these packages, made by the real command in the user's own cache: once for all tests, set-up and soak, until one of its inputs changes. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { wishPath } from "../../src/vmm/image-wish.ts";

const program = fileURLToPath(new URL("../../bin/qubes-lite", import.meta.url));

/** What most tests need: a terminal as a window, and something to be heard. */
export const desktopPackages = ["foot", "pulseaudio-utils"] as const;

/** A slow mirror and a slow machine; for tests as a hook's time-out, too. */
export const desktopImageWithinMs = 900_000;

/** Of `suite`, or of this machine's Debian. Returns the image's directory. What a build says goes to standard error; one at a time makes images, so that two tests don't make the same. */
export function makeDesktopImage(packages: readonly string[] = desktopPackages, suite?: string): string {
	const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "qubes-lite");
	const directory = mkdtempSync(join(tmpdir(), "ql-desktop-"));
	const wish = { packages, ...(suite !== undefined && { suite }) };
	try {
		const config = join(directory, "config.json");
		writeFileSync(config, JSON.stringify({ version: 1, vms: [{ id: 3, name: "desktop", image: wish }] }));
		mkdirSync(cache, { recursive: true, mode: 0o700 });
		const words = ["--no-fork", join(cache, "desktop-image.lock"), program, "image", "build", "desktop"];
		const env = { ...process.env, QUBES_LITE_CONFIG: config };
		const { status } = spawnSync("flock", words, {
			env,
			stdio: ["ignore", "ignore", "inherit"],
			timeout: desktopImageWithinMs,
		});
		if (status !== 0)
			throw new Error(`no image with ${packages.join(" ")}: qubes-lite image build ended with ${status}`);
		return realpathSync(join(cache, wishPath(wish)));
	} finally {
		rmSync(directory, { recursive: true });
	}
}
