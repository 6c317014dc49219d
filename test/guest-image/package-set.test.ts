import { expect, it } from "vitest";
import { toOtherRelease } from "../../guest-image/apt-sources.ts";
import { fileNameOf, formatList, parseList } from "../../guest-image/package-set.ts";

const list = `package: foot
version: 1:1.13.1-2
architecture: amd64
depends: libc6 (>= 2.34), foot-terminfo
installed-size: 700
size: 300000
sha256: ${"a".repeat(64)}
filename: ./foot.deb

package: foot-terminfo
version: 1.13.1-2
architecture: all
size: 9
sha256: ${"b".repeat(64)}
filename: ./foot-terminfo.deb
`;

it("a list of packages is read as it was written", () => {
	const packages = parseList(list);
	expect(packages.map(({ name, version, size }) => [name, version, size])).toEqual([
		["foot", "1:1.13.1-2", 300000],
		["foot-terminfo", "1.13.1-2", 9],
	]);
	expect(formatList(packages)).toBe(list);
	expect(formatList(parseList(`${list}description: long\n lines\nhomepage: https://x\n`))).toBe(list);
	expect(parseList("")).toEqual([]);
});

it("a package's file has apt's name for it", () => {
	expect(parseList(list).map(fileNameOf)).toEqual(["foot_1%3a1.13.1-2_amd64.deb", "foot-terminfo_1.13.1-2_all.deb"]);
});

it("another release comes from the same mirrors, with its updates where it has some", () => {
	const sources = ["bookworm", "bookworm-updates", "bookworm-security"].map((suite) => ({
		uri: "http://mirror/debian",
		suite,
	}));
	const suites = (suite: string) => toOtherRelease(sources, "bookworm", suite).map((source) => source.suite);
	expect(suites("bookworm")).toEqual(["bookworm", "bookworm-updates", "bookworm-security"]);
	expect(suites("trixie")).toEqual(["trixie", "trixie-updates", "trixie-security"]);
	expect(suites("sid")).toEqual(["sid"]);
});
