/** The main job against fake guests, as the tests' own user and as one who is not root. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, sha256Of } from "../e2e/harness.ts";
import { FakeUser, managerUids } from "./fake-user.ts";

const vms = [
	{ id: 5, name: "shopping" },
	{ id: 15, name: "disp", disposable: true },
];

/** The tests' own has the same of real guests (test/e2e/main-job.test.ts). */
const users = managerUids.map((uid) =>
	uid === undefined ? { who: "the tests' own user" } : { who: "a user who is not root", uid },
);

describe.each(users)("run-in-vm as $who", ({ uid }: { uid?: number }) => {
	let user: FakeUser;

	beforeAll(() => {
		user = new FakeUser(uid === undefined ? { vms } : { vms, uid });
	});

	afterAll(async () => {
		expect(await user.leave(["shopping", "disp"])).toEqual(nothingLeft);
	});

	it("boots a stopped vm once, and runs every command in it", async () => {
		expect(await user.run("shopping", "echo", "hello")).toMatchObject({ status: 0, stdout: "hello\n", stderr: "" });
		expect(await user.run("shopping", "id", "-u")).toMatchObject({ stdout: `${uid ?? process.getuid?.()}\n` });
		expect(user.starts("shopping")).toBe(1);
	});

	it("passes standard input, and its end only when it ends", async () => {
		expect(await user.sh("seq 3 | run-in-vm shopping tac")).toMatchObject({ status: 0, stdout: "3\n2\n1\n" });
		expect(await user.sh("(echo a; sleep 0.2; echo b) | run-in-vm shopping cat")).toMatchObject({ stdout: "a\nb\n" });
	});

	it("keeps what is typed before the boot", async () => {
		await user.sh("qubes-lite stop shopping");
		user.order("shopping", { hello: "never" });
		const typed = "x".repeat(50_000);
		const running = user.start("run-in-vm", ["shopping", "cat"]);
		running.stdin.write(typed);
		await user.until("it boots", async () => (await user.stateOf("shopping")) === "booting");
		running.stdin.end("end");
		user.order("shopping", {});
		expect(await running.done).toMatchObject({ status: 0, stdout: `${typed}end` });
	});

	it("leaves standard input alone with -N", async () => {
		const line = "{ run-in-vm -N shopping cat; cat; }";
		expect(await user.sh(line, "for the second cat")).toMatchObject({ status: 0, stdout: "for the second cat" });
	});

	it("carries 16 MiB in each direction unchanged", async () => {
		const file = join(user.directory, "random");
		writeFileSync(file, randomBytes(16 * 1024 * 1024));
		expect(await user.sh(`run-in-vm shopping cat <'${file}' >'${file}.echo'`)).toMatchObject({ status: 0, stderr: "" });
		expect(sha256Of(`${file}.echo`)).toBe(sha256Of(file));
	});

	it("holds the output for a slow reader of a disposable, which is gone afterwards", async () => {
		const { stdout } = await user.sh("run-in-vm disp seq 300000 | (sleep 0.5; tail -1)");
		expect(stdout).toBe("300000\n");
		await user.until("it has stopped", async () => (await user.stateOf("disp")) === "stopped");
		expect((await user.status("disp")).reason).toBe("its last command ended, and it is disposable");
	});

	it("keeps standard output and standard error apart", async () => {
		const outcome = await user.run("shopping", "sh", "-c", "seq 20000; seq 20001 40000 >&2");
		const numbers = (from: number) => Array.from({ length: 20_000 }, (_, index) => `${from + index}\n`).join("");
		expect(outcome).toMatchObject({ status: 0, stdout: numbers(1), stderr: numbers(20_001) });
	});

	it("works with all three standard streams closed", async () => {
		const mark = join(user.directory, "closed");
		const { status } = await user.sh(`run-in-vm shopping sh -c 'cat; echo out; echo >"$0"' '${mark}' <&- >&- 2>&-`);
		expect(status).toBe(0);
		expect(user.lines("closed")).toEqual([""]);
	});

	it("ends with 141 when nobody reads its output", async () => {
		const outcome = await user.sh("{ run-in-vm shopping yes; echo $? >&2; } | head -1");
		expect(outcome).toMatchObject({ stdout: "y\n", stderr: "141\n" });
		await user.until("the vm is idle", async () => (await user.stateOf("shopping")) === "idle");
	});
});
