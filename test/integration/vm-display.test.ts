/**
 * The helper that keeps a vm's windows, as a process, with a real compositor and real programs. There is no guest: what `waypipe server` says in one, it says here to the same
 * socket, where vhost-device-vsock would.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type DisplayEvent, DisplayLink } from "../../src/broker/display-link.ts";
import {
	type ClipKind,
	type ClipMove,
	type DisplayNotice,
	type DisplayState,
	displayFrame,
	encodeRead,
	encodeWatch,
	encodeWrite,
	fromDisplayLimits,
	parseClipKind,
	parseMoved,
	parseNotice,
	parseState,
} from "../../src/protocol/display.ts";
import { encodeFrame, type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { Compositor } from "../e2e/compositor.ts";
import { findFrequency, makeTone, rate, SoundServer } from "../e2e/sound-server.ts";
import { until } from "../fakes/fake-vmm-host.ts";

const script = fileURLToPath(new URL("../../dist/vm-display.cjs", import.meta.url));

let compositor: Compositor;
beforeAll(async () => {
	compositor = new Compositor();
	await compositor.start();
});
afterAll(async () => await compositor.stop());

let directory: string;
let helper: ChildProcess;
const programs: ChildProcess[] = [];
let watcher: Socket | undefined;

beforeEach(async () => {
	directory = join(mkdtempSync(join(tmpdir(), "ql-display-")), "qubes-lite", "shopping");
	mkdirSync(directory, { recursive: true, mode: 0o700 });
	const words = ["--vm", "shopping", "--directory", directory, "--windows", "waypipe", "--sound", "playback"];
	helper = spawn(process.execPath, [script, ...words], {
		stdio: ["ignore", "ignore", "inherit"],
		env: { PATH: process.env.PATH },
	});
	await until("it listens", () => existsSync(join(directory, "display.sock")));
});

afterEach(async () => {
	watcher?.destroy();
	for (const program of programs.splice(0)) await close(program);
	await ended(helper, "SIGTERM");
	expect(readdirSync(directory)).toEqual([]);
	rmSync(join(directory, "../.."), { recursive: true });
	await compositor.until("no window is left", () => compositor.tree().length === 0);
});

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
	child.kill(signal);
	await exited(child);
}

async function exited(child: ChildProcess): Promise<void> {
	if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** With what it has started. */
async function close(program: ChildProcess): Promise<void> {
	if (program.pid === undefined) return;
	try {
		process.kill(-program.pid, "SIGTERM");
	} catch {}
	await exited(program);
}

/** What the broker hears. */
interface Heard {
	state: DisplayState;
	readonly notices: DisplayNotice[];
	readonly moves: ClipMove[];
}

function watch(wayland: string | null): Heard {
	const heard: Heard = { state: { helper: 0, windows: [], cut: null }, notices: [], moves: [] };
	const decoder = new FrameDecoder(fromDisplayLimits);
	watcher = connect(join(directory, "display.sock"));
	watcher.on("data", (chunk: Buffer) =>
		decoder.push(chunk, ({ type, payload }) => {
			if (type === displayFrame.state) heard.state = parseState(payload);
			if (type === displayFrame.notice) heard.notices.push(parseNotice(payload));
			if (type === displayFrame.moved) heard.moves.push(parseMoved(payload));
		}),
	);
	watcher.write(encodeWatch({ wayland }));
	return heard;
}

/** In a guest. */
function run(...command: readonly string[]): ChildProcess {
	const words = [
		"--compress",
		"none",
		"--no-gpu",
		"--socket",
		join(directory, "vsock_6000"),
		"server",
		"--",
		...command,
	];
	const child = spawn("waypipe", words, {
		detached: true,
		stdio: ["ignore", "pipe", "ignore"],
		env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: join(directory, "../.."), HOME: directory, LANG: "C.UTF-8" },
	});
	programs.push(child);
	return child;
}

/** What it says to a question until it closes. */
async function ask(question: Buffer): Promise<Frame[]> {
	const frames: Frame[] = [];
	const decoder = new FrameDecoder(fromDisplayLimits);
	const socket = connect(join(directory, "display.sock"));
	socket.on("data", (chunk: Buffer) => decoder.push(chunk, (frame) => frames.push(frame)));
	socket.write(question);
	await once(socket, "close");
	return frames;
}

const foot = ["foot", "--title", "a title", "sh", "-c", "sleep 1000"];

test("shows a program's window with its vm's name, and tells of it until it is closed", async () => {
	const heard = watch(compositor.socket);
	const program = run(...foot);
	await compositor.until("the window is there", () => compositor.tree().length === 1);
	expect(compositor.tree()).toMatchObject([{ name: "[shopping] a title", appId: "qubes-lite.shopping.foot" }]);
	await until("it is told", () => heard.state.windows.length === 1);
	expect(heard.state).toMatchObject({ windows: [{ title: "a title", app: "foot" }], cut: null });
	await close(program);
	await until("it is told", () => heard.state.windows.length === 0);
});

test("says why a window is not to be seen where there is no compositor", async () => {
	const heard = watch(null);
	run(...foot);
	await until("it is told that there is none", () => heard.notices.length === 1);
	expect(heard.notices).toMatchObject([
		{
			message:
				"a program in shopping has a window, and there is no Wayland session on this host: WAYLAND_DISPLAY is not set",
		},
	]);
	expect(compositor.tree()).toEqual([]);
});

test("ends programs' connections when the compositor ends, and shows windows on the next one", async () => {
	const own = new Compositor();
	await own.start();
	const heard = watch(own.socket);
	const program = run(...foot);
	await until("the window is there", () => heard.state.windows.length === 1, 20_000);
	await own.stop();
	await until("it is told", () => heard.state.windows.length === 0);
	await exited(program);
	watcher?.destroy();
	const again = watch(compositor.socket);
	run(...foot);
	await until("the window is there", () => again.state.windows.length === 1, 20_000);
	const helpers = () => readdirSync(directory).filter((name) => name.startsWith("wp-"));
	await until("the first one's is gone", () => helpers().length === 1);
	expect(helpers()).toHaveLength(1);
});

test("cuts the display of a vm that sends garbage, with a sentence, and takes no more from it", async () => {
	const heard = watch(compositor.socket);
	run(...foot);
	await until("the window is there", () => heard.state.windows.length === 1, 20_000);
	const hostile = connect(join(directory, "vsock_6000"));
	hostile.on("error", () => {});
	hostile.write(Buffer.alloc(64 * 1024, 0xff));
	await once(hostile, "close");
	await until("it is told", () => heard.state.cut !== null && heard.state.windows.length === 0);
	expect(heard.state.cut).toMatch(/^the display of shopping was cut: /);
	expect(heard.notices).toEqual([{ message: heard.state.cut, remedy: expect.stringContaining("restart shopping") }]);
	const late = connect(join(directory, "vsock_6000"));
	late.on("error", () => {});
	await once(late, "close");
	await compositor.until("the compositor goes on", () => compositor.tree().length === 0);
});

test("gives what the vm's programs have copied, and lets them paste what the host has, each because somebody asks", async () => {
	const heard = watch(compositor.socket);
	expect(await ask(encodeRead())).toMatchObject([{ type: displayFrame.refused }]);
	const owner = run("wl-copy", "--foreground", "from the guest");
	let read: Frame[] = [];
	await compositor.until("it is copied", async () => {
		read = await ask(encodeRead());
		return read[0]?.type === displayFrame.content;
	});
	expect(kindOf(read)).toBe("text");
	expect(read[1]?.payload.toString()).toBe("from the guest");
	await until("it is told", () => heard.moves.length > 0);
	expect(heard.moves).toContainEqual({ way: "copy", kind: "text", bytes: 14 });

	expect(await ask(encodeWrite("text", Buffer.from("from the host")))).toMatchObject([{ type: displayFrame.done }]);
	await exited(owner);
	const paste = run("wl-paste", "--no-newline");
	const text: Buffer[] = [];
	for await (const chunk of paste.stdout ?? []) text.push(chunk);
	expect(Buffer.concat(text).toString()).toBe("from the host");
	await until("that is told, too", () => heard.moves.some(({ way }) => way === "paste"));
	expect(heard.moves).toContainEqual({ way: "paste", kind: "text", bytes: 13 });
});

const kindOf = ([about]: readonly Frame[]): ClipKind | undefined => about && parseClipKind(about.payload);

test("lets the vm's programs be heard by the host's sound server, under its name", async () => {
	const host = await SoundServer.start({ runtime: join(directory, "../..") });
	try {
		const server = join(directory, "vsock_6001");
		const player = host.spawn("pacat", ["--raw", "--format=s16le", "--channels=1", `--rate=${rate}`], server);
		player.stdin?.on("error", () => {}).end(makeTone(440, 60));
		await compositor.until(
			"it plays",
			async () => (await host.pactl("list", "sink-inputs")).includes("[shopping] pacat"),
			20_000,
		);
		await compositor.until("it is heard", async () => Math.abs(findFrequency(await host.record(0.5)) - 440) < 10);
		player.kill("SIGKILL");
		await compositor.until(
			"it is silent",
			async () => !(await host.pactl("list", "sink-inputs")).includes("[shopping]"),
			20_000,
		);
		expect(await host.run("pactl", ["load-module", "module-null-sink"], { server })).toMatchObject({ status: 1 });
	} finally {
		await host.stop();
	}
});

test("is told to have ended where it has, and its vm goes on", async () => {
	const events: DisplayEvent[] = [];
	const link = new DisplayLink(
		directory,
		() => null,
		(event) => events.push(event),
	);
	link.open();
	await until("it is there", () => events.length === 1);
	await ended(helper, "SIGKILL");
	await until("it is told", () => events.some(({ type }) => type === "notice"));
	link.close();
	const cut = "the display of shopping was cut: its helper vm-display has ended";
	expect(link.state).toEqual({ windows: [], cut });
	expect(events.at(-1)).toMatchObject({ type: "notice", message: cut });
	for (const name of readdirSync(directory)) rmSync(join(directory, name));
});

test("says so where the configuration gives the vm no windows", async () => {
	await ended(helper, "SIGTERM");
	helper = spawn(process.execPath, [script, "--vm", "shopping", "--directory", directory, "--windows", "none"], {
		stdio: ["ignore", "ignore", "inherit"],
		env: { PATH: process.env.PATH },
	});
	await until("it listens", () => existsSync(join(directory, "display.sock")));
	const heard = watch(compositor.socket);
	const program = run(...foot);
	await until("it is told", () => heard.notices.length === 1);
	expect(heard.notices).toEqual([
		{
			message: 'a program in shopping has a window, and "display" of shopping is "none"',
			remedy: '"display": "auto" in the configuration, then: qubes-lite restart shopping',
		},
	]);
	await exited(program);
});

test("refuses frames that it does not know, and goes on", async () => {
	expect(await ask(encodeFrame(0x20))).toMatchObject([{ type: displayFrame.refused }]);
	expect(await ask(encodeRead())).toMatchObject([{ type: displayFrame.refused }]);
});
