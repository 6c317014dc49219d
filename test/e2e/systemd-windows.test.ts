/** Windows of vms that systemd keeps: what carries them runs inside the vm's unit, with all that the unit forbids. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { UserManager } from "../integration/user-manager.ts";
import { Compositor } from "./compositor.ts";
import { desktopImageWithinMs, desktopPackages, makeDesktopImage } from "./desktop-image.ts";
import { TestUser } from "./harness.ts";
import { SoundServer } from "./sound-server.ts";

const common = { memory: 768, image: { packages: desktopPackages }, bootTimeout: 300 };

let compositor: Compositor;
let user: TestUser;
let manager: UserManager;
const systemctl = (...words: string[]) => manager.run("systemctl", "--user", ...words);

beforeAll(async () => {
	makeDesktopImage();
	compositor = new Compositor();
	await compositor.start();
	user = new TestUser({
		vms: [
			{ ...common, id: 5, name: "shopping", idleTimeout: 3 },
			{ ...common, id: 15, name: "disp", disposable: true },
		],
		hasManager: true,
	});
	manager = await UserManager.start(user);
	expect(await manager.run("qubes-lite", "install")).toMatchObject({ status: 0 });
	/** As desktops do when a session begins: later than the manager, and than the installation. */
	expect(await systemctl("set-environment", `WAYLAND_DISPLAY=${compositor.socket}`)).toMatchObject({ status: 0 });
}, desktopImageWithinMs);

afterAll(async () => {
	await user.sh("qubes-lite stop --force shopping");
	expect(await manager.run("qubes-lite", "uninstall")).toMatchObject({ status: 0 });
	await manager.stop();
	expect((await user.leave([])).processes).toEqual([]);
	await compositor.stop();
});

const titles = (): (string | null)[] => compositor.tree().map(({ name }) => name);
const foot = (title: string): string[] => ["foot", "--title", title, "sh", "-c", "sleep 1000"];
const isThere = (title: RegExp) =>
	compositor.until(`there is ${title}`, () => titles().some((name) => title.test(name ?? "")), 180_000);
const isLease = () =>
	user.until("it is a lease", async () => (await user.leases("shopping")).includes('the window "one"'));

it("shows a window of a vm that is a unit, plays its sound, and copies to it and from it", async () => {
	const first = user.start("run-in-vm", ["shopping", ...foot("one")]);
	await isThere(/^\[shopping\] one$/);
	expect((await manager.show("qubes-lite-shopping.service", "ActiveState")).ActiveState).toBe("active");
	await isLease();
	/** It has the unit's filter. */
	const waypipe = user.processes().find(({ words }) => /^\S*\/waypipe /.test(words));
	expect(readFileSync(`/proc/${waypipe?.pid}/status`, "utf8")).toMatch(/^NoNewPrivs:\t1\nSeccomp:\t2$/m);
	expect(await user.sh("printf 'from the host' | qubes-lite clip paste --stdin shopping")).toMatchObject({ status: 0 });
	const copied = await user.sh("qubes-lite clip copy --stdout shopping");
	expect(copied).toMatchObject({ status: 0, stdout: "from the host" });
	const host = await SoundServer.start({ runtime: user.directory });
	try {
		const playing = user.start("run-in-vm", ["--shell", "exec pacat --raw </dev/zero", "shopping"]);
		await user.until("it plays", async () => (await host.pactl("list", "sink-inputs")).includes("[shopping] pacat"));
		playing.kill("SIGKILL");
	} finally {
		await host.stop();
	}

	user.signalBrokers("SIGKILL");
	await isLease();
	expect(titles()).toEqual(["[shopping] one"]);

	compositor.message('[title="one"]', "kill");
	await first.done;
	await user.until("it stops", async () => (await user.status("shopping")).state === "stopped");
	expect(await manager.show("qubes-lite-shopping.service", "ActiveState", "Result")).toEqual({
		ActiveState: "inactive",
		Result: "success",
	});
});

it("lets an instance of the template go with its window", async () => {
	const once = user.start("run-in-vm", ["--disposable", ...foot("once")]);
	await isThere(/^\[disp-[0-9a-f]{4}\] once$/);
	compositor.message('[title="once"]', "kill");
	await once.done;
	await user.until("nothing is left of it", async () => {
		const { stdout } = await systemctl("list-units", "--all", "--plain", "--no-legend", "qubes-lite-disp@*");
		return stdout === "";
	});
});
