import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { checkUserNamespaces, isLeftToProfiles } from "../../src/host/user-namespaces.ts";

let sysctls: string;
beforeEach(() => {
	sysctls = mkdtempSync(join(tmpdir(), "sysctls-"));
});
afterEach(() => rmSync(sysctls, { recursive: true }));

function set(name: string, value: string): void {
	const path = join(sysctls, name.replace(".", "/"));
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, `${value}\n`);
}

it("a kernel that lets an ordinary user make them is no problem, whether or not it has all of the settings", () => {
	expect(() => checkUserNamespaces(1000, sysctls)).not.toThrow();
	set("user.max_user_namespaces", "96365");
	set("kernel.unprivileged_userns_clone", "1");
	expect(() => checkUserNamespaces(1000, sysctls)).not.toThrow();
});

it.each(["user.max_user_namespaces", "kernel.unprivileged_userns_clone"])(
	"%s may forbid it to all but root",
	(name) => {
		set(name, "0");
		expect(() => checkUserNamespaces(1000, sysctls)).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: `virtiofsd, which shares directories, must shut itself into namespaces, and ${name} is 0`,
				remedy: expect.stringMatching(`^sudo sysctl --write ${name}=[1-9]`),
			}),
		);
		expect(() => checkUserNamespaces(0, sysctls)).not.toThrow();
	},
);

it("AppArmor may leave it to profiles", () => {
	const name = "kernel.apparmor_restrict_unprivileged_userns";
	expect(isLeftToProfiles(sysctls)).toBe(false);
	set(name, "0");
	expect(isLeftToProfiles(sysctls)).toBe(false);
	set(name, "1");
	expect(isLeftToProfiles(sysctls)).toBe(true);
});
