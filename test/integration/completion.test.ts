/** The scripts of `qubes-lite completion`, in the shells that they are for, at a terminal: what Tab makes of a line. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, TestUser } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";

const vms = [
	{ id: 5, name: "shopping" },
	{ id: 13, name: "vault" },
	{ id: 15, name: "disp", disposable: true },
];
const shells = ["bash", "zsh", "fish"] as const;
type ShellName = (typeof shells)[number];

const scripts: Readonly<Record<ShellName, string>> = {
	bash: "script.bash",
	zsh: "functions/_qubes-lite",
	fish: "script.fish",
};

let user: TestUser;
let terminal: Terminal | undefined;

beforeAll(async () => {
	user = new TestUser({ vms, env: { INPUTRC: "/dev/null" } });
	writeFileSync(join(user.directory, "a-file.json"), "{}");
	mkdirSync(join(user.directory, "a-directory"));
	mkdirSync(join(user.directory, "functions"));
	user.env.XDG_CACHE_HOME = join(user.directory, "cache");
	for (const root of ["abc", "def"]) plantImage(root);
	for (const shell of shells) {
		const { stdout, stderr, status } = await user.sh(`qubes-lite completion ${shell}`);
		expect([stderr, status]).toEqual(["", 0]);
		writeFileSync(join(user.directory, scripts[shell]), stdout);
	}
});

/** In the user's cache, named by `root`'s digits; its files are nobody's to look at. */
function plantImage(root: string): void {
	const key = "0".repeat(32) + root.padEnd(16, "0");
	const [kernel, initramfs, file] = ["vmlinux", "initrd.cpio", "root.erofs"].map((name) => ({
		...{ name, size: 1, sha256: "0".repeat(64) },
	}));
	const directory = join(user.directory, "cache/qubes-lite/images", key);
	mkdirSync(directory, { recursive: true });
	const manifest = { schema: 1, key, kernelRelease: "6.1", kernel, initramfs, root: file, rootFormat: "erofs" };
	writeFileSync(join(directory, "image.json"), JSON.stringify(manifest));
}

afterEach(() => {
	terminal?.close();
	terminal = undefined;
});

/** Leaving starts a broker, which nothing has done before. */
afterAll(async () => {
	const wasThere = existsSync(user.runtime);
	expect(await user.leave(vms.map(({ name }) => name))).toEqual(nothingLeft);
	expect(wasThere).toBe(false);
});

/** What is typed into a shell that has started, before its first Tab. */
const preparations: Readonly<Record<ShellName, readonly string[]>> = {
	bash: ["bash --norc --noprofile -i", "source script.bash"],
	zsh: ["zsh -f -i", "PS1='$ '; fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -D"],
	fish: [
		"fish --private --no-config -i",
		"set -g fish_autosuggestion_enabled 0; function fish_prompt; echo -n '$ '; end; function fish_right_prompt; end",
		"source script.fish",
	],
};

async function openShell(
	shell: ShellName,
	environment: Readonly<Record<string, string>> = {},
	preparation = preparations[shell],
): Promise<Terminal> {
	const opened = new Terminal(user, { columns: 150, rows: 40 });
	terminal = opened;
	opened.type(`cd ${user.directory}`);
	for (const [name, value] of Object.entries(environment)) opened.type(`export ${name}='${value}'`);
	for (const [index, line] of preparation.entries()) {
		opened.type(line);
		/** A shell that starts may throw away what was typed before: it is asked again. */
		const isThere = (withinMs: number): Promise<string> => {
			opened.type(`echo is-there'-'${index}`);
			return opened.shows(new RegExp(`^is-there-${index}$`, "m"), withinMs);
		};
		await isThere(5_000).catch(() => isThere(30_000));
	}
	return opened;
}

/** The line that Tab makes of `typed`, without the space at its end. Behind it something is typed that shows that Tab has been served. */
async function complete(at: Terminal, typed: string, mark: string): Promise<string> {
	at.press("C-u", "C-l");
	at.keys(typed);
	at.press("Tab");
	at.keys(mark);
	const screen = await at.shows(new RegExp(`^\\$ .*${mark}$`, "m"), 20_000);
	const line = screen.split("\n").find((one) => one.endsWith(mark)) ?? "";
	return line.slice("$ ".length, -mark.length).trimEnd();
}

async function completeAll(shell: Terminal, lines: readonly string[]): Promise<string[]> {
	const outcomes: string[] = [];
	for (const [index, typed] of lines.entries()) outcomes.push(await complete(shell, typed, `Z${index}Z`));
	return outcomes;
}

/** A line up to Tab, and the rest that Tab adds. */
const completed: readonly (readonly [string, string])[] = [
	["qubes-lite unit", "s"],
	["qubes-lite ima", "ge"],
	["qubes-lite image bu", "ild"],
	["qubes-lite --ver", "sion"],
	["qubes-lite image build --fo", "rce"],
	["qubes-lite image rm --force abc", "000000000"],
	["qubes-lite image rm abc000000000 de", "f000000000"],
	["qubes-lite ho", "st"],
	["qubes-lite host t", "ap"],
	["qubes-lite host tap --pri", "nt"],
	["qubes-lite host tap --print --format networkm", "anager"],
	["qubes-lite host tap --print --nat eth0 shopping va", "ult"],
	["qubes-lite cp a-f", "ile.json"],
	["qubes-lite cp --fo", "rce"],
	["qubes-lite cp a-file.json sho", "pping:"],
	["qubes-lite logs --fol", "low"],
	["qubes-lite logs -n 3 sho", "pping"],
	["qubes-lite logs --lines=3 sho", "pping"],
	["qubes-lite status va", "ult"],
	["qubes-lite stop --force shopping va", "ult"],
	["qubes-lite completion fi", "sh"],
	["qubes-lite units --config a-f", "ile.json"],
	["qubes-lite units --config a-file.json --out a-d", "irectory/"],
	["run-in-vm sho", "pping"],
	["run-in-vm -n --user root sho", "pping"],
	["run-in-vm --no-sta", "rt"],
	["run-in-vm --filter=stri", "ct"],
	["run-in-vm --filter stri", "ct"],
	["run-in-vm --disposable=di", "sp"],
	["run-in-vm shopping sha256s", "um"],
	["run-in-vm shopping -- sha256s", "um"],
	["run-in-vm shopping ls a-f", "ile.json"],
	["run-in-vm -q --disposable sha256s", "um"],
	["run-in-vm --disposable=disp ls a-f", "ile.json"],
];

/** There is nothing to offer: no second vm where one is asked for, no vm as the value of an option that is something else. */
const left = [
	"qubes-lite status shopping va",
	"qubes-lite doctor sho",
	"qubes-lite cp shopping:a-f",
	"qubes-lite image rm KE",
	"qubes-lite sho",
	"qubes-lite logs -n sho",
	"qubes-lite stop -- --fo",
	"run-in-vm --user sho",
	"run-in-vm --attach x sho",
	"run-in-vm shopping --no-sta",
];

describe.each(shells)("in %s", (name) => {
	it("commands, options, their words, vms, files and the shell's own commands are completed", async () => {
		const shell = await openShell(name);
		const outcomes = await completeAll(
			shell,
			completed.map(([typed]) => typed),
		);
		expect(outcomes).toEqual(completed.map(([typed, rest]) => typed + rest));
	});

	it("nothing is made of what has no continuation", async () => {
		expect(await completeAll(await openShell(name), left)).toEqual(left);
	});

	it("neither what was typed nor the configuration's path is evaluated, and one that is not good gives no names", async () => {
		const hostile = "$(touch evaluated)`touch evaluated`(touch evaluated);touch evaluated";
		const shell = await openShell(name, { QUBES_LITE_CONFIG: hostile });
		const lines = ["run-in-vm sho", "run-in-vm '$(touch evaluated)' sha256s", "qubes-lite status '`touch evaluated`"];
		const outcomes = await completeAll(shell, lines);
		expect(outcomes.slice(0, 2)).toEqual(["run-in-vm sho", "run-in-vm '$(touch evaluated)' sha256sum"]);
		expect(shell.screen()).not.toContain("configuration");
		expect(existsSync(join(user.directory, "evaluated"))).toBe(false);
	});
});

describe("in zsh where the script is sourced", () => {
	it("both programs are completed", async () => {
		const sourced = ["zsh -f -i", "PS1='$ '; autoload -Uz compinit; compinit -u -D; source functions/_qubes-lite"];
		const lines = ["qubes-lite status va", "run-in-vm va", "run-in-vm shopping sha256s"];
		const outcomes = await completeAll(await openShell("zsh", {}, sourced), lines);
		expect(outcomes).toEqual(["qubes-lite status vault", "run-in-vm vault", "run-in-vm shopping sha256sum"]);
	});
});

describe("in bash with bash-completion", () => {
	it("a command behind the vm is completed as it is elsewhere", async () => {
		const shell = await openShell("bash");
		shell.type("source /usr/share/bash-completion/bash_completion; source script.bash");
		const lines = ["run-in-vm shopping ls --autho", "run-in-vm --disposable=disp -- ls --autho", "run-in-vm va"];
		const outcomes = await completeAll(shell, lines);
		expect(outcomes).toEqual([`${lines[0]}r`, `${lines[1]}r`, "run-in-vm vault"]);
	});
});

describe("the names of vms", () => {
	it("are one on each line, in the configuration's order", async () => {
		expect(await user.sh("qubes-lite completion --vms")).toMatchObject({
			...{ status: 0, stdout: "shopping\nvault\ndisp\n", stderr: "" },
		});
	});

	it("are none, without a word, where the configuration is not good", async () => {
		writeFileSync(join(user.directory, "bad.json"), '{"version": 1, "vms": [{"id": 4, "name": "$(x)"}]}');
		for (const path of ["bad.json", "missing.json", ""]) {
			const outcome = await user.sh(`QUBES_LITE_CONFIG=$HOME/${path} qubes-lite completion --vms`);
			expect(outcome).toMatchObject({ status: 1, stdout: "", stderr: "" });
		}
	});
});
