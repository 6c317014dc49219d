/** Windows that take more of an image, or of the host, than `npm test` has time for. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Compositor } from "../e2e/compositor.ts";
import { desktopImageWithinMs, desktopPackages, makeDesktopImage } from "../e2e/desktop-image.ts";
import { nothingLeft, TestUser } from "../e2e/harness.ts";
import { UserManager } from "../integration/user-manager.ts";

const withinMs = 600_000;
const windows = { packages: desktopPackages };
/** In that of Debian 12 the X server's window has no title, and can't be closed. */
const toolkits = { packages: ["gtk-4-examples", "xterm", "xwayland"], suite: "trixie" };

let compositor: Compositor;
beforeAll(async () => {
	compositor = new Compositor({ size: { width: 1024, height: 768 } });
	await compositor.start();
});
afterAll(() => compositor.stop());

const titles = (): (string | null)[] => compositor.tree().map(({ name }) => name);
const isThere = (title: RegExp) =>
	compositor.until(`there is ${title}`, () => titles().some((one) => title.test(one ?? "")), withinMs);
const areGone = () => compositor.until("no window is left", () => titles().length === 0, withinMs);
const closeAll = (): void => {
	for (const { id } of compositor.tree()) compositor.message(`[con_id=${id}]`, "kill");
};
const isGreen = () =>
	compositor.until("it is to be seen", () => (compositor.colours().get("00ff00") ?? 0) > 50_000, withinMs);

describe("programs of other toolkits", () => {
	let user: TestUser;
	beforeAll(() => {
		makeDesktopImage(toolkits.packages, toolkits.suite);
		user = new TestUser({
			vms: [{ id: 5, name: "shopping", memory: 1024, idleTimeout: 3, bootTimeout: 300, image: toolkits }],
			env: { WAYLAND_DISPLAY: compositor.socket },
		});
	}, desktopImageWithinMs);
	afterAll(async () => {
		expect(await user.leave(["shopping"])).toEqual(nothingLeft);
	});

	it("one of GTK 4 shows what it draws, and ends with its window", { timeout: 2 * withinMs }, async () => {
		const program = user.start("run-in-vm", ["shopping", "gtk4-demo"]);
		await isThere(/^\[shopping\] GTK Demo$/);
		expect(compositor.tree()).toMatchObject([{ appId: "qubes-lite.shopping.org.gtk.Demo4" }]);
		await compositor.until("its widgets are to be seen", () => compositor.colours().size > 100, withinMs);
		closeAll();
		expect(await program.done).toMatchObject({ status: 0 });
		await areGone();
	});

	it("those of X11 share a window, which ends with the last of them, and comes again", {
		timeout: 3 * withinMs,
	}, async () => {
		const xterm = (...words: readonly string[]) =>
			user.start("run-in-vm", ["shopping", "xterm", "-bg", "#00ff00", ...words, "-e", "sleep", "1000"]);
		const [one, other] = [xterm(), xterm("-geometry", "20x4-0-0")];
		await isThere(/^\[shopping\] Xwayland/);
		await isGreen();
		expect(titles()).toHaveLength(1);
		one.kill("SIGTERM");
		await one.done;
		expect(titles()).toHaveLength(1);
		other.kill("SIGTERM");
		await other.done;
		await areGone();
		const again = xterm();
		await isGreen();
		closeAll();
		expect((await again.done).status).not.toBe(0);
		await user.until("it stops", async () => (await user.status("shopping")).state === "stopped", 180_000);
		expect((await user.status("shopping")).reason).toContain("idle");
	});
});

it("An instance that was kept ready shows its window, and is gone with it.", { timeout: 2 * withinMs }, async () => {
	makeDesktopImage();
	const disp = { id: 15, name: "disp", memory: 768, disposable: true, bootTimeout: 300, image: windows };
	const user = new TestUser({ vms: [{ ...disp, preload: 1 }], env: { WAYLAND_DISPLAY: compositor.socket } });
	const ready = async () => JSON.parse((await user.sh("qubes-lite ls --all --json")).stdout);
	expect((await user.sh("qubes-lite ls")).status).toBe(0);
	await user.until("one is ready", async () => JSON.stringify(await ready()).includes("paused"), withinMs);
	const once = user.start("run-in-vm", [
		"--disposable=disp",
		"foot",
		"-o",
		"colors.background=00ff00",
		"sleep",
		"1000",
	]);
	await isThere(/^\[disp-[0-9a-f]{4}\] /);
	await isGreen();
	closeAll();
	await once.done;
	await areGone();
	user.configure([disp]);
	await user.until("all are gone", () => user.vmmPids().length === 0, withinMs);
	expect(await user.leave([])).toEqual(nothingLeft);
});

it("An offline vm that systemd keeps shows its window.", { timeout: 2 * withinMs }, async () => {
	makeDesktopImage();
	const user = new TestUser({
		vms: [{ id: 13, name: "vault", memory: 768, network: false, idleTimeout: 3, bootTimeout: 300, image: windows }],
		hasManager: true,
	});
	const manager = await UserManager.start(user);
	const systemctl = (...words: string[]) => manager.run("systemctl", "--user", ...words);
	expect(await manager.run("qubes-lite", "install")).toMatchObject({ status: 0 });
	expect(await systemctl("set-environment", `WAYLAND_DISPLAY=${compositor.socket}`)).toMatchObject({ status: 0 });
	const program = user.start("run-in-vm", ["vault", "foot", "-o", "colors.background=00ff00", "sleep", "1000"]);
	await isThere(/^\[vault\] /);
	await isGreen();
	expect(await manager.show("qubes-lite-vault.service", "RestrictAddressFamilies")).toEqual({
		RestrictAddressFamilies: "AF_UNIX",
	});
	closeAll();
	await program.done;
	await user.until("it stops", async () => (await user.status("vault")).state === "stopped", 180_000);
	expect(await manager.run("qubes-lite", "uninstall")).toMatchObject({ status: 0 });
	await manager.stop();
	expect((await user.leave([])).processes).toEqual([]);
});

/** For the guest's Node: a program that opens so many windows by the protocol itself, and says how it ended. */
const opener = (count: number): string => `
const socket = require("net").connect("/run/user/1000/wayland-0");
const message = (object, opcode, ...words) => {
	const bytes = Buffer.alloc(8 + 4 * words.length);
	[object, (bytes.length << 16) | opcode, ...words].forEach((word, index) => bytes.writeUInt32LE(word >>> 0, 4 * index));
	return bytes;
};
const bind = (number, name, id) => {
	const text = Buffer.alloc(4 * Math.ceil((name.length + 1) / 4));
	text.write(name);
	const words = [number, name.length + 1];
	for (let at = 0; at < text.length; at += 4) words.push(text.readUInt32LE(at));
	return message(2, 0, ...words, 1, id);
};
const numbers = {};
let rest = Buffer.alloc(0);
socket.on("data", (chunk) => {
	rest = Buffer.concat([rest, chunk]);
	while (rest.length >= 8 && rest.length >= rest.readUInt16LE(6)) {
		const size = rest.readUInt16LE(6);
		if (rest.readUInt32LE(0) === 2) numbers[rest.toString("latin1", 16, 15 + rest.readUInt32LE(12))] = rest.readUInt32LE(8);
		if (rest.readUInt32LE(0) === 3) open();
		rest = rest.subarray(size);
	}
});
const open = () => {
	socket.write(bind(numbers.wl_compositor, "wl_compositor", 4));
	socket.write(bind(numbers.xdg_wm_base, "xdg_wm_base", 5));
	for (let id = 6; id < 6 + 3 * ${count}; id += 3)
		socket.write(Buffer.concat([message(4, 0, id), message(5, 2, id + 1, id), message(id + 1, 1, id + 2), message(id, 6)]));
};
socket.on("error", () => {}).on("close", () => process.exit(7));
socket.write(Buffer.concat([message(1, 1, 2), message(1, 0, 3)]));
`;

it("10,000 windows cut the display of their vm, and of no other.", { timeout: 2 * withinMs }, async () => {
	makeDesktopImage();
	const common = { memory: 768, bootTimeout: 300, image: windows };
	const user = new TestUser({
		vms: [
			{ ...common, id: 5, name: "shopping" },
			{ ...common, id: 9, name: "work" },
		],
		env: { WAYLAND_DISPLAY: compositor.socket },
	});
	const neighbour = user.start("run-in-vm", ["work", "foot", "-o", "colors.background=00ff00", "sleep", "1000"]);
	await isThere(/^\[work\] /);
	/** So many are allowed. */
	const few = user.start("run-in-vm", ["shopping", "/usr/lib/qubes-lite/node", "-e", opener(200)]);
	await user.until("it runs", async () => (await user.status("shopping")).sessions === 1, withinMs);
	await new Promise((resolve) => setTimeout(resolve, 5_000));
	few.kill("SIGTERM");
	expect((await few.done).status).toBe(143);
	expect(await user.run("shopping", "/usr/lib/qubes-lite/node", "-e", opener(10_000))).toMatchObject({
		...{ status: 7, stdout: "" },
		stderr: expect.stringContaining("the display of shopping was cut: it opened more than 200 windows"),
	});
	expect(titles()).toHaveLength(1);
	await isGreen();
	expect(await user.run("shopping", "echo", "still there")).toMatchObject({ status: 0, stdout: "still there\n" });
	neighbour.kill("SIGTERM");
	await neighbour.done;
	expect(await user.leave(["shopping", "work"])).toEqual(nothingLeft);
});
