/** `qubes-lite cp`: into a guest and out of it, with the guest's real program; and what a guest may send instead. */
import {
	chmodSync,
	existsSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { chownAll, nothingLeft, signalProcess } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";
import { archive, hostile, raw } from "../tar/archives.ts";
import { FakeGuestPrograms } from "./fake-guest-programs.ts";
import { FakeUser, isRoot, otherUid } from "./fake-user.ts";

let user: FakeUser;
let programs: FakeGuestPrograms;
const at = (...parts: string[]) => join(user.directory, ...parts);
/** The guest's home, and the directory of the host that copies begin in. */
const guest = (...parts: string[]) => at("guest-home", ...parts);
const host = (...parts: string[]) => at("host", ...parts);

const cp = (line: string, stdin?: Buffer) => user.sh(`cd ${host()} && qubes-lite cp ${line}`, stdin);
const honest = () => programs.behave(`umask 022; export HOME='${guest()}'; cd '${guest()}'; ${real()} "$@"`);
const real = () => `exec '${process.execPath}' --no-warnings '${user.fakes}/programs.cjs'`;

/** The guest sends this, whatever it is asked for, and says that it has done well. */
const sending = (bytes: Buffer, more = "") => {
	writeFileSync(join(user.fakes, "stream"), bytes);
	const done = '{"kind":"done","files":1,"bytes":1,"leftOut":[]}';
	programs.behave(`cat '${user.fakes}/stream'; ${more} echo '${done}' >&2`);
};

beforeAll(() => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping" }], ...(isRoot ? { uid: otherUid } : {}) });
	programs = new FakeGuestPrograms(user);
	honest();
});
beforeEach(() => {
	for (const directory of [guest(), host()]) {
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(directory);
	}
	own();
});
afterEach(() => {
	// Nothing that has no final name stays anywhere.
	for (const directory of [guest(), host()]) {
		expect(readdirSync(directory, { recursive: true }).filter((name) => String(name).includes(".qubes-lite"))).toEqual(
			[],
		);
	}
	honest();
});
afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

const own = () => {
	if (user.uid !== undefined) chownAll(user.directory, user.uid);
};

/** A tree with what trees have. */
function plant(top: string): void {
	for (const name of ["d/empty", "d/e"]) mkdirSync(join(top, name), { recursive: true });
	const files = ["d/a b", "d/-rf", "d/ä\u{1F600}", `d/${"long".repeat(60)}`, "d/$(x);'\"\\", "d/e/x"];
	for (const name of files) writeFileSync(join(top, name), name);
	writeFileSync(join(top, "d/big"), Buffer.alloc(3 * 1024 * 1024 + 1, "0123456789"));
	writeFileSync(join(top, "d/nothing"), "");
	symlinkSync("e/x", join(top, "d/link"));
	symlinkSync("../a b", join(top, "d/e/up"));
	symlinkSync("gone", join(top, "d/dangling"));
	chmodSync(join(top, "d/a b"), 0o640);
	chmodSync(join(top, "d/-rf"), 0o4755);
	utimesSync(join(top, "d/a b"), 1_000_000_000, 1_000_000_000);
	chmodSync(join(top, "d/e"), 0o555);
	utimesSync(join(top, "d/e"), 1_100_000_000, 1_100_000_000);
	own();
}

/** Names, kinds, modes, times in seconds and contents below. */
function look(directory: string): Record<string, unknown> {
	const names = readdirSync(directory, { recursive: true }).map(String).sort();
	return Object.fromEntries(
		names.map((name) => {
			const found = lstatSync(join(directory, name));
			if (found.isSymbolicLink()) return [name, readlinkSync(join(directory, name))];
			const common = [(found.mode & 0o777).toString(8), Math.floor(found.mtimeMs / 1000)];
			return [name, found.isFile() ? [...common, readFileSync(join(directory, name), "latin1")] : common];
		}),
	);
}

describe("a tree", () => {
	it("comes out of a guest, and goes into one, as it is", async () => {
		plant(guest());
		expect(await cp("-r shopping:d .")).toMatchObject({ status: 0, stdout: "", stderr: "" });
		expect(look(host("d"))).toEqual(look(guest("d")));
		expect(statSync(host("d/-rf")).mode & 0o7777).toBe(0o755);
		const again = await cp("--json d shopping:./other");
		expect(again).toMatchObject({ status: 0, stderr: "" });
		const bytes = 3 * 1024 * 1024 + 1 + ["d/a b", "d/-rf", "d/ä\u{1F600}", "d/e/x"].join("").length;
		expect(JSON.parse(again.stdout)).toMatchObject({ schema: 1, vm: "shopping", files: 8, leftOut: [] });
		expect(JSON.parse(again.stdout).bytes).toBeGreaterThan(bytes);
		expect(look(guest("other"))).toEqual(look(guest("d")));
	});

	it("is a tar archive on standard output, for whoever reads it", async () => {
		plant(guest());
		const { status, stderr } = await cp("shopping:d - >x.tar && tar xf x.tar");
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		expect(look(host("d"))).toEqual(look(guest("d")));
	});

	it("has left out what is no file, and what leads out of it, and says so", async () => {
		mkdirSync(guest("d"));
		symlinkSync("/etc/passwd", guest("d/out"));
		symlinkSync("../x", guest("d/up"));
		writeFileSync(guest("d/a"), "a");
		own();
		await user.sh(`mkfifo ${guest("d/fifo")}`);
		const { status, stderr } = await cp("shopping:d .");
		expect({ status, stderr }).toEqual({
			status: 1,
			stderr:
				"qubes-lite: left out: d/fifo: a FIFO\n" +
				"qubes-lite: left out: d/out: a link that leads out of what is copied\n" +
				"qubes-lite: left out: d/up: a link that leads out of what is copied\n",
		});
		expect(readdirSync(host("d"))).toEqual(["a"]);
	});
});

describe("where it goes", () => {
	beforeEach(() => {
		for (const name of ["a", "b", "-x"]) writeFileSync(guest(name), name);
		mkdirSync(host("there"));
		own();
	});

	it("is by the rules of cp(1), and a home is one", async () => {
		expect(await cp("shopping:~/a ./c:d")).toMatchObject({ status: 0, stderr: "" });
		expect(await cp("shopping:a shopping:-x there")).toMatchObject({ status: 0, stderr: "" });
		expect(await cp("-- there/-x shopping:")).toMatchObject({
			status: 1,
			stderr: expect.stringMatching(
				/^qubes-lite: in shopping: \S+\/-x is there already(?:; .*)?\n {2}→ with -f, files are replaced/,
			),
		});
		expect(await cp("-f there/-x there shopping:")).toMatchObject({ status: 0, stderr: "" });
		expect(readdirSync(host(), { recursive: true }).sort()).toEqual(["c:d", "there", "there/-x", "there/a"]);
		expect(readdirSync(guest(), { recursive: true }).sort()).toEqual(["-x", "a", "b", "there", "there/-x", "there/a"]);
	});

	it.each([
		["shopping:a .", 1, /^qubes-lite: .*\/a is there already$/],
		["shopping:c .", 1, /^qubes-lite: in shopping: c: it is not there$/],
		["nobody:c .", 1, /there is no vm 'nobody'/],
		["a b", 2, /neither side is in a vm/],
		["- shopping:a", 1, /standard input is no file/],
		["--max-bytes x shopping:a .", 2, /--max-bytes needs a number/],
		["--max-bytes 0 shopping:b .", 1, /more than --max-bytes allows/],
		["no shopping:", 1, /^qubes-lite: no is not there$/],
	] as const)("is nowhere: cp %s", async (line, status, words) => {
		writeFileSync(host("a"), "mine");
		const outcome = await cp(line);
		expect([outcome.status, outcome.stderr.split("\n")[0]]).toEqual([status, expect.stringMatching(words)]);
		expect(readdirSync(host(), { recursive: true }).sort()).toEqual(["a", "there"]);
	});
});

describe("a hostile guest", () => {
	it.each(
		["an absolute name", "a device", "a newline in a name", "half a file"].map(
			(name) => [name, hostile[name]?.[0]] as const,
		),
	)("sends %s", async (_, bytes = raw({ name: ".bashrc" })) => {
		sending(bytes);
		const { status, stderr } = await cp("shopping:a .");
		expect([status, stderr]).toEqual([1, expect.stringMatching(/^qubes-lite: .+\n$/)]);
		expect([readdirSync(host()), existsSync(at("x"))]).toEqual([[], false]);
	});

	it("sends another name, whose characters are not to be trusted", async () => {
		sending(archive(raw({ name: "\u202egpj" })));
		const { status, stderr } = await cp("shopping:a .");
		expect([status, stderr]).toEqual([1, 'qubes-lite: the other end has sent "\uFFFDgpj" where "a" was asked for\n']);
		const piped = await cp("shopping:a - | cat");
		expect([piped.stdout, piped.stderr]).toEqual(["", stderr]);
	});

	it("sends links that lead out, which are not there afterwards", async () => {
		const links = ["/etc/passwd", "../../x", "b/../../x"].map((target, index) =>
			raw({ name: `a/${index}`, type: "2", target }),
		);
		sending(archive(raw({ name: "a", type: "5" }), ...links, raw({ name: "a/ok", type: "2", target: "./b" })));
		const { status, stderr } = await cp("shopping:a .");
		expect([status, stderr.split("\n").length]).toEqual([1, 4]);
		expect(readdirSync(host("a"))).toEqual(["ok"]);
		rmSync(host("a"), { recursive: true });
		expect((await cp("shopping:a - >x.tar && tar tf x.tar")).stdout).toBe("");
	});

	it("sends more than is taken, announced or not", async () => {
		sending(archive(raw({ name: "a", content: "x".repeat(5000) })));
		const silent = await cp("--max-bytes 4K shopping:a .");
		expect([silent.status, silent.stderr]).toEqual([1, expect.stringContaining("there are more than 4096 bytes")]);
		programs.behave(`echo '{"kind":"total","files":1,"bytes":8000000000000000}' >&2; sleep 60`);
		const announced = await cp("--max-bytes 8000T shopping:a .");
		expect([announced.status, announced.stderr]).toEqual([1, expect.stringContaining("no space is left there for")]);
	});

	it("says things, which are shown as safe text on one line", async () => {
		programs.behave(`printf '%s\\n' '{"kind":"failed","message":"a\\u001b[31m\\nqubes-lite: b"}' >&2; exit 1`);
		expect((await cp("shopping:a .")).stderr).toBe("qubes-lite: in shopping: a\uFFFD[31m\uFFFDqubes-lite: b\n");
		programs.behave("printf 'Killed\\033[2J\\n' >&2; kill -9 $$");
		expect((await cp("shopping:a .")).stderr).toMatch(/has ended by SIGKILL: Killed\uFFFD\[2J\n$/);
		programs.behave("yes >&2 & yes; wait");
		expect((await cp("shopping:a .")).status).toBe(1);
	});

	it("is no success where it only says so", async () => {
		sending(archive(raw({ name: "a", content: "x" })), "exit 3;");
		expect((await cp("shopping:a .")).stderr).toContain("has ended with status 3");
		sending(Buffer.alloc(0));
		expect((await cp("shopping:a .")).stderr).toContain("it ends in the middle");
		expect(readdirSync(host())).toEqual([]);
	});

	it("of before has no such program, or one that does not know how", async () => {
		programs.behave("echo 'qubes-lite-guest: usage: qubes-lite-guest apps | launch ID' >&2; exit 2");
		const old = "qubes-lite: the image that shopping runs has no program yet that copies\n  → qubes-lite image build";
		expect((await cp("shopping:a .")).stderr).toContain(old);
		rmSync(join(user.fakes, "qubes-lite-guest"));
		expect((await cp("shopping:a .")).stderr).toContain(old);
		writeFileSync(host("a"), "a");
		expect((await cp("a shopping:")).stderr).toContain(old);
	});
});

describe("broken off", () => {
	/** Ends when so much has come: the guest sends slowly after that. */
	async function interrupted(line: string, signal: NodeJS.Signals, until: () => boolean) {
		const running = user.start("/bin/sh", ["-c", `cd ${host()} && exec qubes-lite cp ${line}`]);
		running.stdin.end();
		await user.until("it is under way", until);
		for (const { pid, words } of user.processes()) if (words.includes("/copy.cjs")) signalProcess(pid, signal);
		return await running.done;
	}
	/** All of the 64 KiB that come, in more than one piece. */
	const hasCome = () =>
		readdirSync(host(), { recursive: true }).some((name) => statSync(host(String(name))).size === 65_536);
	const hasStaging = (directory: string) => readdirSync(directory).some((name) => name.startsWith(".qubes-lite-cp-"));

	it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("out of a guest by %s it leaves nothing", async (signal) => {
		writeFileSync(join(user.fakes, "stream"), raw({ name: "a", content: "x".repeat(70_000) }).subarray(0, 66_048));
		programs.behave(`cat '${user.fakes}/stream'; exec sleep 60`);
		const { status, stderr } = await interrupted("shopping:a .", signal, hasCome);
		expect(stderr).toMatch(
			new RegExp(`^qubes-lite: interrupted by ${signal}: nothing is kept of 0 files, 64.0 KiB that had gone over\n$`),
		);
		expect(status).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
		expect(readdirSync(host())).toEqual([]);
	});

	it("into a guest by Ctrl-C it leaves nothing there, nor where the client is killed", async () => {
		/** 5 MB in a second. */
		const slowly = '{ while [ "$(head -c 1000000 | tee /dev/fd/3 | wc -c)" -gt 0 ]; do sleep 0.2; done; } 3>&1';
		programs.behave(`umask 022; export HOME='${guest()}'; cd '${guest()}'; ${slowly} | ${real()} "$@"`);
		await user.sh(`mkdir ${host("d")} && head -c 300000000 /dev/zero >${host("d/big")}`);
		for (const signal of ["SIGINT", "SIGKILL"] as const) {
			const { stderr } = await interrupted("d shopping:", signal, () => hasStaging(guest()));
			if (signal === "SIGINT") expect(stderr).toContain("interrupted by SIGINT: nothing is kept of ");
			await user.until("nothing is left", () => readdirSync(guest()).length === 0);
		}
	});

	it("by the vm's end it says why", async () => {
		writeFileSync(join(user.fakes, "stream"), raw({ name: "a", content: "x".repeat(70_000) }).subarray(0, 66_048));
		programs.behave(`cat '${user.fakes}/stream'; exec sleep 60`);
		const running = user.start("/bin/sh", ["-c", `cd ${host()} && exec qubes-lite cp shopping:a .`]);
		running.stdin.end();
		await user.until("it is under way", hasCome);
		await user.sh("qubes-lite kill shopping");
		const { status, stderr } = await running.done;
		expect([status, stderr]).toEqual([1, expect.stringMatching(/shopping.*; nothing is kept of 0 files, 64.0 KiB/)]);
		expect(readdirSync(host())).toEqual([]);
	});
});

describe("what can't be read or written", () => {
	it("is said from either side, and nothing is kept", async () => {
		mkdirSync(guest("d"));
		mkdirSync(host("d"));
		for (const directory of [guest("d"), host("d")]) {
			writeFileSync(join(directory, "a"), "a");
			writeFileSync(join(directory, "closed"), "x", { mode: 0o000 });
		}
		mkdirSync(host("locked"));
		mkdirSync(guest("locked"));
		own();
		chmodSync(host("locked"), 0o555);
		chmodSync(guest("locked"), 0o555);
		if (user.uid === undefined && isRoot) return;
		const said = async (line: string) => (await cp(line)).stderr.split("\n")[0];
		expect(await said("shopping:d new")).toMatch(/^qubes-lite: in shopping: d\/closed: permission denied/);
		expect(await said("d shopping:")).toMatch(/^qubes-lite: d\/closed: permission denied/);
		expect(await said("shopping:d/a locked")).toMatch(/^qubes-lite: .*\/locked: permission denied/);
		expect(await said("d/a shopping:locked")).toMatch(/^qubes-lite: in shopping: .*\/locked: permission denied/);
		expect([readdirSync(guest()).sort(), readdirSync(host("locked"))]).toEqual([["d", "locked"], []]);
	});

	it("names that can't be copied are said", async () => {
		mkdirSync(host("d"));
		writeFileSync(host("d/a\nb"), "x");
		own();
		expect((await cp("d shopping:")).stderr).toBe(
			'qubes-lite: d has something in it whose name can\'t be copied: "a\uFFFDb" has a control character in it\n',
		);
		rmSync(host("d/a\nb"));
		await user.sh(`touch "${host("d")}/$(printf '\\377')"`);
		expect((await cp("d shopping:")).stderr).toContain("is not valid UTF-8");
		await user.sh(`rm -r "${host("d")}"`);
	});

	it.runIf(isRoot)("a full disk is said, on either side", async () => {
		await user.sh(`head -c 3000000 /dev/zero >${guest("big")}; head -c 3000000 /dev/zero >${host("big")}`);
		const small = `mount -t tmpfs -o size=1m,mode=777 none ${host("small")}`;
		mkdirSync(host("small"));
		own();
		const become = `setpriv --reuid=${user.uid} --regid=${user.uid} --clear-groups`;
		const running = user.startAsTester("unshare", [
			...["-m", "sh", "-c", `${small} && cd ${host()} && ${become} qubes-lite cp shopping:big small; ls -A small`],
		]);
		running.stdin.end();
		const { stdout, stderr } = await running.done;
		expect([stdout, stderr]).toEqual(["", expect.stringContaining("no space is left there for 3000000 bytes")]);
		sending(archive(raw({ name: "big", content: Buffer.alloc(3_000_000) })));
		const silent = user.startAsTester("unshare", [
			...["-m", "sh", "-c", `${small} && cd ${host()} && ${become} qubes-lite cp shopping:big small; ls -A small`],
		]);
		silent.stdin.end();
		const { stdout: left, stderr: said } = await silent.done;
		expect([left, said]).toEqual([
			"",
			expect.stringMatching(/small\/big: no space is left there; nothing is kept of 0 files, /),
		]);
		honest();
		const real = `exec '${process.execPath}' --no-warnings '${user.fakes}/programs.cjs'`;
		programs.behave(`export HOME='${guest()}'; ulimit -f 1024; trap '' XFSZ; ${real} "$@"`);
		expect((await cp("big shopping:x")).stderr).toMatch(/in shopping: .*\/x: it is too large there/);
		expect(readdirSync(guest())).toEqual(["big"]);
	});
});

describe("somebody else", () => {
	it("replaces the directory that it goes into by a link: what was opened gets it", async () => {
		mkdirSync(host("to"));
		mkdirSync(at("elsewhere"));
		own();
		sending(
			archive(raw({ name: "a", content: "x" })),
			`mv '${host("to")}' '${host("was")}'; ln -s '${at("elsewhere")}' '${host("to")}';`,
		);
		expect(await cp("shopping:a to")).toMatchObject({ status: 0 });
		expect([readdirSync(host("was")), readdirSync(at("elsewhere"))]).toEqual([["a"], []]);
	});

	it("a vm with a shared directory leads nowhere by links in it", async () => {
		mkdirSync(host("shared"));
		mkdirSync(at("private"), { recursive: true });
		writeFileSync(at("private/key"), "secret");
		symlinkSync(at("private"), host("shared/link"));
		own();
		user.configure([
			{ id: 5, name: "shopping" },
			{ id: 7, name: "other", sharedDirectories: [{ tag: "s", path: host("shared") }] },
		]);
		writeFileSync(guest("a"), "a");
		own();
		const words = "where other can put links";
		expect((await cp("shared/link/key shopping:")).stderr).toContain(words);
		expect((await cp("shopping:a shared/link")).stderr).toContain(words);
		expect([readdirSync(guest()), readdirSync(at("private"))]).toEqual([["a"], ["key"]]);
		user.configure([{ id: 5, name: "shopping" }]);
	});
});

it("the policy has it as exec of the guest's program", async () => {
	mkdirSync(at(".config/qubes-lite/policy.d"), { recursive: true });
	writeFileSync(
		at(".config/qubes-lite/policy.d/10-mine.policy"),
		"exec +qubes-lite-guest @host shopping deny\n* * @host @anyvm allow\n",
	);
	writeFileSync(host("a"), "a");
	own();
	expect(await cp("a shopping:")).toMatchObject({
		status: 1,
		stderr: expect.stringContaining("the policy does not allow this"),
	});
	rmSync(at(".config/qubes-lite/policy.d/10-mine.policy"));
	expect(await cp("a shopping:")).toMatchObject({ status: 0, stderr: "" });
});

it("progress is shown on a terminal, and gone at the end", async () => {
	const terminal = new Terminal(user, { columns: 100, rows: 20 });
	try {
		writeFileSync(join(user.fakes, "stream"), raw({ name: "a", content: "x".repeat(70_000) }));
		writeFileSync(join(user.fakes, "rest"), archive());
		const wait = `until [ -e '${at("go")}' ]; do sleep 0.05; done`;
		const total = '{"kind":"total","files":1,"bytes":70000}';
		const done = '{"kind":"done","files":1,"bytes":70000,"leftOut":[]}';
		programs.behave(
			`echo '${total}' >&2; cat '${user.fakes}/stream'; ${wait}; cat '${user.fakes}/rest'; echo '${done}' >&2`,
		);
		const become = user.uid === undefined ? "" : `setpriv --reuid=${user.uid} --regid=${user.uid} --clear-groups`;
		terminal.type(`cd ${host()}; ${become} qubes-lite cp shopping:a .; echo status-$?`);
		await terminal.shows(/Copying a… 68\.4 KiB of 68\.4 KiB/, 30_000);
		writeFileSync(at("go"), "");
		const screen = await terminal.shows(/^status-0$/m, 30_000);
		expect(screen).not.toContain("Copying a…");
		terminal.type(`${become} qubes-lite cp shopping:a -`);
		await terminal.shows(/an archive is not for a terminal/, 30_000);
	} finally {
		terminal.close();
		rmSync(at("go"), { force: true });
	}
});
