/** Programs of real guests whose windows stand on a real compositor: from a stopped vm to the window, and from the last window to a stopped vm. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Compositor } from "./compositor.ts";
import { desktopImageWithinMs, desktopPackages, makeDesktopImage } from "./desktop-image.ts";
import { nothingLeft, type Running, signalProcess, TestUser } from "./harness.ts";
import { findFrequency, rate, SoundServer } from "./sound-server.ts";

const image = { packages: desktopPackages };
const common = { memory: 768, image, bootTimeout: 300 };

let compositor: Compositor;
let user: TestUser;
let empty: ReadonlyMap<string, number>;

beforeAll(async () => {
	makeDesktopImage();
	compositor = new Compositor();
	await compositor.start();
	empty = compositor.colours();
	user = new TestUser({
		vms: [
			{ ...common, id: 5, name: "shopping", idleTimeout: 30 },
			{ ...common, id: 15, name: "disp", disposable: true },
		],
		env: { WAYLAND_DISPLAY: compositor.socket },
	});
}, desktopImageWithinMs);

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
	await compositor.stop();
});

const titles = (): (string | null)[] => compositor.tree().map(({ name }) => name);
const isThere = (title: string) => compositor.until(`there is ${title}`, () => titles().includes(title), 120_000);
const areGone = () => compositor.until("no window is left", () => titles().length === 0, 60_000);
/** As by its button. */
const close = (title: string): string => compositor.message(`[title="^${title.replace(/[[\]]/g, "\\$&")}$"]`, "kill");

/** Until its next boot: before that nothing is in a hurry. */
const stopSoon = async (): Promise<void> =>
	expect((await user.sh("qubes-lite set shopping idleTimeout=3")).status).toBe(0);

/** A terminal that is green all over, which nothing else is. */
const green = (title: string, ...command: readonly string[]): string[] => [
	...["foot", "--title", title, "-o", "colors.background=00ff00", ...command],
];
const isGreen = () =>
	compositor.until("it is to be seen", () => (compositor.colours().get("00ff00") ?? 0) > 100_000, 120_000);

let first: Running;

it("says on the terminal why a window is not to be seen, and runs what needs none", async () => {
	user.env.WAYLAND_DISPLAY = "";
	const graphical = await user.run("shopping", "foot", "true");
	expect(graphical.status).not.toBe(0);
	expect(graphical.stderr).toContain(
		"run-in-vm: a program in shopping has a window, and there is no Wayland session on this host: WAYLAND_DISPLAY is not set\n  → ",
	);
	expect(await user.run("shopping", "uname", "-n")).toMatchObject({ status: 0, stdout: "shopping\n", stderr: "" });
	// The same broker, and the same vm: whoever asks has a session.
	user.env.WAYLAND_DISPLAY = compositor.socket;
	const seen = user.start("run-in-vm", ["shopping", ...green("now", "sh", "-c", "sleep 1000")]);
	await isThere("[shopping] now");
	seen.kill("SIGTERM");
	await seen.done;
	await areGone();
});

it("shows what is typed into its window to the program in the guest", async () => {
	const path = `/tmp/typed-${process.pid}`;
	const typing = user.start("run-in-vm", [
		"shopping",
		...green("typing", "sh", "-c", `read word; echo $word >${path}`),
	]);
	await isThere("[shopping] typing");
	await compositor.until("it has the keyboard", () =>
		compositor.tree().some(({ name, focused }) => focused && name === "[shopping] typing"),
	);
	await compositor.type("hello\n");
	expect(await typing.done).toMatchObject({ status: 0 });
	expect(await user.run("shopping", "cat", path)).toMatchObject({ stdout: "hello\n" });
});

/** Of 440 Hz, for 20 s. */
function playTone() {
	const format = `--raw --format=s16le --channels=1 --rate=${rate}`;
	const tone = `seq 0 ${rate * 20} | awk '{ v = int(8000 * sin($1 * 440 * 6.2831853 / ${rate})); if (v < 0) v += 65536; printf "%c%c", v % 256, int(v / 256) }' | pacat ${format}`;
	return user.start("run-in-vm", ["-e", "LC_ALL=C", "--shell", tone, "shopping"]);
}

async function isHeard(host: SoundServer): Promise<void> {
	await user.until("it plays", async () => (await host.pactl("list", "sink-inputs")).includes("[shopping] pacat"));
	await user.until("it is heard", async () => Math.abs(findFrequency(await host.record(0.5)) - 440) < 10);
}

it("lets its programs be heard, and not hear", async () => {
	const host = await SoundServer.start({ runtime: user.directory });
	try {
		const playing = playTone();
		await isHeard(host);
		playing.kill("SIGKILL");
		const hearing = await user.run("shopping", "timeout", "10", "parec", "--raw");
		expect(hearing).toMatchObject({ status: 1, stdout: "" });
	} finally {
		await host.stop();
	}
});

/** It draws without an end. */
const busy = (title: string) =>
	user.start("run-in-vm", ["shopping", ...green(title, "sh", "-c", "while :; do seq 9999; done")]);

it("ends a program that draws when its helper is killed, and has another helper for the next", async () => {
	const drawing = busy("drawing");
	await isThere("[shopping] drawing");
	const helper = (): number | undefined =>
		user.processes().find(({ words }) => /^\S*node .*vm-display\.cjs/.test(words))?.pid;
	const before = helper();
	signalProcess(before, "SIGKILL");
	expect((await drawing.done).status).not.toBe(0);
	await areGone();
	await user.until("its windows are lost, and it is not cut", async () => (await user.leases("shopping")).length === 0);
	await user.until("there is another", () => helper() !== undefined && helper() !== before);
	await user.until("it serves", () => user.log().includes("its helper vm-display has ended, and it has another one"));
	const again = busy("again");
	await isThere("[shopping] again");
	again.kill("SIGTERM");
	await again.done;
	await areGone();
});

it("ends a program that draws when the compositor ends, and shows the next one on the next", async () => {
	const drawing = busy("drawing");
	await isThere("[shopping] drawing");
	await compositor.stop();
	expect((await drawing.done).status).not.toBe(0);
	expect(await user.run("shopping", "echo", "still there")).toMatchObject({ status: 0, stdout: "still there\n" });
	compositor = new Compositor();
	await compositor.start();
	user.env.WAYLAND_DISPLAY = compositor.socket;
	const again = busy("again");
	await isThere("[shopping] again");
	again.kill("SIGTERM");
	await again.done;
	await areGone();
});

it("moves what is copied by clip alone, both ways", async () => {
	expect(await user.sh("printf 'from the host' | qubes-lite clip paste --stdin shopping")).toMatchObject({ status: 0 });
	expect(await user.sh("qubes-lite clip copy --stdout shopping")).toMatchObject({ status: 0, stdout: "from the host" });
});

it("cuts the display of a guest that sends garbage, says so, and goes on with the vm", async () => {
	const seen = user.start("run-in-vm", ["shopping", ...green("seen", "sh", "-c", "sleep 1000")]);
	await isThere("[shopping] seen");
	const node =
		"require('net').connect('/run/qubes-lite-display/windows').on('error', () => {}).on('close', () => process.exit(0)).write(Buffer.alloc(65536, 255))";
	expect(await user.run("shopping", "/usr/lib/qubes-lite/node", "-e", node)).toMatchObject({ status: 0 });
	await areGone();
	expect((await seen.done).stderr).toContain("run-in-vm: the display of shopping was cut: ");
	expect((await user.sh("qubes-lite why shopping")).stdout).toContain("the display of shopping was cut: ");
	expect(await user.run("shopping", "echo", "still there")).toMatchObject({ status: 0, stdout: "still there\n" });
	expect(compositor.colours().get("00ff00")).toBeUndefined();
	const host = await SoundServer.start({ runtime: user.directory });
	try {
		const playing = playTone();
		await isHeard(host);
		playing.kill("SIGKILL");
	} finally {
		await host.stop();
	}
	await stopSoon();
	await user.until("it stops", async () => (await user.status("shopping")).state === "stopped", 60_000);
});

it("boots a stopped vm for a program, whose window stands on the host with the vm's name, and is to be seen", async () => {
	first = user.start("run-in-vm", ["shopping", ...green("one", "sh", "-c", "sleep 1000")]);
	await isThere("[shopping] one");
	expect(compositor.tree()).toMatchObject([{ name: "[shopping] one", appId: "qubes-lite.shopping.foot" }]);
	expect(empty.get("00ff00")).toBeUndefined();
	await isGreen();
	await user.until("it is a lease", async () => (await user.leases("shopping")).includes('the window "one"'));
});

it("keeps the window when the broker is killed, and the next broker knows of it", async () => {
	await user.endBrokers();
	expect(titles()).toEqual(["[shopping] one"]);
	await user.until("it is a lease", async () => (await user.leases("shopping")).includes('the window "one"'));
});

/** What the same program ends with here, when its window is closed. */
async function statusHere(...command: readonly string[]): Promise<number | null> {
	const [program = "", ...words] = green("here", ...command);
	const here = spawn(program, words, { env: { ...process.env, ...compositor.env }, stdio: "ignore" });
	const ended = once(here, "exit");
	await isThere("here");
	close("here");
	const [status] = await ended;
	return status;
}

it("ends the command as here when its window is closed, and keeps the vm for another window, whoever has started its program", async () => {
	const line = `systemd-run --user --quiet ${green("alone", "sh", "-c", "'sleep 1000'").join(" ")}`;
	expect(await user.run("--shell", line, "shopping")).toMatchObject({ status: 0 });
	await isThere("[shopping] alone");
	const status = await statusHere("sh", "-c", "sleep 1000");
	close("[shopping] one");
	expect(await first.done).toMatchObject({ status, signal: null });
	await user.until("it is all that keeps it", async () => {
		const leases = await user.leases("shopping");
		return leases.length === 1 && leases[0] === 'the window "alone"';
	});
});

it("stops the vm by idleness after its last window", async () => {
	close("[shopping] alone");
	await areGone();
	await stopSoon();
	await user.until("it stops", async () => (await user.status("shopping")).state === "stopped", 60_000);
	expect((await user.status("shopping")).reason).toContain("idle");
});

it("lets a disposable go with its last window", async () => {
	const browser = user.start("run-in-vm", ["--disposable", ...green("once", "sh", "-c", "sleep 1000")]);
	await compositor.until(
		"it is there",
		() => titles().some((title) => /^\[disp-[0-9a-f]{4}\] once$/.test(title ?? "")),
		120_000,
	);
	close(titles()[0] ?? "");
	await browser.done;
	await user.until("it is gone", async () => !(await user.sh("qubes-lite ls -q")).stdout.includes("disp-"));
	await user.until("its vmm, too", () => user.vmmPids().length === 0);
});
