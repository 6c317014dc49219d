/** `npm run demo -- --gui`: a browser in a vm that is not even booted, whose window stands on a compositor that draws into a picture. */
import { chmod } from "node:fs/promises";
import { resolve } from "node:path";
import { Compositor } from "../test/e2e/compositor.ts";
import type { Demo } from "./demo-stage.ts";

export const browserVm = {
	id: 7,
	name: "browser",
	memory: 2048,
	idleTimeout: 5,
	bootTimeout: 300,
	image: { packages: ["firefox-esr"] },
};

/** In the directory in which the demo was started. */
const picture = "demo-gui.png";
/** Without KVM a browser takes minutes to start. */
const startsWithinS = 600;
/** Of a browser whose window has been closed. */
const endsWithinS = 60;
/** Of about:support. */
const pageTitle = "Troubleshooting Information";
/** What a page has more than an empty desktop and a window without content. */
const fewColours = 100;

/** Resolves when it has been shown. `env` is the demo's, to which the compositor's socket is added. */
export async function showWindows(demo: Demo, env: NodeJS.ProcessEnv): Promise<void> {
	const compositor = new Compositor({ size: { width: 1024, height: 768 } });
	try {
		await compositor.start();
		env.WAYLAND_DISPLAY = compositor.socket;
		demo.say("A guest image with a browser. The first time this takes minutes; the next time it is there.");
		if (!(await demo.type("qubes-lite image build browser", "it is built, or there", (o) => o.status === 0))) return;

		demo.say("The browser runs in a vm of its own, which boots for it.");
		const browser = demo.begin("run-in-vm browser firefox-esr about:support");
		let status: number | undefined;
		void browser.then(
			(outcome) => {
				status = outcome.status;
			},
			() => {},
		);
		const hasEnded = (): boolean => status !== undefined;
		const isThere = (): boolean =>
			compositor.tree().some(({ appId }) => appId?.startsWith("qubes-lite.browser.") === true);
		await demo.waitFor("the window", () => isThere() || hasEnded(), startsWithinS);
		demo.check("its window is on the host, under its vm's name", isThere());
		const hasLoaded = (): boolean => compositor.tree().some(({ name }) => name?.includes(pageTitle) === true);
		const hasContent = (): boolean => hasLoaded() && compositor.colours().size > fewColours;
		await demo.waitFor("its page", () => hasContent() || hasEnded(), startsWithinS);
		demo.check("and its page is to be seen", hasContent());
		for (const { name, appId } of compositor.tree()) process.stdout.write(`  ${name}   (${appId})\n`);
		const path = resolve(picture);
		compositor.screenshot(path);
		await chmod(path, 0o644);
		process.stdout.write(`  the picture of it: ${path}\n`);
		await demo.type("qubes-lite why browser", "the window keeps the vm", (o) =>
			o.stdout.includes('kept by the window "'),
		);

		demo.say("The window is closed, and nothing needs the vm any more.");
		for (const { id } of compositor.tree()) compositor.message(`[con_id=${id}]`, "kill");
		await demo.waitFor("its end", hasEnded, endsWithinS);
		demo.check("the browser has ended well", status === 0);
		if (!hasEnded()) {
			await demo.type("qubes-lite stop --force browser", "the vm is stopped", (o) => o.status === 0);
			return;
		}
		const hasStopped = await demo.waitFor("5 s of idleness", () => demo.isStopped("browser"), 120);
		demo.check("the vm has stopped by itself", hasStopped);
	} finally {
		await compositor.stop();
	}
}
