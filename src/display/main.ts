/**
 * `vm-display --vm NAME --directory DIR --windows waypipe|none [--sound playback|playback+capture]`: the helper that keeps one vm's windows and sound on the host, beside
 * its vmm. It listens in the vm's directory, and costs nothing but its memory until a program of the guest comes. Ends on SIGTERM.
 */
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { vmFiles } from "../launch-plan.ts";
import { hostSoundPort, hostWindowsPort } from "../protocol/ports.ts";
import { VmDisplay } from "../wayland/vm-display.ts";
import { toClipboard } from "./clipboard.ts";
import { findCompositor } from "./compositor.ts";
import { CompositorDoor } from "./compositor-door.ts";
import { DisplaySocket } from "./display-socket.ts";
import { Notices } from "./notices.ts";
import { SoundDoor } from "./sound-door.ts";
import { toState } from "./state.ts";
import { WindowsDoor } from "./windows-door.ts";

const { values } = parseArgs({
	options: {
		vm: { type: "string", default: "" },
		directory: { type: "string", default: "" },
		windows: { type: "string", default: "none" },
		sound: { type: "string", default: "none" },
	},
});
const { vm, directory } = values;
const searchPath = process.env.PATH ?? "/usr/bin:/bin";
/** The vm's directory is XDG_RUNTIME_DIR/qubes-lite/NAME. */
const runtimeDirectory = dirname(dirname(directory));
const log = (text: string): void => void process.stderr.write(`qubes-lite: display: ${text}\n`);

/** Titles that change with each frame are told this often. */
const tellEveryMs = 100;

process.umask(0o077);
let told: string | null = null;
let cut: string | null = null;
let isTelling = false;

const display = new VmDisplay({
	vm,
	token: randomBytes(8).toString("hex"),
	windowsChanged: () => {
		if (isTelling) return;
		isTelling = true;
		setTimeout(() => {
			isTelling = false;
			socket.changed();
		}, tellEveryMs);
	},
});
const notices = new Notices((notice) => {
	log(notice.message);
	socket.notice(notice);
});
const socket = new DisplaySocket({
	clipboard: toClipboard(vm, display.clipboard),
	state: () => toState(vm, display.windows, cut),
	told: (wayland) => {
		told = wayland ?? told;
	},
});
const windows = new WindowsDoor({
	...{ vm, directory, searchPath, display, isAllowed: values.windows === "waypipe" },
	compositor: new CompositorDoor({
		...{ vm, path: join(directory, "wayland.sock") },
		find: () => findCompositor({ runtimeDirectory, searchPath, told }),
	}),
	tell: (notice) => notices.tell(notice),
	cut: (why) => {
		if (cut !== null) return;
		cut = `the display of ${vm} was cut: ${why}`;
		socket.changed();
		notices.tell({ message: cut, remedy: `qubes-lite restart ${vm}   # gives it another one` }, true);
	},
});
/** A guest comes again as often as it likes. */
const soundWords = new Notices(({ message }) => log(message));
const sound = new SoundDoor({
	...{ vm, server: join(runtimeDirectory, "pulse/native"), capture: values.sound === "playback+capture" },
	log: (message) => soundWords.tell({ message, remedy: null }),
});

process.once("SIGTERM", () => {
	socket.close();
	sound.close();
	void windows.close().then(() => process.exit(0));
});
async function listen(): Promise<void> {
	await windows.listen(join(directory, `${vmFiles.vsock}_${hostWindowsPort}`));
	if (values.sound !== "none") await sound.listen(join(directory, `${vmFiles.vsock}_${hostSoundPort}`));
	await socket.listen(join(directory, vmFiles.display));
}

listen().catch((cause: Error) => {
	log(cause.message);
	process.exit(1);
});
