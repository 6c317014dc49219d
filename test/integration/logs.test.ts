/** `qubes-lite logs`: of vms that run, have stopped, come again, or never were; with and without systemd's journal. */
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "vault" },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

async function boot(orders: Parameters<FakeUser["order"]>[1] = {}): Promise<void> {
	await user.sh("qubes-lite stop shopping");
	user.order("shopping", orders);
	expect(await user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
	/** What reads the console may be a little behind. */
	await user.until("its console is kept", () => readFileSync(file("console.log"), "utf8").endsWith(phases));
}

const file = (name: string): string => join(user.runtime, "shopping", name);
const phases = ["init", "root", "agent"].map((phase) => `qubes-lite: phase ${phase}\n`).join("");

describe("of a vm that has not run", () => {
	it("there are none, and no broker is started to find that out", async () => {
		expect(await user.sh("qubes-lite logs vault")).toMatchObject({
			status: 0,
			stdout: "",
			// A machine may have no journal at all.
			stderr: expect.stringMatching(/^qubes-lite: nothing is logged of vault(, and the journal .*)?\n$/),
		});
		expect(existsSync(join(user.runtime, "broker.lock"))).toBe(false);
	});

	it("a journal that can't be read is named with journalctl's own words", async () => {
		const journalctl = join(user.fakes, "journalctl");
		writeFileSync(journalctl, "#!/bin/sh\necho 'No journal files were opened.' >&2\nexit 1\n", { mode: 0o755 });
		expect((await user.sh("qubes-lite logs vault")).stderr).toBe(
			"qubes-lite: nothing is logged of vault, and the journal can't be read: No journal files were opened.\n",
		);
		rmSync(journalctl);
	});

	it.each([
		["shoping", "there is no vm 'shoping'; did you mean 'shopping'?"],
		["disp-0a1b", "the disposable instance disp-0a1b is gone"],
		["../vault", "'../vault' is not a vm name: expected 1 to 12 characters of a-z, 0-9 and '-', the first a letter"],
	])("that is none, as %s: one sentence", async (name, sentence) => {
		const outcome = await user.sh(`qubes-lite logs '${name}'`);
		expect(outcome).toMatchObject({ status: 1, stdout: "" });
		expect(outcome.stderr).toContain(`qubes-lite: ${sentence}`);
		expect(outcome.stderr).toMatch(/^[^\n]+\n {2}→ [^\n]+\n$/);
	});

	it("lines are counted by a number", async () => {
		expect(await user.sh("qubes-lite logs -n many vault")).toMatchObject({ status: 2, stdout: "" });
	});
});

describe("--console", () => {
	it("is the ring of a vm that is up, byte by byte in a pipe, and the kept log of one that is not", async () => {
		const hostile = "a\0b\r\n\x1b]2;owned\x07\x1b[31m";
		await boot({ console: hostile });
		const expected = `${hostile}${phases}`;
		expect((await user.sh("qubes-lite logs --console shopping")).stdout).toBe(expected);
		expect((await user.sh("qubes-lite logs --console -n 2 shopping")).stdout).toBe(
			"qubes-lite: phase root\nqubes-lite: phase agent\n",
		);
		await user.sh("qubes-lite stop shopping");
		expect((await user.sh("qubes-lite logs --console shopping")).stdout).toBe(expected);
	});

	it("-f shows each byte once, over rotations, a stop and the next boot", async () => {
		await boot();
		const running = user.start("qubes-lite", ["logs", "--console", "-f", "-n", "1", "shopping"]);
		await user.until("it shows the last line", () => running.stdout() === "qubes-lite: phase agent\n");
		const lines = Array.from({ length: 40_000 }, (_, line) => `${String(line).padEnd(39, ".")}\n`).join("");
		const typed = user.start("/bin/sh", ["-c", `cat >'${file("console.in")}'`]);
		/** Who reads later than the ring keeps loses some. */
		const piece = 100_000;
		for (let at = 0; at < lines.length; at += piece) {
			const text = lines.slice(at, at + piece);
			typed.stdin.write(text);
			await user.until("it came", () => running.stdout().length >= at + text.length + 24);
		}
		typed.stdin.end();
		await typed.done;
		expect(running.stdout() === `qubes-lite: phase agent\n${lines}`).toBe(true);
		expect(existsSync(file("console.log.1"))).toBe(true);
		await boot({ console: "again\n" });
		await user.until("it shows the next boot", () => running.stdout().endsWith(`again\n${phases}`));
		running.kill("SIGINT");
		expect(await running.done).toMatchObject({ signal: "SIGINT", stderr: "" });
		expect(running.stdout() === `qubes-lite: phase agent\n${lines}again\n${phases}`).toBe(true);
	});

	it("-f waits for a vm that is not there yet, and costs next to nothing meanwhile", async () => {
		const running = user.start("qubes-lite", ["logs", "--console", "-f", "vault"]);
		const cpuTicks = (): number => {
			const stat = readFileSync(`/proc/${running.pid}/stat`, "utf8");
			const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
			return Number(fields[11]) + Number(fields[12]);
		};
		let before = -1;
		await user.until("it has started", async () => {
			const last = before;
			before = cpuTicks();
			await new Promise((resolve) => setTimeout(resolve, 500));
			return last > 0 && before === last;
		});
		before = cpuTicks();
		await new Promise((resolve) => setTimeout(resolve, 2000));
		expect(cpuTicks() - before).toBeLessThan(20);
		await user.sh("qubes-lite start vault");
		await user.until("it shows the boot", () => running.stdout() === phases);
		running.kill("SIGTERM");
		await running.done;
		await user.sh("qubes-lite stop vault");
	});

	it("is text on a terminal", async () => {
		await boot({ console: "a\x1b]2;owned\x07\x1b[31mb\n" });
		const terminal = new Terminal(user);
		try {
			const title = terminal.fact("#{pane_title}");
			terminal.type("qubes-lite logs --console shopping; echo same:$?");
			await terminal.shows(/^a\uFFFD\]2;owned\uFFFD\uFFFD\[31mb$[\s\S]*same:0/m);
			expect(terminal.fact("#{pane_title}")).toBe(title);
		} finally {
			terminal.close();
		}
	});
});

describe("without --console", () => {
	it("the broker's lines about the vm come first, then what the vmm said; -n counts both", async () => {
		user.order("shopping", { exitAtBoot: { words: "no such disk\nat all\n", status: 3 } });
		await user.sh("qubes-lite stop shopping; qubes-lite start shopping");
		const { stdout } = await user.sh("qubes-lite logs shopping");
		expect(stdout).toMatch(/^\d{4}-\d\d-\d\dT\S+Z vm\.state state=booting\.waiting$/m);
		expect(stdout).toMatch(/^\S+Z vm\.state state=failed reason="its vmm ended with status 3: at all"$/m);
		expect(stdout).toMatch(/Z vm\.state [^\n]*\n([^\n]*helper[^\n]*\n)?no such disk\nat all\n$/);
		expect(stdout).not.toContain("broker.serves");
		expect((await user.sh("qubes-lite logs -n 1 shopping")).stdout).toBe("at all\n");
	});

	it("-f follows both", async () => {
		const running = user.start("qubes-lite", ["logs", "-f", "-n", "1", "shopping"]);
		await user.until("it follows", () => running.stdout() !== "");
		await boot();
		await user.until("it is told", () => /vm\.state state=idle/.test(running.stdout()));
		await user.sh("qubes-lite stop shopping");
		await user.until("the end, too", () => /state=stopped reason="stopped by request"/.test(running.stdout()));
		running.kill("SIGTERM");
		await running.done;
	});

	it("ends at once when nobody reads it any more, although nothing comes", async () => {
		const running = user.start("/bin/sh", ["-c", "qubes-lite logs -f -n 100 shopping | head -n 1"]);
		expect(await running.done).toMatchObject({ status: 0, stderr: "" });
	});
});

describe("with systemd", () => {
	const fake = (program: string, script: string): void =>
		writeFileSync(join(user.fakes, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

	afterEach(() => {
		for (const program of ["journalctl", "systemctl"]) rmSync(join(user.fakes, program), { force: true });
	});

	const journal = (seconds: number): void =>
		fake(
			"journalctl",
			`case "$*" in *short-unix*) echo ${seconds}.123456 host qemu[1]: last words ;; *) echo "$*"; exit 3 ;; esac`,
		);

	it("journalctl shows the log of a vm whose unit is up, with our options and its status", async () => {
		await boot();
		journal(1);
		fake("systemctl", '[ "$*" = "--user is-active qubes-lite-shopping.service" ] && echo active');
		expect(await user.sh("qubes-lite logs -f -n 7 shopping")).toMatchObject({
			status: 3,
			stdout: "--user -q --no-pager -u qubes-lite-shopping.service -f -n 7\n",
		});
		expect((await user.sh("qubes-lite logs --console shopping")).stdout).toBe(phases);
	});

	it("a vm that runs without systemd has its files shown, whatever an old journal says", async () => {
		journal(1);
		fake("systemctl", "echo inactive; exit 3");
		expect((await user.sh("qubes-lite logs shopping")).stdout).toContain("vm.state state=idle");
	});

	it("a vm that has stopped has the log shown that is of its last boot", async () => {
		await user.sh("qubes-lite stop shopping");
		fake("systemctl", "echo inactive; exit 3");
		journal(Math.floor(Date.now() / 1000));
		expect((await user.sh("qubes-lite logs shopping")).stdout).toBe(
			"--user -q --no-pager -u qubes-lite-shopping.service\n",
		);
		const kept = join(user.state, "logs/shopping.vmm.log");
		utimesSync(kept, new Date(), new Date(Date.now() + 60_000));
		expect((await user.sh("qubes-lite logs shopping")).stdout).toContain("vm.state");
	});

	it("an instance of a disposable is found by its number", async () => {
		journal(Math.floor(Date.now() / 1000));
		expect((await user.sh("qubes-lite logs disp-0a1b")).stdout).toBe(
			"--user -q --no-pager -u qubes-lite-*@0a1b.service\n",
		);
	});

	it("a journal that has nothing leaves the files", async () => {
		fake("journalctl", "echo '-- No entries --'");
		mkdirSync(join(user.state, "logs"), { recursive: true });
		expect((await user.sh("qubes-lite logs shopping")).stdout).toContain("vm.state");
	});
});
