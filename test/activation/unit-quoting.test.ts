import { describe, expect, it } from "vitest";
import { formatUnitVariable, quoteUnitWord } from "../../src/activation/unit-quoting.ts";

describe("a word of a unit's command line", () => {
	it.each([
		["/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-x86_64"],
		["guest-cid=3,uds-path=/a", "guest-cid=3,uds-path=/a"],
		["", '""'],
		["a b", '"a b"'],
		["100%", '"100%%"'],
		["$HOME and ${HOME}", '"$$HOME and $${HOME}"'],
		[";", '";"'],
		[`it's "so"`, `"it's \\"so\\""`],
		["C:\\new", '"C:\\\\new"'],
		["a\nb\tc", '"a\\x0ab\\x09c"'],
		["#", '"#"'],
		["é", '"é"'],
		["\u0085", '"\\xc2\\x85"'],
		["\ufdd0", '"\\xef\\xb7\\x90"'],
		["\u{1ffff}", '"\\xf0\\x9f\\xbf\\xbf"'],
	])("%j is %s", (word, quoted) => {
		expect(quoteUnitWord(word)).toBe(quoted);
	});

	it("has holes that systemd fills in, and the rest of it is as it was", () => {
		const holes = new Map([
			["/run/user/7/qubes-lite", "%t/qubes-lite"],
			["61453", "${CID}"],
		]);
		expect(quoteUnitWord("path=/run/user/7/qubes-lite/a,id=61453", holes)).toBe("path=%t/qubes-lite/a,id=${CID}");
		expect(quoteUnitWord("50% of /run/user/7/qubes-lite $x 61453", holes)).toBe('"50%% of %t/qubes-lite $$x ${CID}"');
	});

	it("can't hold a NUL", () => {
		expect(() => quoteUnitWord("a\0b")).toThrow('An argument holds a NUL character: "a\\u0000b"');
	});
});

describe("a variable of a unit", () => {
	it.each([
		["/a/b", '"X=/a/b"'],
		["", '"X="'],
		["50% $HOME", '"X=50%% $HOME"'],
		[`"q" 'q' \\`, `"X=\\"q\\" 'q' \\\\"`],
		["a\tb\nc", '"X=a\\x09b\\x0ac"'],
	])("%j is %s: a $ stands for itself", (value, quoted) => {
		expect(formatUnitVariable("X", value)).toBe(`Environment=${quoted}`);
	});

	it.each(["\x01", "\x7f", "\r", "\ufdd0"])("can't hold %j, which systemd would not take", (character) => {
		expect(() => formatUnitVariable("X", `a${character}`)).toThrow("systemd takes no variable X");
	});
});
