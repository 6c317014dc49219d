/** `qubes-lite open`: what runs in which vm, and what is refused before anything is started. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chownAll, nothingLeft } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";
import { FakeGuestPrograms } from "./fake-guest-programs.ts";
import { FakeUser, isRoot, otherUid } from "./fake-user.ts";

let user: FakeUser;
const at = (...parts: string[]) => join(user.directory, ...parts);
const open = (line: string) => user.sh(`qubes-lite open ${line}`);
const vms = () => {
	const handler = (name: string) => [at("fakes/handler"), name];
	return [
		{ id: 5, name: "shopping", open: handler("shopping"), sharedDirectories: [{ tag: "docs", path: at("docs") }] },
		{ id: 7, name: "banking", open: handler("banking") },
		{ id: 15, name: "disp", disposable: true, open: handler("disp") },
	];
};

beforeAll(() => {
	user = new FakeUser({ vms: [], ...(isRoot ? { uid: otherUid } : {}) });
	new FakeGuestPrograms(user);
	// What it was called with, a line for each; of a file also what is in it.
	const script = `#!/bin/sh\necho "$@" >>'${at("opened")}'\nfor last; do :; done\n[ ! -f "$last" ] || { cat "$last"; rm -r "\${last%/*}"; }\n`;
	writeFileSync(at("fakes/handler"), script, { mode: 0o755 });
	for (const directory of ["docs", ".config/qubes-lite/policy.d"]) mkdirSync(at(directory), { recursive: true });
	writeFileSync(at("docs/letter.txt"), "a letter");
	writeFileSync(at("a b;$(x).txt"), "a file\n");
	writeFileSync(at("opened"), "");
	symlinkSync("a b;$(x).txt", at("link"));
	user.configure(vms());
	if (user.uid !== undefined) chownAll(user.directory, user.uid);
});
afterAll(async () => {
	expect(await user.leave(["shopping", "banking"])).toEqual(nothingLeft);
});

const opened = () => {
	const lines = readFileSync(at("opened"), "utf8");
	writeFileSync(at("opened"), "");
	return lines;
};

describe("a link", () => {
	afterEach(opened);

	it("is opened by the handler of the vm that is named, as one word", async () => {
		expect(await open("--in shopping 'https://Example.org/?q=$(reboot) b'")).toMatchObject({ status: 0, stderr: "" });
		expect(opened()).toBe("shopping https://example.org/?q=$(reboot)%20b\n");
		expect(await open("--in=@dispvm:banking mailto:a@b.c")).toMatchObject({ status: 0, stderr: "" });
		expect(opened()).toBe("banking mailto:a@b.c\n");
	});

	it("is opened in a disposable where nobody can be asked, and no policy says otherwise", async () => {
		expect(await open("-- http://x.example")).toMatchObject({ status: 0, stderr: "" });
		expect(opened()).toBe("disp http://x.example/\n");
		await user.until("the disposable is gone", async () => !(await user.sh("qubes-lite ls")).stdout.includes("disp-"));
	});

	it("fails with its handler", async () => {
		const broken = { id: 9, name: "broken", open: [at("fakes/handler-that-fails")] };
		writeFileSync(at("fakes/handler-that-fails"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
		user.configure([...vms(), broken, { id: 11, name: "none", open: ["no-such-handler"] }]);
		const failed = await open("--in broken http://x");
		expect([failed.status, failed.stderr]).toEqual([
			1,
			`qubes-lite: ${at("fakes/handler-that-fails")} in broken has ended with status 3\n`,
		]);
		const none = await open("--in none http://x");
		expect([none.status, none.stderr]).toEqual([1, expect.stringContaining("no-such-handler")]);
		await user.sh("qubes-lite stop --force broken none");
		user.configure(vms());
	});
});

describe("the policy", () => {
	const policy = (text: string) => writeFileSync(at(".config/qubes-lite/policy.d/10-mine.policy"), text);
	afterEach(() => rmSync(at(".config/qubes-lite/policy.d/10-mine.policy")));

	it("says where a link of which host is opened, by its first line that fits", async () => {
		policy(
			"open-url *.bank.example banking\nopen-url bank.example shopping\nopen-url * @dispvm:shopping\n* * @host @anyvm allow\n",
		);
		const links = [
			"https://www.bank.example/a",
			"https://Bank.example./b",
			"http://bank.example.evil/c",
			"mailto:a@bank.example",
		];
		for (const link of links) expect(await open(`'${link}'`)).toMatchObject({ status: 0, stderr: "" });
		expect(opened()).toBe(
			"banking https://www.bank.example/a\nbanking https://bank.example./b\nshopping http://bank.example.evil/c\nshopping mailto:a@bank.example\n",
		);
	});

	it("refuses what no line fits, with the line that helps, and what it says to ask", async () => {
		policy("open-url bank.example ask\n* * @host @anyvm allow\n");
		const directory = at(".config/qubes-lite/policy.d");
		const other = await open("https://other.example/");
		expect([other.status, other.stderr]).toEqual([
			1,
			"qubes-lite: other.example is opened nowhere: no line of the policy says where\n" +
				`  → mkdir -p ${directory} && printf '%s\\n' 'open-url other.example VM' >>${directory}/10-mine.policy   # or: qubes-lite open --in VM …\n`,
		]);
		const place = at(".config/qubes-lite/policy.d/10-mine.policy:1");
		expect((await open("https://bank.example/")).stderr).toContain(`${place} says to ask, and there is no terminal\n`);
		expect(opened()).toBe("");
	});

	it("says what may not be opened, by scheme, also where somebody names the vm", async () => {
		policy("open +file @host banking deny\n* * @host banking allow\n");
		expect(await open("--in banking http://x.example/")).toMatchObject({ status: 0, stderr: "" });
		expect(opened()).toBe("banking http://x.example/\n");
		const file = await open(`--in banking '${at("link")}'`);
		const place = at(".config/qubes-lite/policy.d/10-mine.policy:1");
		expect(file.stderr).toBe(
			`qubes-lite: the policy does not allow to open this in banking: ${place}: open +file @host banking deny\n` +
				"  → qubes-lite policy explain @host banking open file\n",
		);
		expect((await open("--in @dispvm http://x.example/")).stderr).toContain("in @dispvm:disp: no rule allows it\n");
		expect(opened()).toBe("");
	});

	it("with a mistake opens nothing", async () => {
		policy("open-url * shoping banking\n");
		expect((await open("https://bank.example/")).stderr).toContain("the policy can't be used: ");
		expect(opened()).toBe("");
	});
});

describe("a file", () => {
	it("goes over as its content, under a name that is safe", async () => {
		const { status, stdout, stderr } = await open(`--in shopping '${at("link")}'`);
		expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "a file\n", stderr: "" });
		expect(opened()).toMatch(/^shopping \/tmp\/qubes-lite-open-\w{6}\/a b;\$\(x\)\.txt\n$/);
	});

	it("is the guest's own where its directory is shared", async () => {
		expect(await open(`--in shopping file://${at("docs/letter.txt")}`)).toMatchObject({ status: 0, stderr: "" });
		expect(opened()).toBe("shopping /mnt/docs/letter.txt\n");
		expect(await open(`--in banking '${at("docs/letter.txt")}'`)).toMatchObject({ status: 0, stdout: "a letter" });
		expect(opened()).toMatch(/^banking \/tmp\//);
	});
});

describe("what is refused", () => {
	beforeAll(async () => {
		await user.sh("qubes-lite stop --force shopping banking");
		await user.sh(`truncate -s 300M '${at("large")}'; mkfifo '${at("fifo")}'`);
		// As a guest puts it there, which shares docs.
		symlinkSync("../.ssh/id_rsa", at("docs/report.pdf"));
		await user.sh("cd && mkdir .ssh && echo secret >.ssh/id_rsa && ln -s docs/report.pdf latest");
		await user.until("no broker runs", () => user.brokerPids().length === 0);
	});

	it.each([
		["--in shopping javascript:alert", '"javascript:" is not opened in vms', 1],
		["--in shopping 'http://a b/'", "not a link: http://a b/", 1],
		["--in shopping \"$(printf 'http://a\\033b/')\"", "what is to be opened has control characters, or is no text", 1],
		["--in shopping no-such-file", "no-such-file is not there", 1],
		["--in shopping $HOME/docs", "docs is not a regular file, and only those are opened", 1],
		["--in shopping $HOME/fifo", "fifo is not a regular file, and only those are opened", 1],
		["--in shopping $HOME/large", "large is larger than 256 MiB", 1],
		["--in shopping $HOME/docs/report.pdf", "/.ssh/id_rsa by way of ", 1],
		[
			"--in banking $HOME/docs/report.pdf",
			"/docs, where shopping can put links, so it is not opened\n  → namei -l /",
			1,
		],
		["-- file://$HOME/latest", "/.ssh/id_rsa by way of ", 1],
		["--in shoping http://x", "there is no vm 'shoping'; did you mean 'shopping'?", 1],
		["--in @dispvm:none http://x", "there is no vm 'none'", 1],
		["--in -x http://x", "'-x' is not a vm name", 1],
		["--in", "--in needs a vm, @dispvm or @dispvm:VM", 2],
		["", "which link or file?", 2],
		["http://a http://b", "'http://b' is one word too many", 2],
	])("is refused by name, and nothing is started: %s", async (line, sentence, status) => {
		const outcome = await open(line);
		expect(outcome.stderr).toContain(sentence);
		expect([outcome.status, outcome.stdout, opened()]).toEqual([status, "", ""]);
		expect(user.brokerPids()).toEqual([]);
	});
});

/** Each question is of a host of its own: the one before is on the screen until the shell has cleared it. */
const asks = (host: string): RegExp => new RegExp(`^Where is ${host} to be opened\\?[\\s\\S]*^Number:`, "m");

describe("at a terminal", () => {
	let asker: FakeUser;
	let terminal: Terminal;

	beforeAll(() => {
		asker = new FakeUser({
			vms: [
				{ id: 5, name: "shopping", open: ["echo", "opened"] },
				{ id: 15, name: "disp", disposable: true, open: ["echo", "forgotten"] },
			],
		});
		terminal = new Terminal(asker);
	});
	afterAll(async () => {
		terminal.close();
		expect(await asker.leave(["shopping", "disp"])).toEqual(nothingLeft);
	});

	it("it is asked where, by number or name, until one is meant", async () => {
		terminal.type("clear; qubes-lite open http://x.example/a; echo status-$?");
		const question = "Where is x.example to be opened?\n   1  shopping\n   2  disp\n   3  a disposable (disp)\nNumber:";
		expect(await terminal.shows(/^Number:/m)).toContain(question);
		terminal.type("7");
		terminal.type("shopping");
		expect(await terminal.shows(/^status-0$/m)).toMatch(/^opened http:\/\/x.example\/a$/m);
		terminal.type("clear; qubes-lite open http://y.example/a; echo status-$?");
		await terminal.shows(asks("y.example"));
		terminal.type("3");
		expect(await terminal.shows(/^status-0$/m)).toMatch(/^forgotten http:\/\/y.example\/a$/m);
	});

	it("nothing is opened where nothing is chosen", async () => {
		for (const [key, host] of [
			["C-d", "d.example"],
			["C-c", "c.example"],
		] as const) {
			terminal.type(`clear; qubes-lite open http://${host}/a; echo status-$?`);
			await terminal.shows(asks(host));
			terminal.press(key);
			await terminal.shows(new RegExp(`nothing was chosen, so ${host} is not opened[\\s\\S]*^status-1$`, "m"));
		}
	});
});
