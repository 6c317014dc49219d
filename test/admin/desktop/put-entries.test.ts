/** Menu entries on a real file system, whatever has become of those of the last run. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { DesktopPlaces } from "../../../src/admin/desktop/desktop-places.ts";
import { putEntries } from "../../../src/admin/desktop/put-entries.ts";
import type { WantedFile } from "../../../src/admin/install/wanted-files.ts";

let top: string;
let places: DesktopPlaces;
let wanted: WantedFile[];

beforeEach(() => {
	top = mkdtempSync(join(tmpdir(), "ql-entries-"));
	const at = (name: string): string => join(top, name);
	places = {
		...{ applications: at("applications"), directories: at("directories"), menus: at("menus"), icons: at("icons") },
		...{ reports: at("state/programs"), manifest: at("state/desktop.json"), root: at("root") },
		commands: { runInVm: at("root/bin/run-in-vm"), qubesLite: at("root/bin/qubes-lite") },
	};
	wanted = [
		{ path: at("icons/a.png"), kind: "own", content: { kind: "bytes", bytes: Buffer.of(0xff) } },
		{ path: at("applications/a.desktop"), kind: "entry", content: { kind: "file", text: "a\n" } },
		{ path: at("applications/b.desktop"), kind: "entry", content: { kind: "file", text: "b\n" } },
	];
});
afterEach(() => rmSync(top, { recursive: true }));

const put = () => putEntries(wanted, { places, isDry: false });
/** Two runs, of which the second has nothing to do. */
async function settle(): Promise<void> {
	expect((await put()).changes).toHaveLength(3);
	expect((await put()).changes).toEqual([]);
}

it("a file that somebody has deleted is there again after the next run", async () => {
	await settle();
	const { ino } = statSync(join(top, "applications/b.desktop"));
	rmSync(join(top, "applications/a.desktop"));
	expect((await put()).changes).toMatchObject([{ path: join(top, "applications/a.desktop"), isNew: true }]);
	expect(readFileSync(join(top, "applications/a.desktop"), "utf8")).toBe("a\n");
	expect(statSync(join(top, "applications/b.desktop")).ino).toBe(ino);
	expect((await put()).changes).toEqual([]);
});

it("so is a directory that somebody has deleted, with what was in it", async () => {
	await settle();
	rmSync(join(top, "icons"), { recursive: true });
	expect((await put()).changes).toMatchObject([{ path: join(top, "icons/a.png"), isNew: true }]);
	expect(readFileSync(join(top, "icons/a.png"))).toEqual(Buffer.of(0xff));
	wanted = [];
	expect((await put()).changes).toHaveLength(3);
	expect([existsSync(join(top, "icons")), readdirSync(top)]).toEqual([false, ["state"]]);
});
