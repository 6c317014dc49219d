/** A terminal that a test can look at and type on: tmux with a server, a window and a shell of its own. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { TestUser } from "./harness.ts";

export class Terminal {
	readonly #user: TestUser;
	readonly #socket: string;

	constructor(user: TestUser, size = { columns: 100, rows: 30 }) {
		this.#user = user;
		this.#socket = join(user.directory, `tmux-${Math.random().toString(36).slice(2, 8)}`);
		const shell = ["env", "-i", ...Object.entries(user.env).map(([name, value]) => `${name}=${value}`)];
		this.#tmux(
			...["-f", "/dev/null", "new-session", "-d", "-x", String(size.columns), "-y", String(size.rows)],
			...[...shell, "TERM=tmux-256color", "PS1=$ ", "bash", "--norc", "--noprofile", "-i"],
		);
		/** tmux would take the clipboard from who asks (OSC 52), and a title from who sets one: so a leak is seen. */
		this.#tmux("set-option", "-g", "set-clipboard", "on");
		this.#tmux("set-option", "-g", "allow-rename", "on");
	}

	/** Types a line and Enter. */
	type(line: string): void {
		this.keys(line);
		this.press("Enter");
	}

	/** Types, without Enter. */
	keys(text: string): void {
		this.#tmux("send-keys", "-l", "--", text);
	}

	/** Keys by tmux's names: "C-c", "Enter". */
	press(...keys: string[]): void {
		this.#tmux("send-keys", ...keys);
	}

	/** What is to be seen, without trailing blank lines. */
	screen(): string {
		return this.#tmux("capture-pane", "-p").trimEnd();
	}

	/** With the lines that have scrolled away. */
	history(): string {
		return this.#tmux("capture-pane", "-p", "-S", "-").trimEnd();
	}

	/** A format of tmux(1), as in "#{pane_title}". */
	fact(format: string): string {
		return this.#tmux("display-message", "-p", format).trimEnd();
	}

	clipboard(): string {
		return this.#tmux("list-buffers");
	}

	resize(columns: number, rows: number): void {
		this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
	}

	/** Waits until the screen shows `what`; a hang bound, not a measurement. */
	async shows(what: RegExp, withinMs = 60_000): Promise<string> {
		try {
			await this.#user.until(`the terminal shows ${what}`, () => what.test(this.screen()), withinMs);
		} catch (cause) {
			throw new Error(`${(cause as Error).message}\nthe screen:\n${this.screen()}`);
		}
		return this.screen();
	}

	close(): void {
		this.#tmux("kill-server");
	}

	#tmux(...words: string[]): string {
		const { stdout, stderr, status } = spawnSync("tmux", ["-S", this.#socket, ...words], { env: this.#user.env });
		if (status !== 0) throw new Error(`tmux ${words[0]}: ${stderr}`);
		return stdout.toString();
	}
}
