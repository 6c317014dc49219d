/** The first frame of a program in a warm vm against the same program started here, under the same compositor: both from the command to the mapped window, as sway tells it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Compositor } from "../e2e/compositor.ts";
import { desktopPackages, makeDesktopImage } from "../e2e/desktop-image.ts";
import { TestUser } from "../e2e/harness.ts";
import { alternately, type Figure, median, medianRatio, show } from "./measure.ts";

const vm = "windows";

export async function benchWindows(pairs: number): Promise<Figure[]> {
	makeDesktopImage();
	const compositor = new Compositor();
	await compositor.start();
	const user = new TestUser({
		vms: [{ id: 5, name: vm, memory: 768, bootTimeout: 300, image: { packages: desktopPackages } }],
		env: { WAYLAND_DISPLAY: compositor.socket, QUBES_LITE_BROKER_IDLE_MS: "600000" },
	});
	const events = spawn("swaymsg", ["-m", "-t", "subscribe", '["window"]'], {
		env: { ...process.env, ...compositor.env },
		stdio: ["ignore", "pipe", "ignore"],
	});
	/** By the titles of the windows that have been mapped. */
	const waiting = new Map<string, () => void>();
	createInterface(events.stdout).on("line", (line) => {
		const { change, container } = JSON.parse(line);
		if (change === "new" || change === "title") waiting.get(container.name)?.();
	});
	const timed = async (title: string, start: () => ChildProcess): Promise<number> => {
		const mapped = new Promise<void>((resolve) => waiting.set(title, resolve));
		const beganAt = performance.now();
		const program = start();
		await mapped;
		const took = performance.now() - beganAt;
		waiting.delete(title);
		compositor.message(`[title="${title.replace(/[[\]]/g, "\\$&")}"]`, "kill");
		if (program.exitCode === null) await new Promise((resolve) => program.once("exit", resolve));
		return took;
	};
	const foot = ["foot", "--title", "first frame", "sh", "-c", "sleep 1000"] as const;
	const inVm = () =>
		timed(`[${vm}] first frame`, () => spawn("run-in-vm", [vm, ...foot], { env: user.env, stdio: "ignore" }));
	const here = () =>
		timed("first frame", () =>
			spawn(foot[0], foot.slice(1), { env: { ...process.env, ...compositor.env }, stdio: "ignore" }),
		);
	try {
		// The first one boots the vm, the second one has its programs in the guest's memory.
		for (let warm = 0; warm < 2; warm++) await inVm();
		await here();
		const [vms, heres] = await alternately(pairs, inVm, here);
		show("foot in a warm vm, to its window", vms, "ms");
		show("  the same program here", heres, "ms");
		return [
			{ name: "first frame in a warm vm / here", value: medianRatio(vms, heres), unit: "", aim: null },
			{ name: "  first frame in a warm vm", value: median(vms), unit: "ms", aim: { atMost: 3_000 } },
		];
	} finally {
		events.kill();
		for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
		await user.leave([vm]);
		await compositor.stop();
	}
}
