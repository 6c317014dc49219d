/** Policy files on a real file system: which count, in which order, and what each may be. */
import { execFileSync } from "node:child_process";
import fs, {
	chmodSync,
	chownSync,
	mkdirSync,
	mkdtempSync,
	renameSync,
	rmSync,
	symlinkSync,
	truncateSync,
	unlinkSync,
	writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPolicy, policyDirectories, policyPlaces } from "../../src/policy/find-policy.ts";
import { formatProblemPlace } from "../../src/policy/problem.ts";
import { formatRule } from "../../src/policy/rule.ts";

const uid = process.getuid?.() ?? 0;
const isRoot = uid === 0;
const otherUid = 65534;

let top: string;
let own: string;
let etc: string;

beforeEach(() => {
	top = mkdtempSync(join(tmpdir(), "ql-policy-"));
	own = join(top, "own");
	etc = join(top, "etc");
	for (const directory of [own, etc]) mkdirSync(directory, { mode: 0o755 });
});

afterEach(() => rmSync(top, { recursive: true }));

const ruleOf = (vm: string): string => `exec * @host ${vm} allow`;
function write(path: string, text = ruleOf("work")): string {
	writeFileSync(path, text, { mode: 0o644 });
	return path;
}
const find = () => findPolicy([own, etc], uid);
const problems = () =>
	find().problems.map(({ remedy, ...problem }) => [formatProblemPlace(problem), problem.sentence, remedy]);

describe("the places", () => {
	it("are the user's, then the administrator's", () => {
		expect(policyDirectories({ XDG_CONFIG_HOME: "/x", HOME: "/h" })).toEqual([
			"/x/qubes-lite/policy.d",
			"/etc/qubes-lite/policy.d",
		]);
		for (const XDG_CONFIG_HOME of ["relative", "", undefined]) {
			expect(policyDirectories({ XDG_CONFIG_HOME, HOME: "/h" })[0]).toBe("/h/.config/qubes-lite/policy.d");
		}
	});

	it("are looked at as they are: directories and what counts in them", () => {
		expect(policyPlaces([own, join(top, "none")])).toEqual([own, join(top, "none")]);
		const path = write(join(own, "a.policy"));
		write(join(own, "b.txt"));
		expect(policyPlaces([own])).toEqual([own, path]);
	});
});

describe("the files that count", () => {
	it("are those of the user in byte order, then the others", () => {
		for (const name of ["b", "a", "B", "10", "9", "ä"]) write(join(own, `${name}.policy`), ruleOf("own"));
		write(join(etc, "0.policy"), ruleOf("etc"));
		const { files, rules } = find();
		expect(files.map((path) => path.slice(top.length + 1))).toEqual([
			...["10", "9", "B", "a", "b", "ä"].map((name) => `own/${name}.policy`),
			"etc/0.policy",
		]);
		expect(rules.map(({ target }) => target)).toEqual([...Array(6).fill("own"), "etc"]);
	});

	it("are no others: editors leave some, and a shell's *.policy has none with a dot in front", () => {
		for (const name of [".#10.policy", ".policy", "10.policy~", "10.policy.bak", "policy", "#10.policy#"])
			write(join(own, name), "x");
		symlinkSync("nowhere", join(own, ".x.policy"));
		expect(find()).toMatchObject({ files: [], problems: [] });
		expect(find().rules.map(formatRule)).toEqual(["* * @host @anyvm allow"]);
	});

	it("may be missing together with their directories, and what is above those", () => {
		rmSync(own, { recursive: true });
		write(own);
		expect(findPolicy([join(own, "policy.d"), join(top, "none/policy.d")], uid)).toMatchObject({
			files: [],
			problems: [],
		});
	});

	it("may be links, and root's", () => {
		mkdirSync(join(top, "store"), { mode: 0o555 });
		symlinkSync(write(join(top, "target")), join(own, "10.policy"));
		renameSync(etc, join(top, "store-etc"));
		symlinkSync("store-etc", etc);
		write(join(etc, "1.policy"));
		expect(find()).toMatchObject({ files: [join(own, "10.policy"), join(etc, "1.policy")], problems: [] });
		if (isRoot) expect(findPolicy([own, etc], otherUid).problems).toEqual([]);
	});
});

describe("a file that is wrong denies all, and is named:", () => {
	const path = (): string => join(own, "10.policy");
	const cases: readonly [string, () => void, string, RegExp][] = [
		[
			"a link to nowhere",
			() => symlinkSync("nowhere", path()),
			"can't be read (ENOENT); expected a file",
			/^namei -l /,
		],
		[
			"a link to itself",
			() => symlinkSync("10.policy", path()),
			"can't be read (ELOOP); expected a file",
			/^namei -l /,
		],
		["a directory", () => mkdirSync(path()), "is a directory; expected a regular file", /^ls -ld /],
		[
			"a FIFO, for whose writer nobody waits",
			() => void execFileSync("mkfifo", [path()]),
			"is not a regular file; expected a regular file",
			/^ls -ld /,
		],
		["a device", () => symlinkSync("/dev/zero", path()), "is not a regular file; expected a regular file", /^ls -ld /],
		[
			"one byte too large",
			() => truncateSync(write(path(), ""), 64 * 1024 + 1),
			"is larger than 64 KiB; expected less",
			/^ls -l /,
		],
		[
			"writable for its group",
			() => chmodSync(write(path()), 0o664),
			"may be written to by others than its owner (mode 0664); expected only its owner",
			/^chmod go-w \/.*10\.policy$/,
		],
		[
			"writable for the world, behind a link",
			() => symlinkSync(write(join(top, "it's")), path()),
			"may be written to by others than its owner (mode 0646); expected only its owner",
			/^chmod go-w /,
		],
	];

	it.each(cases)("%s", (what, make, sentence, remedy) => {
		make();
		if (what.includes("world")) chmodSync(join(top, "it's"), 0o646);
		expect(problems()).toEqual([[path(), sentence, expect.stringMatching(remedy)]]);
		expect(find().rules).toEqual([]);
	});

	it.runIf(isRoot)("another user's", () => {
		chownSync(write(path()), otherUid, otherUid);
		const sentence = "belongs to the user 65534; expected you (0) or root";
		expect(problems()).toEqual([[path(), sentence, `ls -ld ${path()}   # chown it, once you have read it`]]);
		expect(findPolicy([own], otherUid).problems).toEqual([]);
	});

	it("beside good ones, whose rules are there all the same for whoever explains", () => {
		write(path());
		write(join(etc, "1.policy"), "x");
		expect(problems().map(([place]) => place)).toEqual([`${join(etc, "1.policy")}:1`]);
		expect(find().rules).toHaveLength(1);
	});

	it("the 257th", () => {
		for (let number = 0; number < 256; number++) write(join(own, `${String(number).padStart(3, "0")}.policy`));
		expect(problems()).toEqual([]);
		const last = write(join(etc, "1.policy"));
		expect(problems()).toEqual([[last, "is one of 257 policy files; expected at most 256", undefined]]);
	});
});

describe("a directory that is wrong denies all, and is named:", () => {
	it("in which others may write: they could take a file out of it", () => {
		write(join(own, "10.policy"));
		chmodSync(own, 0o775);
		const sentence = "may be written to by others than its owner (mode 0775); expected only its owner";
		expect(problems()).toEqual([[own, sentence, `chmod go-w ${own}`]]);
	});

	it.runIf(isRoot)("another user's", () => {
		chownSync(etc, otherUid, otherUid);
		expect(problems().map(([place, sentence]) => [place, sentence])).toEqual([
			[etc, "belongs to the user 65534; expected you (0) or root"],
		]);
	});

	it("which is a file, or leads in a circle", () => {
		rmSync(own, { recursive: true });
		write(own);
		expect(problems()).toEqual([[own, "is no directory; expected one", `ls -ld ${own}`]]);
		unlinkSync(own);
		symlinkSync("own", own);
		expect(problems()).toEqual([[own, "can't be read (ELOOP); expected a directory", `namei -l ${own}`]]);
	});

	it("which is a link to nowhere: what it led to had rules", () => {
		rmSync(own, { recursive: true });
		symlinkSync("nowhere", own);
		expect(problems()).toEqual([[own, "is a link to nowhere; expected a directory", `namei -l ${own}`]]);
	});

	it("with a name in it that is no text", () => {
		writeFileSync(Buffer.concat([Buffer.from(`${own}/`), Buffer.from([0xff]), Buffer.from(".policy")]), "");
		expect(problems()).toEqual([[own, "has a name that is not UTF-8; expected text", `ls -b ${own}`]]);
	});
});

type FileCall = "statSync" | "readdirSync" | "openSync" | "lstatSync" | "fstatSync" | "readSync";

/** Calls `work` with the `nth` call of `name` failing. Returns whether it came to that. */
function withFault(name: FileCall, nth: number, work: () => void): boolean {
	const real = fs[name] as (...args: readonly unknown[]) => unknown;
	let calls = 0;
	Object.assign(fs, {
		[name]: (...args: readonly unknown[]) => {
			calls += 1;
			if (calls === nth) throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
			return real(...args);
		},
	});
	syncBuiltinESMExports();
	try {
		work();
	} finally {
		Object.assign(fs, { [name]: real });
		syncBuiltinESMExports();
	}
	return calls >= nth;
}

it.each<FileCall>(["statSync", "readdirSync", "openSync", "lstatSync", "fstatSync", "readSync"])(
	"a call of the system that fails denies all, and never passes for no files, whichever it is: %s",
	(name) => {
		write(join(own, "10.policy"), "exec * @host work deny");
		/** Only such a name is looked at once more. */
		if (name === "lstatSync") symlinkSync("nowhere", join(etc, "10.policy"));
		for (let nth = 1; withFault(name, nth, () => policyPlaces([own, etc])); nth++);
		const denied: boolean[] = [];
		while (withFault(name, denied.length + 1, () => denied.push(find().problems.length > 0)));
		/** The last time nothing failed. */
		denied.pop();
		expect(denied.length).toBeGreaterThan(0);
		expect(denied).not.toContain(false);
	},
);
