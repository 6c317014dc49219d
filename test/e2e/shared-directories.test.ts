/** Real guests with directories of the host: whose the files are on both sides, and what a guest that is its own root can't reach. */
import {
	chownSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	readlinkSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRoot, otherUid } from "../integration/fake-user.ts";
import { UserManager } from "../integration/user-manager.ts";
import { chownAll, nothingLeft, openCache, TestUser, type TestUserOptions } from "./harness.ts";

let cache: string;
let root: string;
const at = (name: string): string => join(root, name);

beforeAll(() => {
	cache = openCache();
});
afterAll(() => rmSync(cache, { recursive: true }));

/** `docs` with files of this user's and of another's, `outside` with what no guest may see. */
function makeDirectories(uid: number): void {
	root = mkdtempSync(join(tmpdir(), "ql-share-"));
	for (const name of ["docs", "docs/below", "outside"]) mkdirSync(at(name));
	for (const name of ["docs/hello", "outside/secret"]) writeFileSync(at(name), `${name} of the host\n`);
	symlinkSync("/etc/passwd", at("docs/passwd"));
	symlinkSync("../outside/secret", at("docs/up"));
	symlinkSync(at("outside/secret"), at("docs/away"));
	if (isRoot) chownAll(root, uid);
	writeFileSync(at("docs/others"), "another user's\n", { mode: 0o600 });
	if (isRoot) chownSync(at("docs/others"), uid + 1, uid + 1);
}

const shared = () => [
	{ tag: "docs", path: at("docs") },
	{ tag: "read", path: at("docs"), readOnly: true },
];
const ownerOf = (name: string): number => statSync(at(name)).uid;

/** The one of both processes of a virtiofsd that serves the guest: PID 1 of a namespace. */
function serverOf(user: TestUser, vm: string, tag: string): { pid: number; status: string } {
	for (const { pid, words } of user.processes()) {
		if (!words.includes(`virtiofsd --socket-path ${join(user.runtime, vm, `fs-${tag}.sock`)}`)) continue;
		const status = readFileSync(`/proc/${pid}/status`, "utf8");
		if (/^NSpid:.*\t1$/m.test(status)) return { pid, status };
	}
	throw new Error(`${vm} has no virtiofsd for ${tag}`);
}

/** What a vm says whose virtiofsd was killed under a command. */
async function killUnder(user: TestUser, vm: string): Promise<string> {
	const running = user.start("run-in-vm", [vm, "sh", "-c", "echo up; exec sleep 1000"]);
	await user.until("it runs", () => running.stdout() === "up\n");
	process.kill(serverOf(user, vm, "docs").pid, "SIGKILL");
	const { status, stderr } = await running.done;
	expect(status).toBe(125);
	return stderr;
}

const makeUser = (uid: number | undefined, vms: readonly object[], more: Partial<TestUserOptions> = {}): TestUser =>
	new TestUser({ vms, cache, ...(uid === undefined ? {} : { uid }), ...more });

const users: [string, number][] = isRoot
	? [
			["nobody", otherUid],
			["root", 0],
		]
	: [["its user", process.getuid?.() ?? 0]];

describe.each(users)("directories that %s shares", (_, uid) => {
	let user: TestUser;
	const guest = (command: string, ...options: string[]) => user.run(...options, "shopping", "sh", "-c", command);

	beforeAll(() => {
		makeDirectories(uid);
		const vm = { memory: 256, network: false, sharedDirectories: shared() };
		user = makeUser(isRoot ? uid : undefined, [{ id: 5, name: "shopping", ...vm }], { supervisor: "direct" });
	});
	afterAll(async () => {
		expect(await user.leave(["shopping"])).toEqual(nothingLeft);
		rmSync(root, { recursive: true });
	});

	it("are its user's own in the guest, and what is written there is its user's on the host", async () => {
		const look = "id -u; stat -c %u:%g /mnt/docs /mnt/docs/hello; cat /mnt/docs/hello";
		expect(
			await guest(`${look}; echo mine >/mnt/docs/mine && mkdir /mnt/docs/made && mv /mnt/docs/mine /mnt/docs/made`),
		).toMatchObject({
			stdout: "1000\n1000:1000\n1000:1000\ndocs/hello of the host\n",
			stderr: "",
			status: 0,
		});
		const work = "echo roots >/mnt/docs/roots && chown 7:7 /mnt/docs/roots && echo more >>/mnt/docs/hello";
		expect(await guest(`${work} && stat -c %u:%g /mnt/docs/roots`, "-u", "root")).toMatchObject({
			stdout: "1000:1000\n",
			stderr: "",
		});
		expect(["docs/made/mine", "docs/made", "docs/roots", "docs/hello"].map(ownerOf)).toEqual([uid, uid, uid, uid]);
		expect(readFileSync(at("docs/hello"), "utf8")).toBe("docs/hello of the host\nmore\n");
	});

	it("have nothing for the guest's root of what is another user's, or outside", async () => {
		if (isRoot) {
			expect(
				await guest("stat -c %u:%g /mnt/docs/others; cat /mnt/docs/others; echo x >/mnt/docs/others", "-u", "root"),
			).toMatchObject({
				stdout: "65534:65534\n",
				stderr: expect.stringMatching(/(.*Permission denied\n){2}/),
			});
		}
		/** Links lead to where they would lead in the guest. */
		expect(
			await guest(
				"tail -n 1 /mnt/docs/passwd; ls /mnt/docs/.. /mnt/docs/below/../..; cat /mnt/docs/up /mnt/docs/away",
				"-u",
				"root",
			),
		).toMatchObject({
			stdout:
				"nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n/mnt/docs/..:\ndocs\nread\n\n/mnt/docs/below/../..:\ndocs\nread\n",
			stderr: expect.stringMatching(/(.*No such file or directory\n){2}/),
		});
		expect(await guest("mknod /mnt/docs/disk b 254 0", "-u", "root")).toMatchObject({
			status: 1,
			stderr: expect.stringContaining("Operation not permitted"),
		});
	});

	it("are not written where they are for reading, whatever the guest tries", async () => {
		const tries = ["echo x >/mnt/read/new", "rm /mnt/read/hello", "chmod 777 /mnt/read/hello", "mkdir /mnt/read/new"];
		const { stdout, stderr } = await guest(
			`mount -o remount,rw /mnt/read; cat /mnt/read/below/../roots; ${tries.join("; ")}`,
			"-u",
			"root",
		);
		expect([stdout, stderr.match(/Read-only file system\n/g)?.length]).toEqual(["roots\n", tries.length]);
	});

	it("are all that virtiofsd has: no other file system, no capability, no network, few system calls", () => {
		const { pid, status } = serverOf(user, "shopping", "docs");
		const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n");
		expect(mounts.map((line) => line.split(" ")[4])).toEqual(["/"]);
		expect(mounts[0]?.split(" ")[3]?.endsWith(at("docs").slice(tmpdir().length))).toBe(true);
		for (const set of ["Prm", "Eff", "Inh", "Amb"]) expect(status).toContain(`Cap${set}:\t0000000000000000\n`);
		expect(status).toMatch(/^Seccomp:\t2$/m);
		const isOwn = (kind: string) => readlinkSync(`/proc/${pid}/ns/${kind}`) !== readlinkSync(`/proc/self/ns/${kind}`);
		expect(["mnt", "net", "pid", "user"].map(isOwn)).toEqual([true, true, true, uid !== 0]);
	});

	it("end with their vm, and the vm with them, which says so", async () => {
		expect(await killUnder(user, "shopping")).toMatch(/its virtiofsd-docs ended/);
		expect((await user.status("shopping")).reason).toMatch(/its virtiofsd-docs ended/);
		await user.until("all have gone", () => user.processes().every(({ words }) => !words.includes("virtiofsd")));
	});
});

describe("a directory that several vms share", () => {
	const uid = isRoot ? otherUid : (process.getuid?.() ?? 0);
	let user: TestUser;
	const vm = { memory: 256, network: false };

	beforeAll(() => {
		makeDirectories(uid);
		user = makeUser(
			isRoot ? uid : undefined,
			[
				{ id: 5, name: "one", ...vm, idleTimeout: 1, idleAction: "pause", sharedDirectories: shared() },
				{ id: 15, name: "disp", ...vm, disposable: true, sharedDirectories: shared() },
				{ id: 17, name: "lost", ...vm, sharedDirectories: [{ tag: "docs", path: at("none") }] },
			],
			{ supervisor: "direct" },
		);
	});
	afterAll(async () => {
		expect(await user.leave(["one"])).toEqual(nothingLeft);
		rmSync(root, { recursive: true });
	});

	it("is the same in all at once, and keeps what a disposable instance has written", async () => {
		const wait = "until [ -s /mnt/docs/$1 ]; do sleep 0.1; done; cat /mnt/docs/$1";
		const [one, instance] = await Promise.all([
			user.run("one", "sh", "-c", `echo one >/mnt/docs/one; set instance; ${wait}`),
			user.run("--disposable", "sh", "-c", `echo instance >/mnt/docs/instance; set one; ${wait}`),
		]);
		expect([one.stdout, instance.stdout]).toEqual(["instance\n", "one\n"]);
		expect(readFileSync(at("docs/instance"), "utf8")).toBe("instance\n");
	});

	it("is there for a vm that was paused, with what came meanwhile", async () => {
		expect(await user.run("one", "true")).toMatchObject({ status: 0 });
		await user.until("it is paused", async () => (await user.status("one")).flags.includes("paused"));
		writeFileSync(at("docs/meanwhile"), "from the host\n");
		expect(await user.run("one", "sh", "-c", "cat /mnt/docs/meanwhile && echo awake >/mnt/docs/one")).toMatchObject({
			stdout: "from the host\n",
			stderr: "",
		});
		expect(readFileSync(at("docs/one"), "utf8")).toBe("awake\n");
	});

	it("is named where it is not there, before anything starts", async () => {
		const { status, stderr } = await user.run("lost", "true");
		expect([status, stderr]).toEqual([125, expect.stringContaining(`the shared directory ${at("none")} is not there`)]);
		expect(stderr).toContain(`mkdir -p ${at("none")}`);
	});
});

describe.runIf(isRoot)("a unit of nobody's with a shared directory", () => {
	let user: TestUser;
	let manager: UserManager;
	const unit = "qubes-lite-shopping.service";

	beforeAll(async () => {
		makeDirectories(otherUid);
		const vms = [{ id: 5, name: "shopping", memory: 256, network: false, sharedDirectories: shared() }];
		user = makeUser(otherUid, vms, { hasManager: true });
		manager = await UserManager.start(user, otherUid);
	});
	afterAll(async () => {
		await user.sh("qubes-lite stop --force shopping");
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		await manager.stop();
		expect((await user.leave([])).processes).toEqual([]);
		rmSync(root, { recursive: true });
	});

	it("has it as its own, and virtiofsd shuts itself in as without systemd", async () => {
		expect(await user.run("shopping", "sh", "-c", "cat /mnt/docs/hello && echo mine >/mnt/docs/mine")).toMatchObject({
			stdout: "docs/hello of the host\n",
			stderr: "",
		});
		expect(await manager.show(unit, "ActiveState")).toEqual({ ActiveState: "active" });
		expect(ownerOf("docs/mine")).toBe(otherUid);
		const { pid, status } = serverOf(user, "shopping", "docs");
		expect(readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n")).toHaveLength(1);
		expect(status).toMatch(/^CapEff:\t0+$/m);
		/** Of the others, none but QEMU makes a filter of its own. */
		const vsock = user
			.processes()
			.find(({ words }) => words.startsWith("/") && words.includes("vhost-device-vsock --"));
		expect(readFileSync(`/proc/${vsock?.pid}/status`, "utf8")).toMatch(/^NoNewPrivs:\t1\nSeccomp:\t2$/m);
	});

	it("is had by an instance of its template as well, whose user systemd fills in", async () => {
		expect(await user.run("--disposable=shopping", "sh", "-c", "echo gone >/mnt/docs/instance")).toMatchObject({
			stderr: "",
			status: 0,
		});
		expect(ownerOf("docs/instance")).toBe(otherUid);
	});

	it("ends with its virtiofsd, and says so", async () => {
		expect(await killUnder(user, "shopping")).toMatch(/its virtiofsd ended/);
		await user.until(
			"nothing is left of it",
			async () =>
				/^(inactive|failed)$/.test((await manager.show(unit, "ActiveState")).ActiveState ?? "") &&
				!user.processes().some(({ words }) => words.includes("virtiofsd")),
		);
	});

	it("is refused by systemd's own start, too, where the directory has gone", async () => {
		rmSync(at("docs"), { recursive: true });
		expect(await manager.run("systemctl", "--user", "start", unit)).toMatchObject({ status: 1 });
		const sentence = `the shared directory ${at("docs")} is not there. Try: mkdir -p '${at("docs")}'`;
		await user.until("it is told", () => manager.journal("qubes-lite-shopping").includes(sentence));
	});
});
