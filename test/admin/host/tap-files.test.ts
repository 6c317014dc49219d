/** Goldens are all files of a program in one. After a wanted change: `vitest run --project unit test/admin/host -u`, then read the diff. */
import { describe, expect, it } from "vitest";
import { networkd } from "../../../src/admin/host/networkd-files.ts";
import { networkManager } from "../../../src/admin/host/networkmanager-files.ts";
import { formatTapFiles } from "../../../src/admin/host/tap-files.ts";
import { formatTapJson } from "../../../src/admin/host/tap-json.ts";
import { oddUsers, plan } from "./plans.ts";

describe.each([
	["networkd", networkd],
	["networkmanager", networkManager],
])("files for %s", (name, format) => {
	it("are as they were", async () => {
		await expect(formatTapFiles(format.toFiles(plan()))).toMatchFileSnapshot(`golden/${name}.txt`);
	});

	it("are one vm's where that is asked for, with the rules for all", () => {
		const all = format.toFiles(plan());
		const one = format.toFiles(plan({ names: ["shopping"] }));
		expect(one.filter(({ name: file }) => file.includes("ql-")).length).toBe(name === "networkd" ? 2 : 1);
		for (const file of one) expect(all).toContainEqual(file);
	});

	it("are put in their places but where they are there already", () => {
		const [{ directory = "" } = {}] = format.toFiles(plan());
		const copies = (from: string) => format.toUse(from).filter((line) => line.startsWith("cp "));
		expect(copies("'/a b'").every((line) => line.startsWith("cp '/a b'/"))).toBe(true);
		expect(copies(directory)).toEqual(
			copies("DIR")
				.slice(0, -1)
				.map((line) => line.replace("DIR", directory)),
		);
	});

	it("are removed by name, or all of them", () => {
		expect(format.toForget(plan()).join("\n")).toMatch(/ql-\*\..*\n.*rm -f \/etc\/qubes-lite\.nft$/ms);
		const one = format.toForget(plan({ names: ["shopping"] })).join("\n");
		expect(one).toContain("ql-shopping.");
		expect(one).not.toMatch(/\*|qubes-lite\.nft/);
	});

	it("of a user who is not there can't be made, but by a plain name for networkd", () => {
		const make = (user: string) => () => format.toFiles(plan({ owner: { name: user, uid: null } }));
		for (const user of oddUsers) expect(make(user)).toThrow("is no user of this host");
		if (name === "networkd") expect(make("alice")).not.toThrow();
		else expect(make("alice")).toThrow("is no user of this host");
	});
});

it.each([...oddUsers, "1000", "a%u"])("networkd gets a number for a name that may mean something to it: %s", (name) => {
	const [netdev] = networkd.toFiles(plan({ owner: { name, uid: 4711 } }));
	expect(netdev?.text).toContain("\nUser=4711\n");
});

it.each(["alice", "_svc", "j.doe", "a-b_C9"])("networkd gets a plain name as it is: %s", (name) => {
	const [netdev] = networkd.toFiles(plan({ owner: { name, uid: null } }));
	expect(netdev?.text).toContain(`\nUser=${name}\n`);
});

it("programs get the same as JSON", async () => {
	await expect(formatTapJson(plan({ outside: "eth0" }))).toMatchFileSnapshot("golden/plan.txt");
	expect(JSON.parse(formatTapJson(plan()))).toMatchObject({ schema: 1, outside: null, isWhole: true });
});
