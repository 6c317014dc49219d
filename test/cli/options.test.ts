import { describe, expect, it } from "vitest";
import { parseOptions } from "../../src/cli/options.ts";

const options = {
	quiet: { names: ["--quiet", "-q"], value: "none" },
	noStart: { names: ["--no-start", "-n"], value: "none" },
	user: { names: ["--user", "-u"], value: "required", wants: "a user" },
	disposable: { names: ["--disposable"], value: "optional" },
} as const;

const parse = (...words: string[]) => {
	const { given, rest } = parseOptions(words, options, "prog --help");
	return [...given.map(({ name, value }) => (value === null ? name : `${name}=${value}`)), "|", ...rest].join(" ");
};

describe("options", () => {
	it.each([
		[["-q", "vm"], "quiet | vm"],
		[["-nq", "vm"], "noStart quiet | vm"],
		[["-u", "root", "vm"], "user=root | vm"],
		[["-uroot", "vm"], "user=root | vm"],
		[["-nuroot", "vm"], "noStart user=root | vm"],
		[["-nu", "root", "vm"], "noStart user=root | vm"],
		[["--user=root"], "user=root |"],
		[["--user", "--quiet"], "user=--quiet |"],
		[["--user=", "vm"], "user= | vm"],
		[["--disposable", "vm"], "disposable | vm"],
		[["--disposable=work", "vm"], "disposable=work | vm"],
		[["-q", "-u", "a", "-u", "b"], "quiet user=a user=b |"],
		[[], "|"],
	])("understands %j", (words, expected) => {
		expect(parse(...words)).toBe(expected);
	});

	it.each([
		[["vm", "-q"], "| vm -q"],
		[["--", "-q"], "| -- -q"],
		[["-", "-q"], "| - -q"],
		[["", "-q"], "|  -q"],
	])("stops at the first word that is none: %j", (words, expected) => {
		expect(parse(...words)).toBe(expected);
	});

	it.each([
		[["--quite"], "there is no option --quite; did you mean --quiet?"],
		[["-x"], "there is no option -x"],
		[["-qx"], "there is no option -x"],
		[["--quiet=1"], "--quiet takes no value"],
		[["--user"], "--user needs a user"],
		[["-u"], "-u needs a user"],
		[["-qu"], "-u needs a user"],
	])("refuses %j with a sentence", (words, message) => {
		expect(() => parse(...words)).toThrow(message);
	});
});
