/** A guest of Debian with a program of its packages, as `qubes-lite image build` makes it, booted. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { desktopImageWithinMs, desktopPackages, makeDesktopImage } from "./desktop-image.ts";
import { nothingLeft, TestUser } from "./harness.ts";

let image: string;
let shared: string;
let user: TestUser;

beforeAll(() => {
	image = makeDesktopImage();
	const vm = { id: 9, name: "desk", memory: 1024, idleTimeout: 300, bootTimeout: 300 };
	shared = mkdtempSync(join(tmpdir(), "ql-shared-"));
	const sharedDirectories = [{ tag: "my-own", path: shared }];
	user = new TestUser({ vms: [{ ...vm, image: { packages: desktopPackages }, sharedDirectories }] });
}, desktopImageWithinMs);

afterAll(async () => {
	expect(await user.leave(["desk"])).toEqual(nothingLeft);
	rmSync(shared, { recursive: true });
});

const says = async (line: string, ...options: string[]): Promise<string> =>
	(await user.run(...options, "--shell", line, "desk")).stdout.trim();
const rootSays = (line: string): Promise<string> => says(line, "-u", "root");

it("boots by what its vm asks for, and gives a command's exact status", async () => {
	expect(await user.run("desk", "sh", "-c", "echo out; echo err >&2; exit 42")).toMatchObject({
		...{ status: 42, stdout: "out\n", stderr: "err\n" },
	});
	expect(await user.run("desk", "sh", "-c", "kill -9 $$")).toMatchObject({ status: 137 });
	const list = JSON.parse((await user.sh("qubes-lite image ls --json")).stdout).images;
	expect(list.find(({ directory }: { directory: string }) => directory === image)).toMatchObject({
		// Other tests have vms with it, too.
		...{ packages: desktopPackages, running: expect.arrayContaining(["desk"]) },
	});
}, 300_000);

it("has systemd with no unit that has failed, and nothing that waits for its first boot", async () => {
	expect(
		await rootSays(
			"systemctl is-system-running --wait >/dev/null; cat /proc/1/comm; systemctl --failed --no-legend; systemctl list-jobs --no-legend",
		),
	).toBe("systemd");
});

it("has the program, and what it needs of the guest: the user's manager and bus, a display, a font", async () => {
	expect(await says("id -un; id -u; foot --version | cut -d ' ' -f 1,2")).toBe("user\n1000\nfoot version:");
	expect(
		await says(
			"busctl --user status >/dev/null && echo bus; test -S $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY && echo display",
		),
	).toBe("bus\ndisplay");
	expect(await says("fc-list | grep -c DejaVuSansMono.ttf")).toBe("1");
	expect(
		await rootSays(
			"systemctl is-active qubes-lite-windows qubes-lite-display-windows.socket qubes-lite-display-sound.socket",
		),
	).toBe("active\nactive\nactive");
	expect(await rootSays("stat -c '%U %a' /run/qubes-lite-display/windows /run/qubes-lite-display/sound")).toBe(
		"user 600\nuser 600",
	);
});

it("gives commands and what the user's manager starts the same environment", async () => {
	const names = "XDG_RUNTIME_DIR|WAYLAND_DISPLAY|DBUS_SESSION_BUS_ADDRESS|PULSE_SERVER|MOZ_ENABLE_WAYLAND|LANG";
	const environment = [
		"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
		"LANG=C.UTF-8",
		"MOZ_ENABLE_WAYLAND=1",
		"PULSE_SERVER=unix:/run/qubes-lite-display/sound",
		"WAYLAND_DISPLAY=wayland-0",
		"XDG_RUNTIME_DIR=/run/user/1000",
	].join("\n");
	expect(await says(`env | grep -E '^(${names})=' | sort`)).toBe(environment);
	expect(await says(`systemctl --user show-environment | grep -E '^(${names})=' | sort`)).toBe(environment);
});

it("has its address from the kernel's command line, and the host's directory by its tag", async () => {
	expect(await says("ip -4 -o address show vm0 | grep -o '172[^ ]*' | head -n 1")).toBe("172.16.200.9/31");
	await says("echo from the guest >/mnt/my-own/file");
	expect(readFileSync(join(shared, "file"), "utf8")).toBe("from the guest\n");
});

it("starts waypipe anew when it has ended, and the display is there again", async () => {
	await rootSays("pkill -x waypipe");
	await user.until(
		"the display is back",
		async () =>
			(await rootSays(
				"systemctl show -p NRestarts --value qubes-lite-windows; test -S /run/user/1000/wayland-0 && echo display",
			)) === "1\ndisplay",
	);
});

it("has nothing of the host's, of its making, or of another boot", async () => {
	expect(await rootSays("hostname; readlink /etc/resolv.conf; resolvectl dns | tail -n 1 | wc -l")).toBe(
		"desk\n../run/systemd/resolve/stub-resolv.conf\n1",
	);
	expect(
		await rootSays(
			"ls /lower /etc/hostname 2>/dev/null; ls /var/lib/apt/lists /var/cache/apt; ls /etc/apt /etc/apt/sources.list.d",
		),
	).not.toMatch(/Packages|\.deb|sources\.list\n/);
	const host = spawnSync("cat", ["/etc/machine-id"]).stdout.toString().trim();
	const guest = await rootSays("cat /etc/machine-id");
	expect(guest).toMatch(/^[0-9a-f]{32}$/);
	expect(guest).not.toBe(host);
	expect(await rootSays("dpkg --audit; dpkg-query -W -f '${Status}\\n' foot")).toBe("install ok installed");
});

it("stops in good order when it is asked to", async () => {
	expect(await user.sh("qubes-lite stop desk")).toMatchObject({ status: 0 });
	expect((await user.sh("qubes-lite logs --console desk")).stdout).toContain("reboot: Power down");
});
