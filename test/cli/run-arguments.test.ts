import { describe, expect, it } from "vitest";
import { runOptions } from "../../src/cli/commands/run-in-vm.ts";
import { formatRunUsage, parseRunArguments } from "../../src/cli/run-arguments.ts";

const plain = {
	kind: "run",
	vm: "shopping",
	disposable: false,
	command: ["ls"],
	start: true,
	stdin: true,
	quiet: false,
	timeoutMs: 0,
	statusFd: null,
	filter: null,
	tty: null,
	environment: [],
	user: null,
	directory: null,
	detach: false,
};

const words = (line: string) => line.split(" ");

describe("run-in-vm's command line", () => {
	it.each([
		["shopping ls", {}],
		["shopping -- ls", {}],
		["shopping -- -- ls", { command: ["--", "ls"] }],
		["shopping ls -- -n", { command: ["ls", "--", "-n"] }],
		[
			"-nNq --timeout 1.5 --status-fd=7 shopping ls",
			{ start: false, stdin: false, quiet: true, timeoutMs: 1500, statusFd: 7 },
		],
		["-t shopping ls", { tty: true }],
		["-T shopping ls", { tty: false }],
		["-t -T shopping ls", { tty: false }],
		["-e A=1 -e B --env=C=x=y shopping ls", { environment: ["A=1", "B", "C=x=y"] }],
		["-u root -w /tmp shopping ls", { user: "root", directory: "/tmp" }],
		["-d shopping ls", { detach: true }],
		["--filter strict --filter=off shopping ls", { filter: "off" }],
		["--disposable ls", { vm: "", disposable: true }],
		["--disposable -- ls", { vm: "", disposable: true }],
		["--dispvm=work ls -l", { vm: "work", disposable: true, command: ["ls", "-l"] }],
		["--shell ls|wc shopping", { command: ["/bin/sh", "-c", "--", "ls|wc", "sh"] }],
		["--shell ls|wc shopping -- a b", { command: ["/bin/sh", "-c", "--", "ls|wc", "sh", "a", "b"] }],
		["--disposable --shell ls", { vm: "", disposable: true, command: ["/bin/sh", "-c", "--", "ls", "sh"] }],
	])("reads: %s", (line, expected) => {
		expect(parseRunArguments(words(line))).toEqual({ ...plain, ...expected });
	});

	it("keeps every byte of a script and of words", () => {
		const parsed = parseRunArguments(["--shell", "a | b; c\n", "shopping", "", " ", "\n"]);
		expect(parsed).toMatchObject({ command: ["/bin/sh", "-c", "--", "a | b; c\n", "sh", "", " ", "\n"] });
	});

	it("reads an attachment", () => {
		expect(parseRunArguments(words("--attach shopping.3.9f3c -N"))).toMatchObject({
			kind: "attach",
			id: { vm: "shopping", session: 3, boot: "9f3c" },
			stdin: false,
		});
		expect(parseRunArguments(words("--attach=shopping.3"))).toMatchObject({ id: { boot: null } });
	});

	it.each(["--help", "-h", "-q --help shopping", "--attach x --help"])("shows its help: %s", (line) => {
		expect(parseRunArguments(words(line))).toEqual({ kind: "help" });
	});

	it.each([
		["", "which VM?"],
		["-q", "which VM?"],
		["-- ls", "VM is missing before '--'"],
		["shopping", "which command is to run in the vm shopping?"],
		["shopping --", "which command is to run in the vm shopping?"],
		["--disposable", "which command is to run?"],
		["--no-strat shopping ls", "there is no option --no-strat; did you mean --no-start?"],
		["-it shopping sh", "there is no option -i: standard input goes over by itself; -t gives the command a terminal"],
		["-v", "there is no option -v: the version is --version"],
		["--timeout 0 shopping ls", "--timeout needs seconds, more than 0 and at most 86400"],
		["--timeout 0x10 shopping ls", "--timeout needs seconds, more than 0 and at most 86400"],
		["--timeout 1e-9 shopping ls", "--timeout needs seconds, more than 0 and at most 86400"],
		["--timeout x shopping ls", "--timeout needs seconds, more than 0 and at most 86400"],
		["--timeout= shopping ls", "--timeout needs seconds, more than 0 and at most 86400"],
		["--timeout", "--timeout needs a number of seconds"],
		["--status-fd 2 shopping ls", "--status-fd needs the number of an open file descriptor, 3 or more"],
		["--filter=stict shopping ls", "--filter needs auto, strict or off; did you mean strict?"],
		["-w tmp shopping ls", "--workdir needs a path of the guest that begins with /, not 'tmp'"],
		["-e =x shopping ls", "-e needs K=V or K, not '=x'"],
		["--user= shopping ls", "--user needs a name"],
		["--attach shopping.3 ls", "--attach takes no command, but there is 'ls'"],
		["--attach shopping.3 -d", "--detach has no meaning with --attach"],
		["--attach shopping", "'shopping' is not the id of a session, such as shopping.3.9f3c"],
	])("refuses '%s' with one sentence", (line, message) => {
		let said = "";
		try {
			parseRunArguments(line === "" ? [] : words(line));
		} catch (cause) {
			said = (cause as Error).message;
		}
		expect(said).toBe(message);
	});

	it("has a help that fits a terminal and names every option", () => {
		const help = formatRunUsage();
		for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
		for (const name of Object.values(runOptions).flatMap(({ names }) => names)) expect(help).toContain(name);
		expect(help).toContain("\n  -e, --env K=V            with this environment variable;");
		expect(help).toContain(
			"\n      --disposable[=BASE]  in a fresh copy of the vm BASE, which is gone afterwards (also: --dispvm)\n",
		);
	});
});
