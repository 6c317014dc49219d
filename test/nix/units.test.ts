/** The units that the module builds for a host: by the program that it calls, from the configuration and facts that it hands over. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fakeCache } from "../e2e/harness.ts";
import { fixturesIn, read } from "./golden.ts";
import { root } from "./nix.ts";

interface Written {
	readonly broker: { readonly vms: readonly { readonly name: string; readonly image?: string }[] };
	readonly facts: { readonly images: Record<string, string> };
	readonly unitsScript: string;
}

const goldens = [...fixturesIn("good"), "seed/quick-start"].filter((name) => name !== "good/disabled");

/** In the place of the store's: directories of images, and programs, that are there. */
let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-units-"));
	fakeCache(directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

function render(golden: string): { readonly out: string; readonly units: readonly string[] } {
	const { broker, facts, unitsScript } = read<Written>(golden);
	expect(unitsScript).toBe(
		"/nix/store/" +
			(golden === "good/every-option" ? "gimp" : "qubes-lite") +
			"/bin/qubes-lite units --config /nix/store/qubes-lite.json --facts /nix/store/qubes-lite-host-facts.json --out $out/lib/systemd/user\n",
	);
	const image = join(directory, "qubes-lite/images/current");
	const images = Object.fromEntries(Object.keys(facts.images).map((name) => [name, image]));
	const at = mkdtempSync(join(directory, "unit-"));
	writeFileSync(join(at, "config.json"), JSON.stringify(broker));
	writeFileSync(join(at, "facts.json"), JSON.stringify({ ...facts, images }));
	const out = join(at, "out/lib/systemd/user");
	const words = ["units", "--config", join(at, "config.json"), "--facts", join(at, "facts.json"), "--out", out];
	// In a build there is neither a home nor a runtime directory.
	const env = { PATH: process.env.PATH, HOME: "/homeless-shelter" };
	const ran = spawnSync(join(root, "bin/qubes-lite"), words, { encoding: "utf8", env });
	expect(ran).toMatchObject({ status: 0, stderr: "" });
	return { out, units: readdirSync(out) };
}

describe("the units that the module builds", () => {
	it.each(goldens)("are one for each vm, and templates for instances of those that can have some: %s", (golden) => {
		const { out, units } = render(golden);
		const names = read<Written>(golden).broker.vms.map(({ name }) => `qubes-lite-${name}.service`);
		expect(units.filter((unit) => !unit.includes("@")).sort()).toEqual([...names].sort());
		const files = units.map((unit) => join(out, unit));
		const env = { PATH: process.env.PATH, XDG_RUNTIME_DIR: directory };
		const words = ["--user", "--man=no", "verify", ...files.filter((file) => !file.includes("@"))];
		const { stderr } = spawnSync("systemd-analyze", words, { encoding: "utf8", env });
		// Programs of the store are not here, and the broker's units are another package's.
		const rest = stderr
			.split("\n")
			.filter((line) => line.includes("qubes-lite-") && !/not executable|not found/.test(line));
		expect(rest).toEqual([]);
	});

	it("boot by KVM and crosvm of the store, with the module's TAPs, in the session's compositor", () => {
		const { out } = render("seed/quick-start");
		const shopping = readFileSync(join(out, "qubes-lite-shopping.service"), "utf8");
		const [check = ""] = shopping.split("\n").filter((line) => line.startsWith("ExecStartPre="));
		expect(check).toMatch(/ "?sudo nixos-rebuild switch"? /);
		for (const fact of ["kvm", "tap=ql-shopping", "program=/nix/store/crosvm/bin/crosvm"])
			expect(check).toContain(` ${fact}`);
		expect(shopping).toContain("/bin/sh /nix/store/qubes-lite/lib/qubes-lite/dist/vm-shim.sh");
		expect(shopping).toContain("%t/${WAYLAND_DISPLAY}");
		expect(shopping).toContain("systemd.hostname=shopping");
		expect(readFileSync(join(out, "qubes-lite-personal.service"), "utf8")).not.toContain("--net");
	});
});
