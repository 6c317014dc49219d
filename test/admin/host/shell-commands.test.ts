/** Goldens are whole scripts. After a wanted change: `vitest run --project unit test/admin/host -u`, then read the diff. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { formatPrepare, formatUndo } from "../../../src/admin/host/shell-commands.ts";
import type { TapPlan } from "../../../src/admin/host/tap-plan.ts";
import { createConfig, createVm } from "../../vmm/facts.ts";
import { oddUsers, plan } from "./plans.ts";

const sh = (script: string) => spawnSync("sh", { input: script, encoding: "utf8" });

describe.each([
	["prepare", formatPrepare(plan())],
	["prepare-one", formatPrepare(plan({ names: ["shopping"], outside: "wlan0", owner: { name: null, uid: 1000 } }))],
	["undo", formatUndo(plan())],
	["undo-one", formatUndo(plan({ names: ["shopping", "vault"] }))],
	["undo-files", formatUndo(plan(), ["rm -f /etc/x", "networkctl reload"])],
])("the commands %s", (name, script) => {
	it("are as they were", async () => {
		await expect(script).toMatchFileSnapshot(`golden/${name}.sh`);
	});

	it("are what sh understands, and can be pasted: no tab, no line that a terminal would cut", () => {
		expect(spawnSync("sh", ["-n"], { input: script, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
		expect(script).toMatch(/^[\n -~]*$/);
		for (const line of script.split("\n")) expect(line.length).toBeLessThan(160);
	});

	it("do nothing where they arrive in part", () => {
		const from = script.indexOf("\n(\n") + 3;
		for (let end = from; end < script.lastIndexOf(")"); end += 97) {
			const { status, stdout } = sh(script.slice(0, end));
			expect([status, stdout], script.slice(end - 20, end)).toEqual([2, ""]);
		}
	});

	it("say what they need to whoever is not root", () => {
		const asNobody = script.replace('"$(id -u)"', "1000");
		expect(sh(asNobody)).toMatchObject({ status: 1, stderr: "qubes-lite: this is for root: pipe it to sudo sh\n" });
	});
});

/** What `id` is asked in the printed line. */
function askedOf(tapPlan: TapPlan): string {
	const line = formatPrepare(tapPlan)
		.split("\n")
		.find((one) => one.startsWith("owner="));
	return sh(`id() { printf '<%s>' "$@"; }\nfail() { :; }\n${line}\necho "$owner"`).stdout;
}

describe("the owner", () => {
	it.each(oddUsers)("is one word, whatever it looks like: %s", (name) => {
		expect(askedOf(plan({ owner: { name, uid: null } }))).toBe(`<-u><--><${name}>\n`);
	});

	it("who asks is a number", () => {
		expect(askedOf(plan({ owner: { name: null, uid: 1234 } }))).toBe("1234\n");
	});
});

describe("without a vm that has a network", () => {
	const offline = createConfig(createVm({ network: false }));

	it("all that was prepared is taken away", () => {
		expect(formatPrepare(plan({}, offline))).toBe(formatUndo(plan({}, offline)));
	});

	it("and asked for one of those, nothing is done", () => {
		expect(formatPrepare(plan({ names: ["shopping"] }, offline))).toBe(
			"# A vm without a network needs nothing of this host.\n",
		);
	});
});
