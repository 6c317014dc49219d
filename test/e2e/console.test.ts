/** A real guest's serial console: a root shell for the host's user, and for nobody in the guest. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, signalProcess, TestUser } from "./harness.ts";
import { Terminal } from "./tmux.ts";

let user: TestUser;

beforeAll(async () => {
	user = new TestUser({ vms: [{ id: 5, name: "shopping", memory: 512 }] });
	expect(await user.sh("qubes-lite start shopping")).toMatchObject({ status: 0 });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

describe("on a terminal", () => {
	it("Enter gives a root shell, Ctrl-C and exit are the guest's, Ctrl-] leaves", async () => {
		const terminal = new Terminal(user);
		try {
			terminal.type('before=$(stty -g); qubes-lite console shopping; [ "$before" = "$(stty -g)" ] && echo same');
			await terminal.shows(/Ctrl-\] leaves[\s\S]*press Enter/);
			terminal.press("Enter");
			await terminal.shows(/^\/ #$/m);
			terminal.type("id -un; tty");
			await terminal.shows(/^root\n\/dev\/ttyS0$/m);
			terminal.type("sleep 1000");
			await user.until("it sleeps", async () => (await user.run("shopping", "pidof", "sleep")).status === 0);
			terminal.press("C-c");
			terminal.type("echo status $?");
			await terminal.shows(/^status 130$/m);
			terminal.type("exit");
			await terminal.shows(/exit\n\nPlease press Enter[^\n]*$/);
			/** The shell's end hangs its terminal up: the agent, which writes to the same device, goes on. */
			expect(await user.run("shopping", "echo", "alive")).toMatchObject({ status: 0, stdout: "alive\n" });
			terminal.press("Enter");
			await terminal.shows(/press Enter[\s\S]*press Enter[\s\S]*\n\/ #$/);
			terminal.press("C-]");
			await terminal.shows(/left the console of shopping, which runs on\nsame/);
		} finally {
			terminal.close();
		}
	});
});

describe("a command in the guest", () => {
	it("can't open the console, and so not type on it, nor speak as the kernel does", async () => {
		const words =
			"for device in console ttyS0; do true <>/dev/$device && echo opened; done; ls -l /proc/1/fd /proc/*/fd/0";
		const { stdout, stderr } = await user.run("shopping", "sh", "-c", words);
		expect(stdout).not.toContain("opened");
		expect(stderr).toMatch(/\/dev\/console: Permission denied[\s\S]*\/dev\/ttyS0: Permission denied/);
		expect(stdout).not.toMatch(/-> \/dev\/(ttyS0|console)/);
	});
});

describe("without a terminal", () => {
	it("what a shell says right before its exit comes, also where the host reads it late", async () => {
		const running = user.start("qubes-lite", ["console", "shopping"]);
		const rings = user.processes().filter(({ words }) => words.startsWith("dd "));
		const signalRings = (signal: NodeJS.Signals): void => {
			for (const { pid } of rings) signalProcess(pid, signal);
		};
		running.stdin.write("\n");
		await user.until("it has a shell", () => running.stdout().includes("/ # "));
		signalRings("SIGSTOP");
		try {
			/** QEMU's pipe takes the first 64 KiB, and the guest's port as much of the rest as it keeps for its terminal: 4 KiB. */
			running.stdin.write("printf '%067000dlast' 0; : >/tmp/said; exit\n");
			await user.until("it is said", async () => (await user.run("shopping", "test", "-e", "/tmp/said")).status === 0);
		} finally {
			signalRings("SIGCONT");
		}
		await user.until("it can be activated anew", () => /# [\s\S]*press Enter/.test(running.stdout()));
		running.stdin.end();
		expect((await running.done).stdout).toMatch(/0{67000}last/);
	});

	it("a script's lines are run, and the kernel's last words come when the vm stops", async () => {
		const script = user.start("qubes-lite", ["console", "shopping"]);
		script.stdin.write("\nid -u; echo $((6 * 7))\nexit\n");
		await user.until("its output is there", () => /\r\n0\r\n42\r\n/.test(script.stdout()));
		script.stdin.end();
		const { status, stdout } = await script.done;
		expect(status).toBe(0);
		expect(stdout).toMatch(/\r\n0\r\n42\r\n/);
		const running = user.start("qubes-lite", ["console", "shopping"]);
		await user.until("it shows the console", () => running.stdout() !== "");
		await user.sh("qubes-lite stop shopping");
		const outcome = await running.done;
		expect(outcome).toMatchObject({ status: 0, stderr: "shopping has stopped\n" });
		expect(outcome.stdout).toMatch(/reboot: Power down\r?\n$/);
		const kept = await user.sh("qubes-lite logs --console shopping");
		expect(kept.stdout).toContain("reboot: Power down");
	});
});
