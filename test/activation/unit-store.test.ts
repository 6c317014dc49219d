import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { markUnit } from "../../src/activation/unit-file.ts";
import { placeUnit, removeUnwanted } from "../../src/activation/unit-store.ts";

const unit = "qubes-lite-shopping.service";
const [before, now] = ["[Unit]\nDescription=before\n", "[Unit]\nDescription=now\n"].map(markUnit) as [string, string];

let root: string;
let places: { installed: string; runtime: string };
beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "ql-units-"));
	places = { installed: join(root, "installed"), runtime: join(root, "runtime") };
	mkdirSync(places.installed);
});
afterEach(() => rmSync(root, { recursive: true }));

const place = (loadedFrom = "") => placeUnit(places, unit, now, loadedFrom);
const read = (place: "installed" | "runtime") => readFileSync(join(places[place], unit), "utf8");

describe("a unit", () => {
	it("that is nowhere is made for this login", async () => {
		expect(await place()).toBe("new");
		expect(read("runtime")).toBe(now);
		expect(await place()).toBe("same");
		expect(readdirSync(places.runtime)).toEqual([unit]);
	});

	it("that is installed is brought up to date", async () => {
		writeFileSync(join(places.installed, unit), before);
		expect(await place(join(places.installed, unit))).toBe("changed");
		expect(read("installed")).toBe(now);
	});

	it.each([
		["has been edited", before.replace("Description=before", "Description=mine")],
		["is somebody else's", "[Unit]\nDescription=theirs\n"],
		["is empty", ""],
	])("that %s stays as it is", async (_, text) => {
		writeFileSync(join(places.installed, unit), text);
		expect(await place()).toBe("kept");
		expect(read("installed")).toBe(text);
	});

	it("that is masked stays masked", async () => {
		symlinkSync("/dev/null", join(places.installed, unit));
		expect(await place()).toBe("kept");
	});

	it("that systemd has from elsewhere is let be", async () => {
		expect(await place(`/etc/systemd/user/${unit}`)).toBe("kept");
	});

	it("that systemd has from elsewhere hides the one that was made for this login", async () => {
		mkdirSync(places.runtime);
		writeFileSync(join(places.runtime, unit), before);
		expect(await place(`/etc/systemd/user/${unit}`)).toBe("kept");
		expect(read("runtime")).toBe(before);
	});

	it("that nobody wants any more goes, where it was made for this login and nobody has edited it", async () => {
		mkdirSync(places.runtime);
		const edited = before.replace("Description=before", "Description=mine");
		const files = { "qubes-lite-old.service": before, "qubes-lite-mine.service": edited, "other.service": before };
		for (const [name, text] of Object.entries(files)) writeFileSync(join(places.runtime, name), text);
		await place();
		const isWanted = (file: string) => file === unit;
		expect(await removeUnwanted(places, isWanted)).toBe(true);
		expect(readdirSync(places.runtime).sort()).toEqual(["other.service", "qubes-lite-mine.service", unit].sort());
		expect(await removeUnwanted(places, isWanted)).toBe(false);
		rmSync(places.runtime, { recursive: true });
		expect(await removeUnwanted(places, isWanted)).toBe(false);
	});

	it("that can't be written is told with the place", async () => {
		writeFileSync(places.runtime, "");
		await expect(place()).rejects.toMatchObject({
			code: "BootFailed",
			message: expect.stringContaining(`the unit ${join(places.runtime, unit)} can't be written`),
		});
	});
});
