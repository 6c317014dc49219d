/** A browser in a guest, end to end: a page of the host's opened in it, its window on a compositor, and the vm gone after it. Without KVM it takes minutes to start. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Compositor } from "../e2e/compositor.ts";
import { desktopImageWithinMs, makeDesktopImage } from "../e2e/desktop-image.ts";
import { nothingLeft, type Running, TestUser } from "../e2e/harness.ts";

const image = { packages: ["firefox-esr"] };
/** A page that is loaded has its title in the window's. */
const withinMs = 900_000;

let compositor: Compositor;
let user: TestUser;
let server: Server;
let asked = 0;

beforeAll(async () => {
	makeDesktopImage(image.packages);
	server = createServer((_, response) => {
		asked += 1;
		response.setHeader("content-type", "text/html; charset=utf-8");
		response.end("<title>From the host</title><body style='background: #00ff00; margin: 0'>");
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	compositor = new Compositor({ size: { width: 1024, height: 768 } });
	await compositor.start();
	user = new TestUser({
		vms: [
			{
				...{ id: 5, name: "shopping", memory: 2048, idleTimeout: 5, bootTimeout: 300, image },
				open: ["firefox-esr"],
			},
		],
		env: { WAYLAND_DISPLAY: compositor.socket },
	});
}, desktopImageWithinMs);

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
	await compositor.stop();
	server.close();
});

const titles = (): (string | null)[] => compositor.tree().map(({ name }) => name);
const isThere = (title: RegExp) =>
	compositor.until(`there is ${title}`, () => titles().some((one) => title.test(one ?? "")), withinMs);

let browser: Running;

it(
	"shows its own page in a vm that was not booted, and it is to be seen",
	async () => {
		browser = user.start("run-in-vm", ["shopping", "firefox-esr", "about:support"]);
		await isThere(/^\[shopping\] Troubleshooting Information/);
		expect(compositor.tree()).toMatchObject([{ appId: "qubes-lite.shopping.firefox-esr" }]);
		await compositor.until("the page is to be seen", () => compositor.colours().size > 100, withinMs);
	},
	2 * withinMs,
);

it(
	"opens a page of the host's loopback in the browser that runs",
	async () => {
		const { port } = server.address() as AddressInfo;
		// User-mode network: the gateway leads to the host's own services.
		const opened = user.sh(`qubes-lite open --in shopping http://172.16.200.4:${port}/`);
		await isThere(/^\[shopping\] From the host/);
		expect(await opened).toMatchObject({ status: 0 });
		expect(asked).toBeGreaterThan(0);
		await compositor.until("it is green", () => (compositor.colours().get("00ff00") ?? 0) > 200_000, withinMs);
		expect((await user.leases("shopping")).join()).toContain('the window "From the host');
	},
	2 * withinMs,
);

it(
	"ends with its window, and the vm after it",
	async () => {
		for (const { id } of compositor.tree()) compositor.message(`[con_id=${id}]`, "kill");
		expect(await browser.done).toMatchObject({ status: 0 });
		await user.until("it stops", async () => (await user.status("shopping")).state === "stopped", 180_000);
		expect((await user.status("shopping")).reason).toContain("idle");
	},
	withinMs,
);
