import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (name: string) => JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), "utf8"));

/** It compares each with versions, and takes what is none, as an alias or a file, for a broken lock file. */
it("the lock file is one that npm 9.2.0, Debian 12's, can read: no overrides", () => {
	expect(read("package.json")).not.toHaveProperty("overrides");
});

/** npm would compile dbus-next's for the Node that runs npm, which is not the one that we bring. */
it("nothing stands for usocket but what is ours, and has no code", () => {
	const lock = read("package-lock.json").packages;
	const path = "scripts/no-usocket";
	expect(lock["node_modules/usocket"]).toEqual({ resolved: path, link: true });
	expect(Object.keys(lock).filter((name) => name.endsWith("usocket"))).toEqual(["node_modules/usocket", path]);
	expect(read(`${path}/package.json`)).not.toHaveProperty("main");
});
