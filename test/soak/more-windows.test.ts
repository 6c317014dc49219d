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
