import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isInStore, profilesOf, toLastingProgram } from "../../src/host/nix-store.ts";

it("the store is known by its path", () => {
	expect(["/nix/store", "/nix/store/a-b/bin/c", "/nix/storehouse/a", "/home/nix/store/a"].map(isInStore)).toEqual([
		...[true, true, false, false],
	]);
});

it("a program is called by the first profile that leads to it, else by its own path", () => {
	const directory = mkdtempSync(join(tmpdir(), "ql-store-"));
	const at = (name: string): string => join(directory, name);
	try {
		for (const name of ["system", "user", "real"]) mkdirSync(at(`${name}/bin`), { recursive: true });
		writeFileSync(at("real/bin/run-in-vm"), "");
		symlinkSync("/nowhere", at("system/bin/run-in-vm"));
		const call = (root: string) => toLastingProgram(root, "run-in-vm", [at("system"), at("user")]);
		expect(call(at("real"))).toBe(at("real/bin/run-in-vm"));
		symlinkSync(at("real/bin/run-in-vm"), at("user/bin/run-in-vm"));
		expect(call(at("real"))).toBe(at("user/bin/run-in-vm"));
		expect(call(at("gone"))).toBe(at("gone/bin/run-in-vm"));
	} finally {
		rmSync(directory, { recursive: true });
	}
});

it("profiles are the system's, the user's on NixOS, and the user's own", () => {
	expect(profilesOf("david", "/home/david")).toEqual([
		...["/run/current-system/sw", "/etc/profiles/per-user/david", "/home/david/.nix-profile"],
	]);
});
