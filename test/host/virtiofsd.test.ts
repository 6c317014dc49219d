import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findVirtiofsd } from "../../src/host/virtiofsd.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "virtiofsd-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Puts a program there that answers any --help so. */
function install(place: string, help: string): string {
	mkdirSync(join(directory, place), { recursive: true });
	const path = join(directory, place, "virtiofsd");
	writeFileSync(path, `#!/bin/sh\necho "${help}"\n`, { mode: 0o755 });
	return path;
}

const find = (): string | undefined =>
	findVirtiofsd({ cacheDirectory: join(directory, "cache"), searchPath: `${directory}/old:${directory}/new` });

it("an installed virtiofsd that can do what is asked of it comes before the one that was unpacked", () => {
	install("old", "usage: virtiofsd [options]");
	const unpacked = install("cache/tools", "--translate-uid");
	expect(find()).toBe(unpacked);
	const installed = install("new", "--translate-uid");
	expect(find()).toBe(installed);
});

it("one that does not run, or that was never asked for, is none", () => {
	writeFileSync(install("new", ""), "#!/no/such/interpreter\n", { mode: 0o755 });
	expect(find()).toBeUndefined();
	install("cache/tools", "usage: virtiofsd [options]");
	expect(find()).toBeUndefined();
});
