/** A file of tests that no project of vitest.config.ts includes would never run, and nothing would say so. */
import { globSync } from "node:fs";
import { matchesGlob } from "node:path";
import { expect, test } from "vitest";
import config, { soakTests } from "../../vitest.config.ts";
import { longest } from "../longest-first.ts";
import { isSoak } from "../rounds.ts";

const root = new URL("../../", import.meta.url).pathname;
const projects = (config.test?.projects ?? []).flatMap((project) => {
	if (typeof project !== "object" || !("test" in project) || project.test === undefined) return [];
	return [{ name: project.test.name, include: project.test.include ?? [] }];
});

/** Their names. Those of the soak are e2e's there. */
const all = isSoak ? projects : [...projects, { name: "soak", include: [soakTests] }];
const projectsOf = (file: string) =>
	all.filter(({ include }) => include.some((pattern) => matchesGlob(file, pattern))).map(({ name }) => name);

test("every file of tests belongs to one project", () => {
	const outside = ["node_modules", "dist", "coverage"];
	const files = globSync("**/*.{test,spec}.{ts,mts,js,mjs}", { cwd: root, exclude: (path) => outside.includes(path) });
	expect(files.length).toBeGreaterThan(150);
	expect(files.filter((file) => projectsOf(file).length !== 1)).toEqual([]);
});

test("one in a new room, or of another ending, would be found", () => {
	expect(projectsOf("test/vmm/crosvm.test.ts")).toEqual(["unit"]);
	expect(projectsOf("test/integration/open.test.ts")).toEqual(["integration"]);
	for (const file of ["test/new-room/a.test.ts", "src/vmm/crosvm.test.ts", "test/vmm/crosvm.spec.ts"]) {
		expect(projectsOf(file)).toEqual([]);
	}
});

test("each file that is to begin early is there", () => {
	expect(longest.filter((file) => globSync(file, { cwd: root }).length !== 1)).toEqual([]);
	expect(new Set(longest).size).toBe(longest.length);
});
