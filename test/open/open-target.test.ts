import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QubesLiteError } from "../../src/errors.ts";
import { toFileName, toOpenArgv } from "../../src/open/open-argv.ts";
import { parseOpenDestination } from "../../src/open/open-destination.ts";
import { openSchemes, parseOpenTarget } from "../../src/open/open-target.ts";
import { isFileName } from "../../src/protocol/programs.ts";
import { createConfig, createVm } from "../vmm/facts.ts";

function refusal(untrusted: string): string {
	try {
		return `opened: ${JSON.stringify(parseOpenTarget(untrusted))}`;
	} catch (cause) {
		expect(cause).toBeInstanceOf(QubesLiteError);
		expect(cause).toMatchObject({ code: "BadRequest" });
		return (cause as Error).message;
	}
}

describe("what is to be opened", () => {
	it.each([
		["https://Example.ORG/a b?q=$(x)#`y`", "https://example.org/a%20b?q=$(x)#%60y%60", "example.org"],
		["http://me:secret@bank.example:8080/", "http://me:secret@bank.example:8080/", "bank.example"],
		["https://b\u00fccher.example", "https://xn--bcher-kva.example/", "xn--bcher-kva.example"],
		["HTTP:\\\\host\\x", "http://host/x", "host"],
		["ftp://host/x;type=i", "ftp://host/x;type=i", "host"],
		["http://[::1]:80/", "http://[::1]/", "[::1]"],
		["mailto:ann@example.org?subject=-rf", "mailto:ann@example.org?subject=-rf", null],
	])("is a link: %s", (given, uri, host) => {
		expect(parseOpenTarget(given)).toEqual({ kind: "uri", uri, host });
	});

	it.each([
		["letter.pdf", "letter.pdf"],
		["/home/me/a b.txt", "/home/me/a b.txt"],
		["./http:x", "./http:x"],
		["-rf", "-rf"],
		["file:///home/me/a%20b.txt", "/home/me/a b.txt"],
		["file://localhost/x", "/x"],
	])("is a file: %s", (given, path) => {
		expect(parseOpenTarget(given)).toEqual({ kind: "file", path });
	});

	it.each([
		["", "nothing to open: an empty word is neither a link nor a file"],
		["javascript:alert(1)", '"javascript:" is not opened in vms: only http, https, mailto, ftp and files are'],
		["data:text/html,x", '"data:" is not opened in vms: only http, https, mailto, ftp and files are'],
		["qubes-lite:x", '"qubes-lite:" is not opened in vms: only http, https, mailto, ftp and files are'],
		["http://a\nb/", "what is to be opened has control characters, or is no text"],
		["/a\u0000b", "what is to be opened has control characters, or is no text"],
		["file:///a%0Ab", "what is to be opened has control characters, or is no text"],
		["file:///%ff", "a file: link holds bytes that are not UTF-8"],
		["file://server/share", "a file: link leads to another machine: server"],
		["http://", "not a link: http://"],
		["https://a b/", "not a link: https://a b/"],
		[`https://x/${"a".repeat(8192)}`, "the link is longer than 8 KiB"],
		[`https://x/${"\u00e4".repeat(3000)}`, "the link is longer than 8 KiB"],
		[`/${"a".repeat(4096)}`, "the file's path is longer than 4 KiB"],
	])("is refused by name: %j", (given, message) => {
		expect(refusal(given)).toBe(message);
	});

	it("is a link of a known scheme in printable ASCII, or a file, or an error of ours: never an option", () => {
		const text = fc.oneof(
			fc.string({ unit: "binary" }),
			fc.webUrl({ withQueryParameters: true, withFragments: true }),
			fc
				.tuple(fc.constantFrom(...openSchemes, "file", "x"), fc.string({ unit: "grapheme" }))
				.map(([scheme, rest]) => `${scheme}:${rest}`),
		);
		fc.assert(
			fc.property(text, (given) => {
				if (refusal(given).startsWith("opened: ")) {
					const target = parseOpenTarget(given);
					if (target.kind === "file") expect(target.path).not.toMatch(/\p{Cc}/u);
					else {
						expect(target.uri).toMatch(/^(?:https?|ftp|mailto):[\x21-\x7e ]*$/);
						expect(toOpenArgv(createVm(), target).argv.at(-1)).toBe(target.uri);
					}
				}
			}),
			{ numRuns: 500 },
		);
	});
});

describe("what runs in the guest", () => {
	const vm = createVm({
		open: ["my-open", "--new"],
		sharedDirectories: [{ tag: "docs", path: "/home/me/docs", readOnly: false }],
	});

	it("is the handler with the link as its last word", () => {
		const target = parseOpenTarget("https://x/?a=$(b) c");
		if (target.kind !== "uri") throw new Error("no link");
		expect(toOpenArgv(vm, target)).toEqual({
			argv: ["my-open", "--new", "https://x/?a=$(b)%20c"],
			takesContent: false,
		});
	});

	it("is the handler with the guest's path of a file that it shares", () => {
		const path = "/home/me/docs/a/-b.txt";
		expect(toOpenArgv(vm, { kind: "file", path, bytes: 7 })).toEqual({
			argv: ["my-open", "--new", "/mnt/docs/a/-b.txt"],
			takesContent: false,
		});
	});

	it.each(["/home/me/docs-2/x.txt", "/home/me/x.txt", "/home/me/docs", "/x.txt"])(
		"takes the content of others: %s",
		(path) => {
			const name = path.slice(path.lastIndexOf("/") + 1);
			expect(toOpenArgv(vm, { kind: "file", path, bytes: 7 })).toEqual({
				argv: ["qubes-lite-guest", "open", name, "7", "--", "my-open", "--new"],
				takesContent: true,
			});
		},
	);

	it.each([
		["-rf.txt", "_rf.txt"],
		[".bashrc", "_bashrc"],
		["a\u202Efdp.exe", "a_fdp.exe"],
		["..", "_."],
		[`${"a".repeat(300)}.pdf`, "file.pdf"],
		["a b;c.txt", "a b;c.txt"],
	])("has a name for it that a guest takes: %j", (name, safe) => {
		expect(toFileName(name)).toBe(safe);
	});

	it("has such a name for any file", () => {
		fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => isFileName(toFileName(name))));
	});
});

describe("where something is opened", () => {
	const config = createConfig(createVm(), createVm({ id: 15, name: "web", disposable: true }));
	const named = (word: string) => {
		const { vm, isDisposable } = parseOpenDestination(word, config);
		return [vm.name, isDisposable];
	};

	it("is a vm, a disposable, or one of a vm that is named", () => {
		expect(named("shopping")).toEqual(["shopping", false]);
		expect(named("@dispvm")).toEqual(["web", true]);
		expect(named("@dispvm:shopping")).toEqual(["shopping", true]);
	});

	it.each([
		["shoping", "NoSuchVm"],
		["@dispvm:none", "NoSuchVm"],
		["@dispvm:", "BadName"],
		["@anyvm", "BadName"],
		["-x", "BadName"],
	])("is refused by name: %s", (word, code) => {
		expect(() => named(word)).toThrow(expect.objectContaining({ code }));
	});

	it("has no default where no vm is disposable", () => {
		expect(() => parseOpenDestination("@dispvm", createConfig(createVm()))).toThrow(
			"no vm is configured as disposable, so @dispvm has no default",
		);
	});
});
