/**
 * Makes a Debian machine ready: the programs that guests run on, our bundles, the guest image. Safe to run again: what
 * is there stays, and with nothing to do it takes under a second. Only the programs need root.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createProgress, type Progress } from "../guest-image/progress.ts";
import { runTool } from "../guest-image/run-tool.ts";
import { QubesLiteError } from "../src/errors.ts";
import { makeDesktopImage } from "../test/e2e/desktop-image.ts";
import { buildAll } from "./build.ts";
import { bringTestTools } from "./test-tools.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const programs = [
	"run-in-vm.cjs",
	"qubes-lite.cjs",
	"copy.cjs",
	"broker.cjs",
	"agent.cjs",
	"programs.cjs",
	"display.cjs",
	"vm-display.cjs",
	"image.mjs",
	"admin.mjs",
];
const bundles = programs.map((name) => join(root, "dist", name));

/** What must be there, and the Debian package that brings it. */
interface Requirement {
	readonly file: string;
	readonly debianPackage: string;
}

const requirements: readonly Requirement[] = [
	{ file: "qemu-system-x86_64", debianPackage: "qemu-system-x86" },
	{ file: "busybox", debianPackage: "busybox-static" },
	{ file: "mkfs.erofs", debianPackage: "erofs-utils" },
	{ file: "flock", debianPackage: "util-linux" },
	{ file: "/usr/share/keyrings/debian-archive-keyring.gpg", debianPackage: "debian-archive-keyring" },
];

/** For guests with programs of Debian's, and to see their windows. */
const windows: readonly Requirement[] = [
	{ file: "mmdebstrap", debianPackage: "mmdebstrap" },
	{ file: "newuidmap", debianPackage: "uidmap" },
	{ file: "waypipe", debianPackage: "waypipe" },
	{ file: "sway", debianPackage: "sway" },
	{ file: "wtype", debianPackage: "wtype" },
	{ file: "grim", debianPackage: "grim" },
	{ file: "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf", debianPackage: "fonts-dejavu-core" },
];

/** What else is needed: by the tests a terminal to look at, a user manager with a bus, the shells that we complete for, who formats man pages, what README's status bars run, what makes TAPs and rules for them, what judges menu entries, what evaluates nix/ and what its images are made of here, what compiles nix/mktuntap and who knows SOCK_SEQPACKET, strangers on the bus, a sound server and its programs, by the bench what we are compared with. */
const extras: Readonly<Record<Purpose, readonly Requirement[]>> = {
	use: [],
	gui: windows,
	tests: [
		{ file: "tmux", debianPackage: "tmux" },
		{ file: "/lib/systemd/systemd", debianPackage: "systemd" },
		{ file: "/usr/lib/systemd/user/dbus.socket", debianPackage: "dbus-user-session" },
		{ file: "zsh", debianPackage: "zsh" },
		{ file: "fish", debianPackage: "fish" },
		{ file: "/usr/share/bash-completion/bash_completion", debianPackage: "bash-completion" },
		{ file: "groff", debianPackage: "groff-base" },
		{ file: "jq", debianPackage: "jq" },
		{ file: "ip", debianPackage: "iproute2" },
		{ file: "cc", debianPackage: "gcc" },
		{ file: "/usr/include/stdio.h", debianPackage: "libc6-dev" },
		{ file: "make", debianPackage: "make" },
		{ file: "nft", debianPackage: "nftables" },
		{ file: "python3", debianPackage: "python3" },
		{ file: "gdbus", debianPackage: "libglib2.0-bin" },
		{ file: "/usr/lib/python3/dist-packages/gi/__init__.py", debianPackage: "python3-gi" },
		{ file: "desktop-file-validate", debianPackage: "desktop-file-utils" },
		{ file: "nix-instantiate", debianPackage: "nix-bin" },
		{ file: "s6-svscan", debianPackage: "s6" },
		{ file: "/usr/lib/execline/bin/execlineb", debianPackage: "execline" },
		{ file: "mke2fs", debianPackage: "e2fsprogs" },
		{ file: "qemu-img", debianPackage: "qemu-utils" },
		...windows,
		{ file: "foot", debianPackage: "foot" },
		{ file: "wl-copy", debianPackage: "wl-clipboard" },
		{ file: "/usr/share/wayland/wayland.xml", debianPackage: "libwayland-dev" },
		{ file: "/usr/share/wayland-protocols/stable/xdg-shell/xdg-shell.xml", debianPackage: "wayland-protocols" },
		{ file: "pulseaudio", debianPackage: "pulseaudio" },
		{ file: "pactl", debianPackage: "pulseaudio-utils" },
	],
	bench: [
		...windows,
		{ file: "foot", debianPackage: "foot" },
		{ file: "socat", debianPackage: "socat" },
		{ file: "ssh", debianPackage: "openssh-client" },
	],
};

export type Purpose = "use" | "gui" | "tests" | "bench";

/** Older lists name packages that the mirror may have replaced. */
const listsMaxAgeMs = 7 * 24 * 60 * 60 * 1000;
const updateTimeoutMs = 180_000;
/** QEMU and what it needs are 60 MB: ten minutes even on a slow line. */
const installTimeoutMs = 600_000;
/** Of waiting for another apt that is at work. */
const lockTimeout = "DPkg::Lock::Timeout=60";

/** Resolves when all is ready; rejects with one sentence and what to do. */
async function setUp(required: readonly Requirement[]): Promise<void> {
	const progress = createProgress({
		write: (text) => process.stderr.write(text),
		isLive: process.stderr.isTTY === true && process.env.TERM !== "dumb" && !process.env.NO_COLOR,
		now: () => performance.now(),
	});
	const missing = await findMissingPackages(required);
	if (missing.length > 0) {
		await install(missing, progress);
		const still = await findMissingPackages(required);
		if (still.length > 0)
			throw new QubesLiteError("Internal", `apt-get installed ${still.join(" ")}, but not what is needed from it.`);
	}
	if (await areBundlesOld()) await progress.step("bundles", buildAll);
	await buildImage();
}

async function findMissingPackages(required: readonly Requirement[]): Promise<string[]> {
	const found = await Promise.all(required.map(async ({ file }) => await isThere(file)));
	return required.filter((_, index) => !found[index]).map(({ debianPackage }) => debianPackage);
}

async function isThere(file: string): Promise<boolean> {
	if (file.startsWith("/")) return existsSync(file);
	const directories = [...(process.env.PATH ?? "").split(":"), "/usr/bin", "/bin", "/usr/sbin", "/sbin"];
	const path = directories.map((directory) => join(directory, file)).find(existsSync);
	if (path === undefined) return false;
	// The guest has no libraries for a busybox that is not static; of both packages only one can be installed.
	return file !== "busybox" || (await isStatic(path));
}

async function isStatic(path: string): Promise<boolean> {
	return await runTool(["ldd", path], { signal: AbortSignal.timeout(10_000) }).then(
		() => false,
		() => true,
	);
}

async function install(packages: readonly string[], progress: Progress): Promise<void> {
	const command = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", lockTimeout, ...packages] as const;
	if (!existsSync("/usr/bin/apt-get")) {
		throw new QubesLiteError(
			"Unsupported",
			`These Debian packages are missing, and this machine has no apt: ${packages.join(" ")}.`,
			{
				remedy: "Install what they hold by other means, then: npm run setup",
			},
		);
	}
	const asRoot = toRootCommand();
	if (asRoot === undefined) {
		throw new QubesLiteError("Denied", `These Debian packages are missing: ${packages.join(" ")}. As root, run:`, {
			remedy: `apt-get update && apt-get install --yes --no-install-recommends ${packages.join(" ")}`,
		});
	}
	const run = async (argv: readonly string[], timeoutMs: number): Promise<void> => {
		const environment = ["env", "DEBIAN_FRONTEND=noninteractive"] as const;
		const [first, ...rest] = [...asRoot, ...environment, ...argv];
		if (first !== undefined)
			await runTool([first, ...rest], { signal: new AbortController().signal, timeoutMs, inTerminalSession: true });
	};
	const update = async (): Promise<void> =>
		await progress.step(
			"lists",
			async () => await run(["apt-get", "-o", "Acquire::http::Timeout=20", "update"], updateTimeoutMs),
		);
	const installOnce = async (): Promise<void> =>
		await progress.step("packages", async (note) => {
			note(packages.join(" "));
			await run(command, installTimeoutMs);
		});

	const areFresh = await areListsFresh();
	if (!areFresh) await update();
	try {
		await installOnce();
	} catch (error) {
		if (!areFresh) throw error;
		// The lists may name versions that the mirror no longer has.
		await update();
		await installOnce();
	}
}

/** What to put before a command to run it as root; `undefined` where neither root nor sudo is to be had. */
function toRootCommand(): string[] | undefined {
	if (process.getuid?.() === 0) return [];
	if (spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0) return ["sudo", "-n"];
	// Asked once, here, where nothing else writes to the terminal.
	const canAsk = process.stdin.isTTY === true && process.stderr.isTTY === true;
	return canAsk && spawnSync("sudo", ["-v"], { stdio: "inherit" }).status === 0 ? ["sudo", "-n"] : undefined;
}

async function areListsFresh(): Promise<boolean> {
	const lists = "/var/lib/apt/lists";
	const names = await readdir(lists).catch(() => []);
	// A list keeps the mirror's date; that of the directory is the last update's.
	return names.some((name) => name.includes("_Packages")) && Date.now() - (await stat(lists)).mtimeMs < listsMaxAgeMs;
}

async function areBundlesOld(): Promise<boolean> {
	if (!bundles.every(existsSync)) return true;
	const oldest = Math.min(...(await Promise.all(bundles.map(async (file) => (await stat(file)).mtimeMs))));
	for (const directory of ["src", "guest-image"]) {
		for (const name of await readdir(join(root, directory), { recursive: true })) {
			if (name.endsWith(".ts") && (await stat(join(root, directory, name))).mtimeMs > oldest) return true;
		}
	}
	return false;
}

/** The build speaks for itself, also when it fails. */
async function buildImage(): Promise<void> {
	const child = spawn(process.execPath, [join(root, "dist/image.mjs"), "build"], {
		stdio: ["ignore", "inherit", "inherit"],
	});
	const [code] = await once(child, "exit");
	if (code !== 0) throw new QubesLiteError("Internal", "Set-up is not complete: what is missing is said above.");
}

/** setUp() for programs: a failure is said on stderr, and ends the program with status 1. */
export async function setUpOrExit(purpose: Purpose): Promise<void> {
	try {
		if (purpose === "tests") bringTestTools(root);
		await setUp([...requirements, ...extras[purpose]]);
		if (purpose === "tests") makeDesktopImage();
	} catch (thrown) {
		const error = QubesLiteError.from(thrown);
		console.error(error.message);
		if (error.remedy !== undefined) console.error(`  → ${error.remedy}`);
		process.exit(1);
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	await setUpOrExit("use");
	console.error("qubes-lite is ready.");
}
