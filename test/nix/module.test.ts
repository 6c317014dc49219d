/** programs.qubes-lite by fixtures: what the module writes, and all that it refuses. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { formatNftRules } from "../../src/admin/host/nft-rules.ts";
import { planTaps } from "../../src/admin/host/tap-plan.ts";
import { parseConfig } from "../../src/config/loader.ts";
import { type Config, configEntries, vmEntries } from "../../src/config/schema.ts";
import { isRoot } from "../integration/fake-user.ts";
import { compare, filesOf, fixturesIn, goldenFiles, read } from "./golden.ts";
import { evaluated, libraries } from "./nix.ts";

/** By evaluate.nix, of one that is enabled. */
interface Written {
	readonly broker: object;
	readonly natEnable: boolean;
	readonly natInterface: string;
	/** A file for `nft -f`. */
	readonly isolation?: string;
	/** For NixOS' nftables. */
	readonly tables?: Record<string, { readonly content: string }>;
}

const good = [...fixturesIn("good"), "seed/quick-start"];
const bad = fixturesIn("bad");
const enabled = good.filter((name) => name !== "good/disabled");
const configOf = (name: string): Config => parseConfig(JSON.stringify(read<Written>(name).broker), name);

describe.each(libraries)("the module, by %s,", (_, library) => {
	it.each(good)("writes what %s says", (name) => compare("evaluate.nix", name, library));
	it.each(bad)("refuses %s with its exact words", (name) => compare("evaluate.nix", name, library));
});

it("each golden is of a fixture", () => {
	expect(goldenFiles().sort()).toEqual(filesOf([...good, ...bad, ...fixturesIn("guest")]).sort());
});

describe("what the module writes", () => {
	it.each(enabled)("the broker's own loader takes: %s", (name) => {
		expect(configOf(name).user).toBe("david");
	});

	it("are the schema's defaults where nothing is said, but for what NixOS knows better", () => {
		const said = {
			version: 1,
			user: "david",
			hypervisor: "crosvm",
			crosvm: { binary: "/nix/store/crosvm/bin/crosvm" },
		};
		const image = "/nix/store/image-firefox-xfce4-terminal";
		const byHand = parseConfig(
			JSON.stringify({
				...said,
				vms: [
					{ id: 3, name: "banking", memory: 4096, cpus: 4, image },
					{ id: 5, name: "shopping", memory: 2048, cpus: 2, image },
					{ id: 7, name: "personal", memory: 4096, cpus: 4, network: false, image },
				],
			}),
			"by hand",
		);
		expect(configOf("seed/quick-start")).toEqual(byHand);
	});

	it("has each key of the configuration as an option, and no other", () => {
		const { module, vm } = evaluated("test/nix/describe-options.nix", { libPath: '""' }) as Record<
			string,
			{ name: string }[]
		>;
		const keys = (options: { name: string }[] = []) => [
			...new Set(options.map(({ name }) => name.split(".")[0] ?? "")),
		];
		const nixOnly = ["guestConfig", "guestPrograms"];
		expect(
			keys(vm)
				.filter((key) => !nixOnly.includes(key))
				.sort(),
		).toEqual(Object.keys(vmEntries).sort());
		// The units are systemd's on NixOS.
		const own = new Set(
			Object.keys(configEntries).filter((key) => !["$schema", "version", "vms", "supervisor"].includes(key)),
		);
		expect(
			keys(module)
				.filter((key) => own.has(key))
				.sort(),
		).toEqual([...own].sort());
	});

	it.each(enabled)("are the filters that host tap prints for other systems: %s", (name) => {
		const { natEnable, natInterface, isolation, tables } = read<Written>(name);
		// The one that has switched them off.
		if (name === "good/every-option") return void expect([isolation, tables]).toEqual([undefined, undefined]);
		const owner = { name: "david", uid: 1000 };
		const outside = natEnable ? natInterface : null;
		const printed = formatNftRules(planTaps(configOf(name), { names: [], owner, outside }));
		// NAT is networking.nat's; and without it vms reach nothing outside.
		const wanted = printed
			.replace(/ {2}set addresses \{\n.*?\n {2}\}\n/s, "")
			.replace(/ {2}chain postrouting \{\n.*?\n {2}\}\n/s, "")
			.replace(natEnable ? /^$/ : / *iifname \. ip saddr @vms oifname != "ql-\*" accept\n/, "");
		expect(wanted.length).toBeLessThan(printed.length - 100);
		const own =
			isolation ??
			`table inet qubes-lite\ndelete table inet qubes-lite\ntable inet qubes-lite {\n${tables?.["qubes-lite"]?.content}}\n`;
		expect(own).toBe(wanted);
		expect(isolation === undefined).toBe(name === "good/nftables");
		const checked = spawnSync("unshare", [...(isRoot ? [] : ["--map-root-user"]), "--net", "nft", "-f", "-"], {
			input: own,
			encoding: "utf8",
		});
		expect(checked).toMatchObject({ status: 0, stderr: "" });
	});

	it("is one image for vms of the same programs, whatever their names and ids", () => {
		const images = configOf("seed/quick-start").vms.map(({ image }) => image);
		expect(new Set(images).size).toBe(1);
	});
});
