/** `qubes-lite cp` into a real guest and out of it: trees, large files, names, and whose they are there. */
import { createCipheriv } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRoot, otherUid } from "../integration/fake-user.ts";
import { chownAll, nothingLeft, openCache, sha256Of, TestUser } from "./harness.ts";

let user: TestUser;
let cache: string;
const at = (...parts: string[]) => join(user.directory, ...parts);
const cp = (line: string) => user.sh(`cd ${at()} && qubes-lite cp ${line}`);
const inGuest = (line: string) => user.sh(`run-in-vm shopping -- sh -c '${line}'`);
const good = { status: 0, stdout: "", stderr: "" };

beforeAll(async () => {
	cache = openCache();
	user = new TestUser({
		vms: [{ id: 5, name: "shopping", memory: 1024, network: false }],
		cache,
		supervisor: "direct",
		...(isRoot ? { uid: otherUid } : {}),
	});
});
afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
	rmSync(cache, { recursive: true, force: true });
});

const miB = 1024 * 1024;
describe("a copy", () => {
	it("boots the vm, and of 64 MiB both ends have the same", async () => {
		// Nothing that compresses, or repeats.
		const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
		const content = cipher.update(Buffer.alloc(64 * miB));
		writeFileSync(at("big"), content);
		if (user.uid !== undefined) chownAll(user.directory, user.uid);
		expect(await cp("big shopping:")).toMatchObject(good);
		const hash = sha256Of(at("big"));
		expect((await inGuest("sha256sum big | cut -c-64")).stdout).toBe(`${hash}\n`);
		expect(await cp("shopping:big back")).toMatchObject(good);
		expect(sha256Of(at("back"))).toBe(hash);
		await inGuest("rm big");
	});

	it("of a tree of 1000 files has them all, by their exact names, in both directions", async () => {
		const names = ["a b", "-rf", "ä\u{1F600}", "$(reboot)", "x".repeat(255), "'\"\\", "*", "~"];
		for (let index = names.length; index < 1000; index++) names.push(`${"sub/".repeat(index % 4)}${index}`);
		mkdirSync(at("tree/sub/sub/sub"), { recursive: true });
		mkdirSync(at("tree/empty"));
		for (const name of names) writeFileSync(at("tree", name), `content of ${name}`);
		if (user.uid !== undefined) chownAll(user.directory, user.uid);
		const sent = await cp("--json tree shopping:");
		expect([JSON.parse(sent.stdout), sent.stderr]).toMatchObject([{ files: 1000, leftOut: [] }, ""]);
		expect((await inGuest("find tree -type f | wc -l; stat -c %U:%a tree tree/-rf")).stdout).toBe(
			"1000\nuser:755\nuser:644\n",
		);
		expect(await cp("shopping:tree copy")).toMatchObject(good);
		const list = (top: string) => readdirSync(at(top), { recursive: true }).map(String).sort();
		expect(list("copy")).toEqual(list("tree"));
		expect(names.filter((name) => readFileSync(at("copy", name), "utf8") !== `content of ${name}`)).toEqual([]);
	});

	it("has the rights of whoever is named in the guest, and no others", async () => {
		writeFileSync(at("a"), "a");
		const refused = await cp("a shopping:/etc/a");
		expect([refused.status, refused.stderr]).toEqual([
			1,
			expect.stringMatching(/^qubes-lite: in shopping: \/etc: permission denied/),
		]);
		expect((await cp("shopping:/etc/shadow .")).stderr).toMatch(/^qubes-lite: in shopping: \/etc\/shadow: /);
		expect(await cp("-u root a shopping:/etc/a")).toMatchObject(good);
		expect((await inGuest("stat -c %U /etc/a")).stdout).toBe("root\n");
		expect((await inGuest("ls -A | grep qubes-lite; ls -A /etc | grep qubes-lite-cp")).stdout).toBe("");
	});

	it("by a full disk of the guest's is refused, and leaves nothing there", async () => {
		await user.sh(
			"run-in-vm -u root shopping -- sh -c 'mkdir /small && mount -t tmpfs -o size=1m,mode=777 none /small'",
		);
		const { status, stderr } = await cp("big shopping:/small");
		expect([status, stderr]).toEqual([1, expect.stringContaining("in shopping: /small/big: no space is left there")]);
		expect((await inGuest("ls -A /small")).stdout).toBe("");
	});
});
