import { describe, expect, it } from "vitest";
import {
	explainLaying,
	findUnknownPackage,
	lacksRelease,
	saysDiskIsFull,
	unknownPackage,
	unknownRelease,
	unmetDependencies,
} from "../../guest-image/package-words.ts";
import type { QubesLiteError } from "../../src/errors.ts";

describe("apt's words", () => {
	it.each([
		["E: Unable to locate package firefox\n", "firefox"],
		["Reading...\nE: Unable to locate package a+b\nE: Unable to locate package c\n", "a+b"],
		["E: Package 'mail-transport' has no installation candidate\n", "mail-transport"],
		["E: Couldn't find any package by glob 'foo.bar'\nE: other\n", "foo.bar"],
		["E: Failed to fetch http://deb.example/ Unable to locate package x", undefined],
	])("%j name the package %s", (words, name) => {
		expect(findUnknownPackage(words)).toBe(name);
	});

	it("become a sentence with names that begin alike", () => {
		expect(unknownPackage("firefox", "bookworm", ["firefox-esr"])).toMatchObject({
			code: "BadRequest",
			message: "Debian bookworm has no package firefox; did you mean firefox-esr?",
			remedy: expect.stringContaining("apt-cache search firefox"),
		});
		expect(unknownPackage("xyz", "sid", []).message).toBe("Debian sid has no package xyz");
	});

	it("of a release that an archive has not become a sentence with the one that was meant", () => {
		const words = `Err:3 http://deb.example/debian bookwurm Release
  404  Not Found [IP: 192.0.2.1 80]
E: The repository 'http://deb.example/debian bookwurm Release' does not have a Release file.
E: The repository 'http://deb.example/debian bookwurm-updates Release' does not have a Release file.
`;
		expect(lacksRelease(words, "bookwurm")).toBe(true);
		for (const other of ["bookwur", "bookworm"]) expect(lacksRelease(words, other)).toBe(false);
		expect(
			lacksRelease("E: Failed to fetch http://deb.example/debian/dists/sid/InRelease  Could not resolve", "sid"),
		).toBe(false);
		expect(unknownRelease("bookwurm", ["desk", "web"], undefined)).toMatchObject({
			code: "BadRequest",
			message: 'Debian has no release "bookwurm"; did you mean "bookworm"?',
			remedy: 'Correct "suite" of desk, web in the configuration.',
		});
		expect(unknownRelease("noble", ["desk"], undefined).message).toBe('Debian has no release "noble"');
	});

	it("say which packages exclude each other", () => {
		const words = `The following packages have unmet dependencies:
 systemd-sysv : Conflicts: sysvinit-core but 3.06-4 is to be installed
E: Unable to correct problems, you have held broken packages.
`;
		expect(unmetDependencies(words, "bookworm")?.message).toBe(
			"These packages of Debian bookworm can't be installed together: systemd-sysv excludes sysvinit-core",
		);
		expect(unmetDependencies("E: something else\n", "bookworm")).toBeUndefined();
	});
});

describe("mmdebstrap's words", () => {
	it.each(["dpkg: error: cannot write: No space left on device\n", "cp: error writing: Disk quota exceeded"])(
		"%j are of a full disk",
		(words) => {
			expect(saysDiskIsFull(words)).toBe(true);
			expect(explainLaying(words, undefined)).toMatchObject({ code: "ENOSPC" });
		},
	);

	it("name the package that fails", () => {
		const words = `Setting up broken (1.0) ...
dpkg: error processing package broken (--configure):
 installed broken package post-installation script subprocess returned error exit status 1
Errors were encountered while processing:
 broken
E: setup failed: E: chroot failed
`;
		expect(explainLaying(words, undefined)).toMatchObject({
			code: "Unsupported",
			message:
				"The package broken can't be installed into an image: installed broken package post-installation script subprocess returned error exit status 1",
		});
		const archive =
			"dpkg: error processing archive /var/cache/apt/archives/foo_1_all.deb (--unpack):\n trying to overwrite '/x'\n";
		expect(explainLaying(archive, undefined).message).toBe(
			"The package foo can't be installed into an image: trying to overwrite '/x'",
		);
	});

	it("end in mmdebstrap's own last error, cut, and never in nothing", () => {
		const error = explainLaying(
			`I: fine\nE: setup failed: E: ${"x".repeat(1000)}\nI: main() received signal PIPE\nE: mmdebstrap failed to run\n`,
			undefined,
		) as QubesLiteError;
		expect(error.message).toMatch(/^mmdebstrap failed: setup failed: E: x+$/);
		expect(error.message.length).toBeLessThan(400);
		expect(explainLaying("", undefined).message).toBe("mmdebstrap failed: it said nothing.");
	});
});
