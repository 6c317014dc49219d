import { describe, expect, it } from "vitest";
import { markUnit } from "../../../src/activation/unit-file.ts";
import type { Content } from "../../../src/admin/change-files.ts";
import { type Entry, hashContent } from "../../../src/admin/install/manifest.ts";
import { toOwner } from "../../../src/admin/install/ownership.ts";

const file = (text: string): Content => ({ kind: "file", text });
const link = (target: string): Content => ({ kind: "link", target });
const listed = (path: string, kind: Entry["kind"], content: Content): Entry => ({
	...{ path, kind },
	sha256: hashContent(content),
});
const unit = "/u/qubes-lite-x.service";
const ours = file(markUnit("[Service]\n"));

describe("whose a file is", () => {
	it.each<[string, Pick<Entry, "path" | "kind">, Content | "other", readonly Entry[], string]>([
		["as it was installed", { path: "/m", kind: "man" }, file("a"), [listed("/m", "man", file("a"))], "ours"],
		["changed since", { path: "/m", kind: "man" }, file("b"), [listed("/m", "man", file("a"))], "edited"],
		["never installed", { path: "/m", kind: "man" }, file("b"), [listed("/n", "man", file("b"))], "foreign"],
		["a directory in its place", { path: "/m", kind: "man" }, "other", [listed("/m", "man", file("a"))], "edited"],
		["a directory, never ours", { path: "/m", kind: "man" }, "other", [], "foreign"],
		[
			"a link that leads elsewhere now",
			{ path: "/b", kind: "program" },
			link("/2"),
			[listed("/b", "program", link("/1"))],
			"edited",
		],
		["a unit by its mark, as the broker changes them", { path: unit, kind: "unit" }, ours, [], "ours"],
		[
			"a unit with a line more",
			{ path: unit, kind: "unit" },
			file(markUnit("[Service]\n").concat("#\n")),
			[],
			"edited",
		],
		["somebody's unit", { path: unit, kind: "unit" }, file("[Service]\n"), [], "foreign"],
		["our unit without a mark", { path: unit, kind: "unit" }, file("[S]"), [listed(unit, "unit", file("[S]"))], "ours"],
		["a mask", { path: unit, kind: "unit" }, link("/dev/null"), [], "masked"],
		["a unit that is a link", { path: unit, kind: "unit" }, link("/etc/x.service"), [], "foreign"],
		[
			"an enablement, whoever made it",
			{ path: "/u/a.wants/x.socket", kind: "enablement" },
			link("../x.socket"),
			[],
			"ours",
		],
		["another's enablement", { path: "/u/a.wants/x.socket", kind: "enablement" }, link("/dev/null"), [], "foreign"],
	])("%s", (_, where, found, files, owner) => {
		expect(toOwner(where, found, files)).toBe(owner);
	});
});
