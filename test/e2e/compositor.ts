/**
 * A Wayland compositor without a screen, for tests, the demo and pictures: sway with one output that is drawn in memory, and a
 * keyboard that nobody types on, since without one no window ever has the focus (and so no clipboard).
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Nobody's, in Debian. */
const nobody = 65534;

export interface CompositorOptions {
	/** Who sway is, since it refuses to be root: nobody if absent and the tests are root's, else the tests' own user. */
	readonly uid?: number;
	/** Of the one output, in pixels. */
	readonly size?: { readonly width: number; readonly height: number };
	/** Lines of sway(5) behind ours. */
	readonly config?: string;
}

/** A window, as sway has it in its tree. */
export interface TreeWindow {
	readonly id: number;
	/** Its title. */
	readonly name: string | null;
	readonly appId: string | null;
	readonly pid: number;
	readonly focused: boolean;
	readonly rect: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

interface Node {
	readonly id: number;
	readonly name: string | null;
	readonly app_id?: string | null;
	readonly pid?: number;
	readonly focused: boolean;
	readonly rect: TreeWindow["rect"];
	readonly nodes?: readonly Node[];
	readonly floating_nodes?: readonly Node[];
}

/** Start it in `beforeAll`, stop it in `afterAll`: `stop` ends its processes and removes its directory, whatever happened. */
export class Compositor {
	/** XDG_RUNTIME_DIR of its clients: 0700, sway's user's. Programs of that user's or of root's may connect. */
	readonly directory: string;
	readonly uid: number | undefined;
	readonly #size: { readonly width: number; readonly height: number };
	readonly #config: string;
	readonly #children: ChildProcess[] = [];
	#keyboard: ChildProcess | undefined;
	#display = "";
	#socket = "";

	constructor(options: CompositorOptions = {}) {
		this.directory = mkdtempSync(join(tmpdir(), "ql-sway-"));
		this.uid = options.uid ?? (process.getuid?.() === 0 ? nobody : undefined);
		this.#size = options.size ?? { width: 800, height: 600 };
		this.#config = options.config ?? "";
		if (this.uid !== undefined) chownSync(this.directory, this.uid, this.uid);
	}

	/** What a client's environment needs besides PATH; of use once it has started. */
	get env(): Record<string, string> {
		return {
			XDG_RUNTIME_DIR: this.directory,
			WAYLAND_DISPLAY: this.#display,
			SWAYSOCK: this.#socket,
			XDG_SESSION_TYPE: "wayland",
		};
	}

	/** The path of the display's socket. */
	get socket(): string {
		return join(this.directory, this.#display);
	}

	/** Resolves when windows can come and one of them would have the keyboard. */
	async start(): Promise<void> {
		const { width, height } = this.#size;
		const config = join(this.directory, "sway.conf");
		const lines = [
			`output * resolution ${width}x${height} position 0 0`,
			"output * bg #2e3440 solid_color",
			"xwayland disable",
			"focus_follows_mouse no",
			this.#config,
		];
		writeFileSync(config, `${lines.join("\n")}\n`);
		this.#spawn("sway", ["-c", config], {
			WLR_BACKENDS: "headless",
			WLR_RENDERER: "pixman",
			WLR_LIBINPUT_NO_DEVICES: "1",
		});
		await this.until("sway has its sockets", () => {
			const names = readdirSync(this.directory);
			this.#display = names.find((name) => /^wayland-[0-9]+$/.test(name)) ?? "";
			this.#socket = join(this.directory, names.find((name) => name.startsWith("sway-ipc.")) ?? "");
			return this.#display !== "" && this.#socket !== this.directory && this.#isUp();
		});
		await this.#plugKeyboard();
	}

	/** Ends it, its clients lose their connections. Safe to call in any state, also twice. */
	async stop(): Promise<void> {
		for (const child of this.#children.splice(0).reverse()) await end(child);
		rmSync(this.directory, { recursive: true, force: true });
	}

	/** All windows there are, in sway's order. */
	tree(): TreeWindow[] {
		const root: Node = JSON.parse(this.message("-t", "get_tree"));
		const windows: TreeWindow[] = [];
		const visit = (node: Node): void => {
			if (node.pid !== undefined) {
				const { id, name, pid, focused, rect } = node;
				windows.push({ id, name, appId: node.app_id ?? null, pid, focused, rect });
			}
			for (const child of [...(node.nodes ?? []), ...(node.floating_nodes ?? [])]) visit(child);
		};
		visit(root);
		return windows;
	}

	/** swaymsg's answer; throws with its words where it fails. */
	message(...words: string[]): string {
		const { status, stdout, stderr } = this.#run("swaymsg", words);
		if (status !== 0) throw new Error(`swaymsg ${words.join(" ")}: ${stderr}${stdout}`);
		return stdout.toString();
	}

	/** Runs a program of the host's to its end, and waits for it without turning to anything else; for what is not served by the caller itself. */
	run(program: string, words: readonly string[]): { status: number | null; stdout: string; stderr: string } {
		const { status, stdout, stderr } = this.#run(program, words);
		return { status, stdout: stdout.toString(), stderr: stderr.toString() };
	}

	/** Writes what is to be seen as a PNG. */
	screenshot(path: string): void {
		const { status, stderr } = this.#run("grim", [path]);
		if (status !== 0) throw new Error(`grim: ${stderr}`);
	}

	/** How many of the pixels that are to be seen have each colour, by its three bytes in hex. */
	colours(): ReadonlyMap<string, number> {
		// P6: three words, and behind one blank three bytes for each pixel (netpbm's ppm(5)).
		const { stdout, status, stderr } = this.#run("grim", ["-t", "ppm", "-"]);
		if (status !== 0) throw new Error(`grim: ${stderr}`);
		const head = /^P6\s+\d+\s+\d+\s+255\s/.exec(stdout.toString("latin1", 0, 64))?.[0] ?? "";
		const counts = new Map<string, number>();
		for (let at = head.length; at + 3 <= stdout.length; at += 3) {
			const colour = stdout.toString("hex", at, at + 3);
			counts.set(colour, (counts.get(colour) ?? 0) + 1);
		}
		return counts;
	}

	/** Types `text` into the window that has the keyboard. Resolves when it is sent. */
	async type(text: string): Promise<void> {
		const { status, stderr } = this.#run("wtype", [text]);
		if (status !== 0) throw new Error(`wtype: ${stderr}`);
		// wtype has taken its keyboard with it, and sway does not go back to another by itself.
		const resting = this.#keyboard;
		this.#keyboard = undefined;
		if (resting !== undefined) await end(resting);
		await this.#plugKeyboard();
	}

	/** Polls until `isReached`; a hang bound, not a measurement. */
	async until(what: string, isReached: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
		const deadline = performance.now() + withinMs;
		while (!(await isReached())) {
			if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}\n${this.log()}`);
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	}

	/** What sway and the keyboard have said. */
	log(): string {
		const path = join(this.directory, "log");
		return existsSync(path) ? readFileSync(path, "utf8") : "";
	}

	async #plugKeyboard(): Promise<void> {
		// It is there as long as wtype sleeps, in milliseconds.
		this.#keyboard = this.#spawn("wtype", ["-s", "2000000000"], this.env);
		await this.until("sway has a keyboard", () => this.message("-t", "get_inputs").includes("keyboard"));
	}

	#isUp(): boolean {
		return this.#run("swaymsg", ["-t", "get_version"]).status === 0;
	}

	#run(program: string, words: readonly string[]) {
		return spawnSync(program, words, {
			env: { PATH: process.env.PATH, ...this.env },
			timeout: 20_000,
			maxBuffer: 64 * 1024 * 1024,
		});
	}

	#spawn(program: string, words: readonly string[], environment: Record<string, string>): ChildProcess {
		// Whatever becomes of who has started it, it is not left behind.
		const become = ["--pdeathsig", "TERM", ...identityWords(this.uid)];
		const logged = ["sh", "-c", 'exec "$0" "$@" >>"$XDG_RUNTIME_DIR/log" 2>&1'];
		const child = spawn("setpriv", [...become, ...logged, program, ...words], {
			env: {
				PATH: process.env.PATH,
				LANG: "C.UTF-8",
				HOME: this.directory,
				XDG_RUNTIME_DIR: this.directory,
				...environment,
			},
			stdio: "ignore",
			cwd: this.directory,
		});
		child.on("error", () => {});
		this.#children.push(child);
		return child;
	}
}

/** For setpriv(1). */
export const identityWords = (uid: number | undefined): readonly string[] =>
	uid === undefined ? [] : [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];

/** Resolves when it is gone. */
async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
	const gone = new Promise((resolve) => child.once("exit", resolve));
	child.kill("SIGTERM");
	const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
	await gone;
	clearTimeout(late);
}
