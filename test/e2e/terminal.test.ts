/** What a person sees and types: a real terminal, a real guest. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { nothingLeft, signalProcess, TestUser } from "./harness.ts";
import { Terminal } from "./tmux.ts";

let user: TestUser;
let terminal: Terminal;

beforeAll(() => {
	user = new TestUser({ vms: [{ id: 5, name: "shopping", memory: 512 }] });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

beforeEach(() => {
	terminal = new Terminal(user);
});

afterEach(() => {
	terminal.close();
});

/** Of run-in-vm itself, whose words the shell that typed them carries too. */
const clients = (): number[] =>
	user
		.processes()
		.filter(({ words }) => /\/node .*run-in-vm\.cjs /.test(words))
		.map(({ pid }) => pid);

/** proc_pid_stat(5). */
const stateOf = (pid: number): string => /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";

/** Runs `line`, then shows its status and whether the terminal is set as it was before. */
function typeChecked(line: string): void {
	terminal.type(
		`before=$(stty -g); ${line}; status=$?; [ "$before" = "$(stty -g)" ] && echo "same:$status" || stty -a`,
	);
}

describe("a boot that is watched", () => {
	it("says on one line how far it has come, and leaves no trace of it", async () => {
		await user.sh("qubes-lite stop shopping");
		typeChecked("run-in-vm shopping echo here I am");
		await terminal.shows(/Starting shopping… \w.* [0-9]\.[0-9] s/);
		const screen = await terminal.shows(/same:0/);
		expect(screen).toContain("\nhere I am\n");
		expect(screen).not.toContain("Starting");
	});

	it("is given up by Ctrl-C with status 130", async () => {
		await user.sh("qubes-lite stop shopping");
		typeChecked("run-in-vm shopping echo never");
		await terminal.shows(/Starting shopping…/);
		terminal.press("C-c");
		/** bash gives up the rest of a line whose command ended by Ctrl-C. */
		await terminal.shows(/\^C\s*\n?.*\$ $|same:130/m);
		terminal.type('echo "status $?"');
		const screen = await terminal.shows(/status [0-9]+/);
		expect(screen).not.toContain("\nnever");
		expect(screen).not.toMatch(/Starting shopping… [a-z]+ [0-9.]+ s/);
	});
});

describe("an interactive command", () => {
	it("has a terminal of our kind and size, and follows when ours changes", async () => {
		typeChecked("run-in-vm shopping sh");
		await terminal.shows(/^~ \$$/m);
		terminal.type('echo "[$TERM] $(stty size) $(tty)"');
		await terminal.shows(/^\[tmux-256color\] 30 100 \/dev\/pts\/[0-9]+$/m);
		terminal.resize(77, 22);
		terminal.type('until [ "$(stty size)" = "22 77" ]; do sleep 0.1; done; echo "now $(stty size)"');
		await terminal.shows(/^now 22 77$/m);
		terminal.type("exit 3");
		await terminal.shows(/same:3/);
	});

	it("takes Ctrl-C and Ctrl-D as the guest's terminal does", async () => {
		typeChecked("run-in-vm shopping sh -c 'echo up; exec sleep 1000'");
		await terminal.shows(/^up$/m);
		terminal.press("C-c");
		await terminal.shows(/same:130/);
		expect((await user.run("shopping", "sh", "-c", "ps | grep '[s]leep 1000'")).status).toBe(1);
		typeChecked("run-in-vm shopping sh -c 'echo here; exec cat'");
		await terminal.shows(/^here$/m);
		terminal.type("typed");
		await terminal.shows(/typed\s+typed/);
		terminal.press("C-d");
		await terminal.shows(/same:0/);
	});
});

describe("the terminal is as it was", () => {
	it("after a command that is not there", async () => {
		typeChecked("run-in-vm shopping no-such");
		expect(await terminal.shows(/same:127/)).toContain("run-in-vm: no-such: not found in the guest");
	});

	it("after SIGTERM, which the command gets", async () => {
		typeChecked("run-in-vm shopping sh -c 'echo up; exec sleep 1000'");
		await terminal.shows(/^up$/m);
		for (const pid of clients()) signalProcess(pid, "SIGTERM");
		await terminal.shows(/same:143/);
	});

	it("after a program that left the alternate screen on and the cursor hidden", async () => {
		typeChecked("run-in-vm shopping sh -c 'printf \"\\033[?1049h\\033[?25lgone\"; kill -9 $$'");
		await terminal.shows(/same:137/);
		expect(terminal.fact("#{alternate_on} #{cursor_flag}")).toBe("0 1");
	});

	it("after the vm was killed under it", async () => {
		typeChecked("run-in-vm shopping sh -c 'echo up; sleep 1000'");
		await terminal.shows(/^up/m);
		for (const pid of user.vmmPids()) signalProcess(pid, "SIGKILL");
		expect(await terminal.shows(/same:125/)).toContain("shopping ended while the command ran");
	});
});

describe("a command whose vm boots first", () => {
	it("has the size that ours has when it starts, and what was typed before it was there", async () => {
		await user.sh("qubes-lite stop shopping");
		typeChecked("run-in-vm shopping sh -c 'sleep 0.3; stty size; cat'");
		await terminal.shows(/Starting shopping…/);
		terminal.resize(71, 19);
		terminal.type("early bird");
		await terminal.shows(/^19 71$/m);
		await terminal.shows(/early bird[\s\S]*early bird/);
		terminal.press("C-d");
		await terminal.shows(/same:0/);
	});
});

describe("Ctrl-Z without a terminal in the guest", () => {
	it("stops the command, too, and fg lets it go on", async () => {
		terminal.type("run-in-vm -T shopping sh -c 'echo up; exec sleep 1000'");
		await terminal.shows(/^up$/m);
		terminal.press("C-z");
		await terminal.shows(/Stopped/);
		const state = "for p in $(pidof sleep); do cut -d' ' -f3 /proc/$p/stat; done";
		await user.until("it stands still", async () => (await user.run("shopping", "sh", "-c", state)).stdout === "T\n");
		terminal.type("fg");
		await user.until("it goes on", async () => (await user.run("shopping", "sh", "-c", state)).stdout === "S\n");
		terminal.press("C-c");
		/** Until then what is typed is the command's. */
		await terminal.shows(/\^C[\s\S]*\$$/);
		terminal.type('echo "status $?"');
		await terminal.shows(/status 130/);
	});
});

describe("a client that is stopped and goes on", () => {
	/** Nobody types Ctrl-Z to it: in raw mode that is the guest's. */
	async function stopped(): Promise<void> {
		terminal.type("run-in-vm shopping sh");
		await terminal.shows(/^~ \$$/m);
		for (const pid of clients()) signalProcess(pid, "SIGSTOP");
		await terminal.shows(/Stopped/);
	}

	it("has the terminal raw again, in the size that it has by then", async () => {
		await stopped();
		terminal.resize(81, 25);
		terminal.type("fg");
		await user.until("it goes on", () => clients().every((pid) => stateOf(pid) !== "T"));
		const line = terminal.fact("#{pane_tty}");
		await user.until("it is raw", () =>
			spawnSync("stty", ["-F", line, "-a"], { encoding: "utf8" }).stdout.includes("-isig"),
		);
		terminal.type('echo "now $(stty size)"');
		await terminal.shows(/^now 25 81$/m);
		/** In a terminal that is only half raw it is typed twice. */
		expect(terminal.screen().match(/now \$/g)).toHaveLength(1);
		terminal.type("exit 4");
		/** Until then what is typed is the command's. */
		await terminal.shows(/exit 4\n\$$/);
		terminal.type('echo "status $?"');
		await terminal.shows(/status 4/);
	});

	it("in the background runs on without a terminal in the guest, and writes to ours", async () => {
		terminal.type("run-in-vm shopping sh -c 'sleep 1; tty; echo over' &");
		await terminal.shows(/not a tty\s+over/);
		terminal.type("wait; echo waited $?");
		await terminal.shows(/waited 0/);
		expect(terminal.screen()).not.toContain("Stopped");
	});

	it("in the background leaves the keys to the shell", async () => {
		const [go, out] = [`/tmp/go-over-${process.pid}`, `${user.directory}/background`];
		terminal.type(`run-in-vm shopping sh -c 'echo up; until [ -e ${go} ]; do sleep 0.1; done; echo over' >'${out}' &`);
		await user.until("it runs", () => existsSync(out) && readFileSync(out, "utf8") === "up\n");
		terminal.type("echo typed");
		await terminal.shows(/^typed$/m);
		expect(await user.run("shopping", "touch", go)).toMatchObject({ status: 0 });
		terminal.type("wait; echo waited $?");
		await terminal.shows(/waited 0/);
		expect(terminal.screen()).not.toContain("Stopped");
	});
});

describe("output that is hostile to a terminal", () => {
	const guest = (script: string): void => typeChecked(`run-in-vm shopping sh -c '${script}'`);

	it("sets no title", async () => {
		const title = terminal.fact("#{pane_title}");
		guest('printf "\\033]2;owned\\007\\033]0;owned\\033\\\\done\\n"');
		await terminal.shows(/done[\s\S]*same:0/);
		expect(terminal.fact("#{pane_title}")).toBe(title);
		expect(terminal.fact("#{window_name}")).not.toBe("owned");
	});

	it("sets no clipboard", async () => {
		guest('printf "\\033]52;c;b3duZWQ=\\007done\\n"');
		await terminal.shows(/done[\s\S]*same:0/);
		expect(terminal.clipboard()).toBe("");
	});

	it("makes the terminal type nothing", async () => {
		const queries = [
			"[6n",
			"[c",
			"[>c",
			"[>q",
			"[14t",
			"[21t",
			"P$qm\\033\\\\",
			"P+q544e\\033\\\\",
			"]10;?\\007",
			"]4;1;?\\007",
		];
		const print = queries.map((query) => `printf "\\033${query}"`).join("; ");
		guest(`${print}; echo; timeout 2 head -c1 | od -c; echo end`);
		expect(await terminal.shows(/end[\s\S]*same:0/)).toMatch(/^0000000$/m);
		terminal.type("echo next");
		expect(await terminal.shows(/^next$/m)).not.toMatch(/\$ .*\d+R/);
	});

	it("keeps its colours, which a terminal in the guest allows", async () => {
		guest('printf "\\033[31mred\\033[0m plain\\n"');
		expect(await terminal.shows(/red plain[\s\S]*same:0/)).not.toContain("\uFFFD");
	});

	it("is plain text without a terminal in the guest, and as it is in a pipe", async () => {
		typeChecked("run-in-vm -T shopping printf 'hello\\0world\\377\\033[31m\\n'");
		expect(await terminal.shows(/same:0/)).toMatch(/^hello\uFFFDworld\uFFFD\uFFFD\[31m$/m);
		typeChecked("run-in-vm -T shopping printf 'hello\\0world\\377\\033[31m\\n' | od -An -c");
		expect(await terminal.shows(/same:0[\s\S]*same:0/)).toMatch(
			/^ +h +e +l +l +o +.0 +w +o +r +l +d +377 +033 +\[ +3 +1$/m,
		);
		typeChecked("run-in-vm -T --filter=strict shopping printf 'a\\0b\\n' | od -An -c");
		expect(await terminal.shows(/same:0[\s\S]*same:0[\s\S]*same:0/)).toContain("a 357 277 275   b");
	});
});
