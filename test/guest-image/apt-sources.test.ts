import { describe, expect, it } from "vitest";
import {
	formatDebianSources,
	parseDeb822Sources,
	parseOneLineSources,
	selectDebianSources,
	toGuestSources,
	toOtherSuite,
} from "../../guest-image/apt-sources.ts";

describe("one-line sources", () => {
	it("are read with and without options, comments and extra blanks", () => {
		const entries = parseOneLineSources(`# deb http://old.example/debian buster main
deb http://mirror.example/debian bookworm main contrib # ours
  deb  [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]	http://mirror.example/debian-security bookworm-security main
deb-src http://mirror.example/debian bookworm main
`);
		expect(entries).toEqual([
			{
				uris: ["http://mirror.example/debian"],
				suites: ["bookworm"],
				components: ["main", "contrib"],
				signedBy: undefined,
			},
			{
				uris: ["http://mirror.example/debian-security"],
				suites: ["bookworm-security"],
				components: ["main"],
				signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg",
			},
		]);
	});

	it("are read no further than anyone's list goes", () => {
		expect(parseOneLineSources("deb http://m.example/debian sid main\n".repeat(5000))).toHaveLength(500);
	});
});

describe("deb822 sources", () => {
	it("are read stanza by stanza, with comments inside and values that go on", () => {
		const entries = parseDeb822Sources(`Types: deb deb-src
# http://snapshot.example/debian
URIs: http://one.example/debian
 http://two.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://one.example/debian
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main
`);
		expect(entries).toEqual([
			{
				uris: ["http://one.example/debian", "http://two.example/debian"],
				suites: ["bookworm", "bookworm-updates"],
				components: ["main"],
				signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg",
			},
		]);
	});
});

describe("Debian's own sources", () => {
	const select = (line: string): string[] =>
		selectDebianSources(parseOneLineSources(line), "bookworm").map(({ uri, suite }) => `${uri} ${suite}`);

	it("are the release's, its updates' and its security suite's", () => {
		expect(select("deb http://m.example/debian bookworm main")).toEqual(["http://m.example/debian bookworm"]);
		expect(select("deb http://m.example/debian-security bookworm-security main")).toHaveLength(1);
		expect(select("deb http://m.example/archive/debian/20260101T000000Z/ bookworm main")).toHaveLength(1);
	});

	it.each([
		["another release", "deb http://m.example/debian trixie main"],
		["another distribution", "deb http://m.example/ubuntu bookworm main"],
		["someone's repository for Debian", "deb https://m.example/linux/debian bookworm stable"],
		[
			"a repository with keys of its own",
			"deb [signed-by=/etc/apt/keyrings/x.gpg] http://m.example/debian bookworm main",
		],
		["a disc", "deb cdrom:[Debian]/debian bookworm main"],
	])("are not %s", (_, line) => {
		expect(select(line)).toEqual([]);
	});

	it("name each source once", () => {
		expect(select("deb http://m.example/debian bookworm main\n".repeat(2))).toHaveLength(1);
	});

	it("lead to another suite of the same mirror", () => {
		const sources = selectDebianSources(
			parseOneLineSources(
				"deb http://s.example/debian-security bookworm-security main\ndeb http://m.example/debian bookworm main",
			),
			"bookworm",
		);
		expect(toOtherSuite(sources, "bookworm", "sid")).toEqual([{ uri: "http://m.example/debian", suite: "sid" }]);
	});

	it("are written for apt with Debian's keys only", () => {
		expect(formatDebianSources([{ uri: "http://m.example/debian", suite: "sid" }], "/keys.gpg")).toBe(
			"Types: deb\nURIs: http://m.example/debian\nSuites: sid\nComponents: main\nSigned-By: /keys.gpg\n",
		);
	});
});

it("gives a guest the sources that it can use, and none with what lets this machine in", () => {
	const suite = "bookworm";
	const usable = [
		{ uri: "http://mirror.example/debian", suite },
		{ uri: "https://mirror.example/debian-security", suite: "bookworm-security" },
	];
	const others = ["file:/srv/debian", "https://me:secret@mirror.example/debian", "ftp://mirror.example/debian"];
	expect(toGuestSources([...usable, ...others.map((uri) => ({ uri, suite }))])).toEqual(usable);
});
