/**
 * The read-only root image: busybox, Node and the agent in an erofs file system. Uncompressed, because the guest
 * reads it through the host's page cache; reproducible, because its bytes are compared.
 */
import { chmod, copyFile, mkdir, stat, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { GuestInputs } from "./guest-inputs.ts";
import { megabytes, type Progress } from "./progress.ts";
import type { RootRecipe } from "./root-recipe.ts";
import { runTool } from "./run-tool.ts";
import { hashFile, hashStrings } from "./sha256.ts";

interface RootFile {
	/** Absolute path in the guest. */
	readonly path: string;
	/** Absolute path on this machine. */
	readonly source: string;
	readonly mode: number;
}

/** Raised whenever this file changes what it makes of the same inputs. */
const rootVersion = "1";

const libraryDirectory = "/usr/lib/x86_64-linux-gnu";
/** Where programs look for their loader; it is named in each of them. */
const loaderDirectory = "/usr/lib64";

/** All directories with their modes, parents first. */
const directories: Readonly<Record<string, number>> = {
	"/": 0o755,
	"/dev": 0o755,
	"/etc": 0o755,
	"/home": 0o755,
	"/home/user": 0o755,
	"/mnt": 0o755,
	"/proc": 0o755,
	"/root": 0o700,
	"/run": 0o755,
	"/sys": 0o755,
	"/tmp": 0o1777,
	"/usr": 0o755,
	"/usr/bin": 0o755,
	"/usr/lib": 0o755,
	"/usr/lib/qubes-lite": 0o755,
	"/usr/lib/qubes-lite/acpi": 0o755,
	"/usr/lib/qubes-lite/acpi/PWRF": 0o755,
	"/usr/sbin": 0o755,
	[libraryDirectory]: 0o755,
	[loaderDirectory]: 0o755,
	"/var": 0o755,
	"/var/tmp": 0o1777,
};

const links: Readonly<Record<string, string>> = {
	"/bin": "usr/bin",
	"/sbin": "usr/sbin",
	"/lib": "usr/lib",
	"/lib64": "usr/lib64",
	/** busybox's name for the power button's event. */
	"/usr/lib/qubes-lite/acpi/PWRF/00000080": "../../power-button",
	"/var/run": "../run",
};

/** Files of guest/ by their places in the guest. */
const settings = {
	"/etc/fstab": "fstab",
	"/etc/group": "group",
	"/etc/hosts": "hosts",
	"/etc/inittab": "inittab",
	"/etc/nsswitch.conf": "nsswitch.conf",
	"/etc/passwd": "passwd",
} as const;
const scripts = ["agent-run", "console-shell", "power-button", "power-off", "rc.sysinit"] as const;

/** The root of the image that a vm boots without a wish of its own. */
export const planBusyboxRoot = async (
	inputs: GuestInputs,
	progress: Progress,
	signal: AbortSignal,
): Promise<RootRecipe> => ({
	hash: await hashRootInputs(inputs),
	facts: {},
	async build(work, output) {
		await progress.step("root", async (note) => {
			await mkdir(work);
			await buildRootImage(inputs, work, output, signal);
			note(megabytes((await stat(output)).size));
		});
	},
});

/** Hash of all that the image depends on. */
async function hashRootInputs(inputs: GuestInputs): Promise<string> {
	const files = await Promise.all(
		listFiles(inputs).map(async ({ path, source, mode }) => [path, String(mode), await hashFile(source)]),
	);
	return hashStrings([rootVersion, JSON.stringify(directories), JSON.stringify(links), ...files.flat()]);
}

/** Writes the image to `output`; `staging` is a directory to work in, which the caller removes. */
async function buildRootImage(
	inputs: GuestInputs,
	staging: string,
	output: string,
	signal: AbortSignal,
): Promise<void> {
	for (const [path, mode] of Object.entries(directories)) await makeDirectory(staging, path, mode);
	for (const [path, target] of Object.entries(links)) await symlink(target, join(staging, path));
	for (const { path, source, mode } of listFiles(inputs)) {
		signal.throwIfAborted();
		await copyFile(source, join(staging, path));
		await chmod(join(staging, path), mode);
	}
	await linkApplets(inputs.busybox, staging, signal);
	// A fixed time, owner and UUID, and no extended attributes of this machine's: the same tree gives the same bytes.
	const fixed = ["-T0", "--all-root", "-x-1", "-U00000000-0000-0000-0000-000000000001"];
	await runTool(["mkfs.erofs", "--quiet", ...fixed, output, staging], { signal });
}

/** The mode is set apart from the making, which the caller's umask would change. */
async function makeDirectory(staging: string, path: string, mode: number): Promise<void> {
	await mkdir(join(staging, path), { recursive: true });
	await chmod(join(staging, path), mode);
}

function listFiles(inputs: GuestInputs): RootFile[] {
	const { busybox, node, agent, programs, koffi } = inputs;
	return [
		{ path: "/usr/bin/busybox", source: busybox, mode: 0o755 },
		{ path: "/usr/bin/node", source: node.path, mode: 0o755 },
		...[...node.libraries].sort().map((source) => ({
			path: `${basename(source).startsWith("ld-linux") ? loaderDirectory : libraryDirectory}/${basename(source)}`,
			source,
			mode: 0o755,
		})),
		{ path: "/usr/lib/qubes-lite/agent.cjs", source: agent, mode: 0o644 },
		{ path: "/usr/lib/qubes-lite/programs.cjs", source: programs, mode: 0o644 },
		{ path: "/usr/bin/qubes-lite-guest", source: `${inputs.scripts}qubes-lite-guest`, mode: 0o755 },
		{ path: "/usr/lib/qubes-lite/koffi.node", source: koffi, mode: 0o644 },
		...scripts.map((name) => ({ path: `/usr/lib/qubes-lite/${name}`, source: inputs.scripts + name, mode: 0o755 })),
		...Object.entries(settings).map(([path, name]) => ({ path, source: inputs.scripts + name, mode: 0o644 })),
	];
}

/** One symlink for each of busybox's commands; those that are here as programs of their own keep their place. */
async function linkApplets(busybox: string, staging: string, signal: AbortSignal): Promise<void> {
	const applets = (await runTool([busybox, "--list-full"], { signal })).toString().split("\n");
	for (const applet of applets) {
		const directory = /^(usr\/)?s?bin\//.exec(applet)?.[0].replace(/^(?!usr\/)/, "usr/");
		if (directory === undefined || basename(applet) === "busybox") continue;
		await symlink("/usr/bin/busybox", join(staging, directory, basename(applet))).catch(
			(error: NodeJS.ErrnoException) => {
				if (error.code !== "EEXIST") throw error;
			},
		);
	}
}
