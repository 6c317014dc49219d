/** `qubes-lite install` and `uninstall` that are killed, interrupted, refused or alone with a strange home: what they leave. */
import {
	chmodSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { rounds } from "../rounds.ts";
import { FakeUser, isRoot } from "./fake-user.ts";
import { listTree } from "./user-places.ts";

/** Before its nth change of a file or directory the program gets a signal. */
const killer = `
const fs = require("node:fs/promises");
if (process.argv[1]?.endsWith("/admin.mjs")) {
	let left = Number(process.env.SIGNAL_AT);
	for (const name of ["rename", "mkdir", "rmdir", "rm", "symlink", "link", "writeFile"]) {
		const real = fs[name];
		fs[name] = (...words) => {
			if (--left === 0) process.kill(process.pid, process.env.SIGNAL);
			return real(...words);
		};
	}
	require("node:module").syncBuiltinESMExports();
}
`;

let user: FakeUser;
const at = (...parts: string[]) => join(user.directory, ...parts);

beforeAll(() => {
	const vms = [
		{ id: 5, name: "shopping" },
		{ id: 7, name: "banking", autoStart: true },
	];
	user = new FakeUser({ vms });
	// All that an installation needs is to be made.
	delete user.env.XDG_STATE_HOME;
	writeFileSync(at("killer.cjs"), killer);
});

afterAll(async () => {
	expect((await user.leave([])).processes).toEqual([]);
});

beforeEach(async () => {
	expect(await user.sh("qubes-lite uninstall")).toMatchObject({ status: 0 });
	expect(listTree(user)).toEqual([]);
});

const signalled = (command: string, signal: string, nth: number) =>
	user.sh(`NODE_OPTIONS=--require=${at("killer.cjs")} SIGNAL=${signal} SIGNAL_AT=${nth} qubes-lite ${command}`);

/** Calls `run` for every moment of a command, or for some of them, until it resolves with true: the command was done before. */
async function atMoments(some: number, run: (nth: number) => Promise<boolean>): Promise<void> {
	const step = rounds(2 * some, 1);
	// The first moments are those before anything is listed.
	for (let nth = 1; ; nth += nth < 8 ? rounds(5, 1) : step) if (await run(nth)) return;
}

it("a killed install is taken away without a trace, whatever the moment", { timeout: 600_000 }, async () => {
	await atMoments(53, async (nth) => {
		const { status } = await signalled("install", "SIGKILL", nth);
		expect(await user.sh("qubes-lite uninstall"), `${nth}`).toMatchObject({ status: 0 });
		expect(listTree(user), `${nth}`).toEqual([]);
		return status === 0;
	});
});

it("a killed install is finished by the next, and goes with that", { timeout: 600_000 }, async () => {
	expect(await user.sh("qubes-lite install")).toMatchObject({ status: 0 });
	const whole = listTree(user);
	await atMoments(53, async (nth) => {
		expect(await user.sh("qubes-lite uninstall")).toMatchObject({ status: 0 });
		const { status } = await signalled("install", "SIGKILL", nth);
		expect(await user.sh("qubes-lite install"), `${nth}`).toMatchObject({ status: 0 });
		expect(listTree(user), `${nth}`).toEqual(whole);
		return status === 0;
	});
	expect(await user.sh("qubes-lite uninstall")).toMatchObject({ status: 0 });
	expect(listTree(user)).toEqual([]);
});

it("a killed uninstall is finished by the next, whatever the moment", { timeout: 600_000 }, async () => {
	await atMoments(53, async (nth) => {
		expect(await user.sh("qubes-lite install")).toMatchObject({ status: 0 });
		const { status } = await signalled("uninstall", "SIGKILL", nth);
		expect(await user.sh("qubes-lite uninstall"), `${nth}`).toMatchObject({ status: 0 });
		expect(listTree(user), `${nth}`).toEqual([]);
		return status === 0;
	});
});

it.each([
	["SIGINT", 130, 37],
	["SIGTERM", 143, 97],
	["SIGHUP", 129, 97],
] as const)(
	"an install that gets %s is undone or done, with one sentence",
	{ timeout: 600_000 },
	async (signal, expected, some) => {
		await atMoments(some, async (nth) => {
			const { status, stdout, stderr } = await signalled("install", signal, nth);
			if (status === 0) return true;
			const isDone = stdout !== "";
			const sentence = isDone ? "all was done already" : "all is as it was before";
			expect({ status, stderr }, `${nth}`).toEqual({
				status: expected,
				stderr: expect.stringMatching(new RegExp(`(^|\n)qubes-lite: interrupted by ${signal}: ${sentence}\n$`)),
			});
			expect(listTree(user).length > 0, `${nth}`).toBe(isDone);
			if (isDone) expect(await user.sh("qubes-lite uninstall")).toMatchObject({ status: 0 });
			return false;
		});
	},
);

it("an uninstall that gets a signal is undone or done", { timeout: 600_000 }, async () => {
	expect(await user.sh("qubes-lite install")).toMatchObject({ status: 0 });
	const whole = listTree(user);
	await atMoments(37, async (nth) => {
		const { status, stdout, stderr } = await signalled("uninstall", "SIGTERM", nth);
		if (status === 0) return true;
		expect(stderr).toContain("qubes-lite: interrupted by SIGTERM: all ");
		expect(listTree(user), `${nth}`).toEqual(stdout === "" ? whole : []);
		if (stdout !== "") expect(await user.sh("qubes-lite install")).toMatchObject({ status: 0 });
		return false;
	});
});

it("waits for another install or uninstall, saying so, and leaves when it is told to meanwhile", async () => {
	const holder = user.start("flock", [user.directory, "sh", "-c", "echo held; read line"]);
	await user.until("the lock is held", () => holder.stdout() === "held\n");
	const waiting = "qubes-lite: another install, uninstall or sync is at work: waiting for it\n";
	const said = (file: string): string => readFileSync(at(file), "utf8");
	const told = user.start("sh", ["-c", `exec qubes-lite install 2>${at("told")}`]);
	const patient = user.start("sh", ["-c", `exec qubes-lite install 2>${at("patient")}`]);
	await user.until("both wait", () =>
		["told", "patient"].every((file) => existsSync(at(file)) && said(file) === waiting),
	);
	told.kill("SIGTERM");
	expect(await told.done).toMatchObject({ status: 143, stdout: "" });
	expect(said("told")).toBe(`${waiting}qubes-lite: interrupted by SIGTERM: all is as it was before\n`);
	expect(listTree(user)).toEqual([]);
	holder.stdin.end();
	await holder.done;
	expect(await patient.done).toMatchObject({
		status: 0,
		stdout: expect.stringContaining("made     ~/.local/bin/run-in-vm\n"),
	});
});

it.each([
	["a directory", (path: string) => mkdirSync(path)],
	["a FIFO", (path: string) => user.sh(`mkfifo ${path}`)],
])("says that %s is in the way, also with --force", async (what, make) => {
	const path = at(".local/bin/run-in-vm");
	mkdirSync(at(".local/bin"), { recursive: true });
	await make(path);
	for (const [words, again] of [
		["", ""],
		[" --force", " --force"],
	]) {
		expect(await user.sh(`qubes-lite install${words}`)).toMatchObject({
			status: 1,
			stderr: `qubes-lite: ${path} is ${what}, so nothing is installed\n  → mv ${path} ${path}.mine && qubes-lite install${again}\n`,
		});
	}
	rmSync(at(".local"), { recursive: true });
});

it.each(["a$$b", "a${HOME}b"])(
	"refuses a runtime directory %s, in which systemd would see a variable",
	async (name) => {
		const base = at(name);
		const { status, stderr } = await user.sh(`XDG_RUNTIME_DIR='${base}' qubes-lite install`);
		expect({ status, stderr }).toEqual({
			status: 1,
			stderr: expect.stringContaining(
				`systemd would take "$$" and "\${" in XDG_RUNTIME_DIR for variables: ${base}\n  → export`,
			),
		});
		expect(listTree(user)).toEqual([]);
	},
);

it("says what is wrong with a runtime directory in which each command would be refused", async () => {
	mkdirSync(at("qubes-lite"), { mode: 0o755, recursive: true });
	chmodSync(at("qubes-lite"), 0o755);
	expect(await user.sh("qubes-lite install")).toMatchObject({ status: 0 });
	const open = await user.sh("qubes-lite install");
	const sentence = `the runtime directory is open to other users: ${at("qubes-lite")}\n  → chmod 700 ${at("qubes-lite")}\n`;
	expect(open.stderr).toContain(sentence);
	expect(open.stderr).not.toContain("everything is as it should be");
	expect((await user.run("shopping", "true")).stderr).toContain(sentence);
	rmSync(at("qubes-lite"), { recursive: true });
	mkdirSync(at("elsewhere"), { mode: 0o700 });
	symlinkSync(at("elsewhere"), at("qubes-lite"));
	expect((await user.sh("qubes-lite install")).stderr).toContain(
		`the runtime directory is a symbolic link: ${at("qubes-lite")}`,
	);
	rmSync(at("qubes-lite"));
});

it.runIf(isRoot)("refuses where nobody knows a home directory, and writes nothing where it is run", async () => {
	const nobodys = 54321;
	mkdirSync(at("empty"), { mode: 0o777 });
	chmodSync(at("empty"), 0o777);
	chmodSync(user.directory, 0o755);
	for (const home of ["-u HOME", "HOME=", "HOME=here"]) {
		const become = `setpriv --reuid=${nobodys} --regid=${nobodys} --clear-groups env -u XDG_CACHE_HOME ${home}`;
		const { status, stderr } = await user.sh(`cd ${at("empty")} && ${become} qubes-lite install`);
		expect({ status, stderr }, home).toEqual({
			status: 1,
			stderr: expect.stringMatching(
				/^qubes-lite: HOME is not .*, and the user database has no home directory for you\n {2}→ export HOME=/,
			),
		});
	}
	expect(readdirSync(at("empty"))).toEqual([]);
});
