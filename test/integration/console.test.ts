/** `qubes-lite console` and the FIFO behind it, against a guest that writes back what is typed on its console. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { nothingLeft, signalProcess } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping" }] });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

async function boot(orders: Parameters<FakeUser["order"]>[1] = {}): Promise<void> {
	await user.sh("qubes-lite stop shopping");
	user.order("shopping", orders);
	expect(await user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
	/** What reads the console may be a little behind. */
	await user.until("its console is kept", () => readFileSync(file("console.log"), "utf8").includes("phase agent\n"));
}

const file = (name: string): string => join(user.runtime, "shopping", name);

describe("without a terminal", () => {
	it("shows the last lines, types what comes on standard input, and ends after it", async () => {
		await boot({ console: Array.from({ length: 30 }, (_, line) => `line ${line}\n`).join("") });
		const running = user.start("qubes-lite", ["console", "shopping"]);
		running.stdin.write("typed\nand more");
		await user.until("it is shown", () => running.stdout().endsWith("typed\nand more"));
		running.stdin.end();
		const outcome = await running.done;
		expect(outcome).toMatchObject({ status: 0, stderr: "" });
		const [first, ...rest] = outcome.stdout.split("\n");
		expect(first).toBe("line 13");
		expect(rest.slice(-5)).toEqual([
			"qubes-lite: phase init",
			"qubes-lite: phase root",
			"qubes-lite: phase agent",
			"typed",
			"and more",
		]);
	});

	it("passes every byte both ways, also more than the FIFO and a ring's file hold", async () => {
		await boot();
		const bytes = Buffer.from(Array.from({ length: 700_000 }, (_, index) => (index * 7919) & 0xff));
		const running = user.start("/bin/sh", ["-c", `qubes-lite console shopping >'${user.directory}/out'`]);
		running.stdin.write(bytes);
		const out = join(user.directory, "out");
		const hasCome = () => readFileSync(out).subarray(-bytes.length).equals(bytes);
		await user.until("all has come", () => existsSync(out) && hasCome(), 30_000);
		running.stdin.end();
		expect(await running.done).toMatchObject({ status: 0, stderr: "" });
		expect(hasCome()).toBe(true);
	});

	it("follows, and ends with a sentence when the vm stops", async () => {
		await boot();
		const running = user.start("qubes-lite", ["console", "shopping"]);
		await user.until("it shows the boot", () => running.stdout().includes("phase agent"));
		running.stdin.write("hello\n");
		await user.until("it shows what was typed", () => running.stdout().endsWith("agent\nhello\n"));
		await user.sh("qubes-lite stop shopping");
		expect(await running.done).toMatchObject({ status: 0, stderr: "shopping has stopped\n" });
	});

	it("ends, too, where vm and broker were killed and nobody cleans up", async () => {
		await boot();
		const running = user.start("qubes-lite", ["console", "shopping"]);
		await user.until("it shows the boot", () => running.stdout().includes("phase agent"));
		user.signalBrokers("SIGKILL");
		process.kill(user.vmmPid("shopping"), "SIGKILL");
		expect(await running.done).toMatchObject({ status: 0, stderr: "shopping has stopped\n" });
	});

	it("neither hangs nor holds anything up when the guest does not read", async () => {
		await boot({ deafConsole: true });
		const running = user.start("qubes-lite", ["console", "shopping"]);
		running.stdin.write(Buffer.alloc(400_000, "x"));
		await user.until("it shows the boot", () => running.stdout().includes("phase agent"));
		expect(await user.run("shopping", "echo", "alive")).toMatchObject({ status: 0, stdout: "alive\n" });
		await user.sh("qubes-lite stop shopping");
		expect(await running.done).toMatchObject({ status: 0, stderr: "shopping has stopped\n" });
	});

	it("boots no vm", async () => {
		const starts = user.starts("shopping");
		expect(await user.sh("qubes-lite console shopping")).toMatchObject({
			status: 1,
			stdout: "",
			stderr: "qubes-lite: shopping is not running\n  → qubes-lite start shopping\n",
		});
		expect((await user.sh("qubes-lite console shoping")).stderr).toContain("did you mean 'shopping'?");
		expect(user.starts("shopping")).toBe(starts);
	});

	it("shows the console of a vm that does not become ready", async () => {
		user.order("shopping", { hello: "never", console: "cannot mount the root disk\n" });
		const waiting = user.start("run-in-vm", ["--timeout", "20", "shopping", "true"]);
		const log = join(user.runtime, "shopping/console.log");
		await user.until("it speaks", () => existsSync(log) && readFileSync(log, "utf8").includes("cannot mount"));
		const running = user.start("qubes-lite", ["console", "shopping"]);
		running.stdin.write("why?\n");
		await user.until("it is shown", () => running.stdout().endsWith("why?\n"));
		running.stdin.end();
		const outcome = await running.done;
		expect(outcome).toMatchObject({ status: 0, stderr: "" });
		expect(outcome.stdout).toContain("cannot mount the root disk\n");
		expect(outcome.stdout).toMatch(/why\?\n$/);
		await user.sh("qubes-lite stop --force shopping");
		await waiting.done;
	});
});

describe("the FIFO", () => {
	it("is the user's alone, and gone with the vm's directory", async () => {
		await boot();
		const stat = statSync(file("console.in"));
		expect(stat.isFIFO() && (stat.mode & 0o777) === 0o600).toBe(true);
		await user.sh("qubes-lite stop shopping");
		expect(() => statSync(file("console.in"))).toThrow("ENOENT");
	});

	it("gives the vmm no end of file when a writer leaves", async () => {
		await boot();
		for (const word of ["one", "two"]) await user.sh(`echo ${word} >'${file("console.in")}'`);
		await user.until("the guest has read both", () => readFileSync(file("console.log"), "utf8").endsWith("one\ntwo\n"));
		expect(await user.stateOf("shopping")).toBe("idle");
	});
});

describe("on a terminal", () => {
	let terminal: Terminal;

	beforeEach(() => {
		terminal = new Terminal(user);
	});

	afterEach(() => {
		terminal.close();
	});

	/** Shows at its end whether the terminal is set as it was before. */
	const open = (): void =>
		terminal.type(
			`before=$(stty -g); qubes-lite console shopping; status=$?; [ "$before" = "$(stty -g)" ] && echo "same:$status" || stty -a`,
		);

	it("says how to leave, shows what is typed as the guest writes it, and is left by Ctrl-]", async () => {
		await boot();
		open();
		await terminal.shows(/^Console of shopping; Ctrl-\] leaves\n[\s\S]*phase agent$/m);
		terminal.press("Enter", "a", "b", "C-c", "c");
		await terminal.shows(/^abc$/m);
		terminal.press("C-]");
		expect(await terminal.shows(/same:0/)).toMatch(/^abc\nleft the console of shopping, which runs on\nsame:0/m);
		expect(await user.stateOf("shopping")).toBe("idle");
	});

	it("is left also where the guest reads nothing", async () => {
		await boot({ deafConsole: true });
		open();
		await terminal.shows(/phase agent/);
		for (let count = 0; count < 40; count++) terminal.keys("x".repeat(4000));
		terminal.press("C-]");
		await terminal.shows(/same:0/);
	});

	it("is as it was when the vm is killed under it", async () => {
		await boot();
		open();
		await terminal.shows(/phase agent/);
		process.kill(user.vmmPid("shopping"), "SIGKILL");
		expect(await terminal.shows(/same:0/)).toContain("shopping has stopped\n");
	});

	it.each(["SIGTERM", "SIGHUP", "SIGINT"] as const)("is as it was after %s", async (signal) => {
		await boot();
		open();
		await terminal.shows(/phase agent/);
		const clients = user.processes().filter(({ words }) => / console shopping$/.test(words));
		expect(clients).toHaveLength(1);
		for (const { pid } of clients) signalProcess(pid, signal);
		await terminal.shows(/same:1(29|30|43)/);
	});

	it("is raw again after a stop", async () => {
		await boot();
		open();
		await terminal.shows(/phase agent/);
		const client = (): number[] =>
			user
				.processes()
				.filter(({ words }) => / console shopping$/.test(words))
				.map(({ pid }) => pid);
		for (const pid of client()) signalProcess(pid, "SIGSTOP");
		await terminal.shows(/Stopped/);
		terminal.type("fg");
		const tty = terminal.fact("#{pane_tty}");
		const isRaw = (): boolean => execFileSync("stty", ["-F", tty, "-a"], { encoding: "utf8" }).includes("-isig");
		await user.until("it goes on", isRaw);
		terminal.press("o", "n", "c", "e");
		await terminal.shows(/once/);
		/** In a terminal that is only half raw it is typed twice. */
		expect(terminal.screen()).not.toMatch(/oonnccee|onceonce/);
		terminal.press("C-]");
		await terminal.shows(/left the console/);
	});

	it("gets nothing hostile of what a guest writes, and is put right after it", async () => {
		const title = terminal.fact("#{pane_title}");
		const hostile = [
			"\x1b]2;owned\x07",
			"\x1b]52;c;b3duZWQ=\x07",
			"\x1b[6n\x1b[c",
			"\x1bP$qm\x1b\\",
			"\x1b[?1049h\x1b[?25l",
			"\x1b[31mred",
		];
		await boot({ console: hostile.join("") });
		open();
		await terminal.shows(/red.*phase init/);
		terminal.press("C-]");
		await terminal.shows(/same:0/);
		expect(terminal.fact("#{pane_title} #{alternate_on} #{cursor_flag}")).toBe(`${title} 0 1`);
		expect(terminal.clipboard()).toBe("");
		terminal.type("echo next");
		expect(await terminal.shows(/^next$/m)).not.toMatch(/\d+R|\?\d+;\d+c/);
		expect(readFileSync(file("console.log"), "utf8")).not.toMatch(/\d+;\d+R/);
	});
});
