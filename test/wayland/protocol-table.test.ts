/** The table against Wayland's own descriptions, which set-up brings. Newer ones may only have added to what we know. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { protocolTable } from "../../src/wayland/protocol-table.ts";
import { readProtocolXml } from "./protocol-xml.ts";

const places = ["/usr/share/wayland", "/usr/share/wayland-protocols"];
/** Described by KDE, and by versions of wayland-protocols that are newer than Debian 12. */
const elsewhere = ["org_kde_kwin_server_decoration", "wp_cursor_shape"];

const described = new Map(
	places
		.flatMap((place) => readdirSync(place, { recursive: true }).map((name) => join(place, String(name))))
		// The fifth draft of xdg-shell has the names of what it became.
		.filter((path) => path.endsWith(".xml") && !path.endsWith("xdg-shell-unstable-v5.xml"))
		.flatMap((path) => [...readProtocolXml(readFileSync(path, "utf8"))]),
);
const table = protocolTable
	.trim()
	.split("\ninterface ")
	.map((part) => part.replace(/^interface /, "").split("\n"));

test("Each interface of the table has the requests and events that its description has.", () => {
	for (const [head = "", ...lines] of table) {
		const [name = "", version] = head.split(" ");
		const [theirHead = "", ...theirs] = described.get(name) ?? [];
		if (theirHead === "") {
			expect(
				elsewhere.some((prefix) => name.startsWith(prefix)),
				name,
			).toBe(true);
			continue;
		}
		expect(Number(theirHead.split(" ")[2]), name).toBeGreaterThanOrEqual(Number(version));
		for (const mark of [">", "<"]) {
			const known = lines.filter((line) => line.startsWith(mark));
			expect(theirs.filter((line) => line.startsWith(mark)).slice(0, known.length), name).toEqual(known);
		}
	}
	expect(table.length).toBeGreaterThan(40);
});

test("Whatever an interface of the table makes or speaks of is in the table, but for what no guest can have.", () => {
	const known = new Set(table.map(([head = ""]) => head.split(" ")[0]));
	const spokenOf = [...protocolTable.matchAll(/[no]:(\w+)/g)].map(([, name = ""]) => name);
	expect([...new Set(spokenOf)].filter((name) => !known.has(name))).toEqual(["zwp_tablet_tool_v2"]);
});
