/** The machine's files that a guest image is made of, and how they are found. */
import { access } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { QubesLiteError } from "../src/errors.ts";
import { findSharedLibraries } from "./shared-libraries.ts";

export interface Program {
	/** Absolute path on this machine. */
	readonly path: string;
	/** Absolute paths of its shared libraries and their loader. */
	readonly libraries: readonly string[];
}

export interface GuestInputs {
	/** Static: it also runs in the initramfs, where there are no libraries. */
	readonly busybox: string;
	readonly node: Program;
	/** The bundle of the guest's agent. */
	readonly agent: string;
	/** The bundle of `qubes-lite-guest`. */
	readonly programs: string;
	/** The addon with which the agent calls libc for vsock sockets. */
	readonly koffi: string;
	/** Directory of the guest's scripts and settings, with a final slash. */
	readonly scripts: string;
}

/** The agent's oldest Node. */
const nodeMajorMin = 24;

/** Both addresses hold from the bundle in dist/ and from the source beside this directory. */
const agentBundle = new URL("../dist/agent.cjs", import.meta.url);
const programsBundle = new URL("../dist/programs.cjs", import.meta.url);
const koffiAddon = new URL("../node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node", import.meta.url);
const displayBundle = new URL("../dist/display.cjs", import.meta.url);
const scriptsDirectory = new URL("../guest-image/guest/", import.meta.url);
const debianDirectory = new URL("../guest-image/debian", import.meta.url);
const sharedDirectory = new URL("../guest-image/systemd", import.meta.url);

/** All inputs, or one sentence about the first that is missing. The guest gets the Node that runs this program. */
export async function findGuestInputs(signal: AbortSignal): Promise<GuestInputs> {
	if (process.arch !== "x64") {
		throw new QubesLiteError(
			"Unsupported",
			`Guest images are built for x86-64 only, and this machine is ${process.arch}.`,
		);
	}
	if (Number(process.versions.node.split(".")[0]) < nodeMajorMin) {
		throw new QubesLiteError(
			"Unsupported",
			`The guest needs Node ${nodeMajorMin}, and this is Node ${process.versions.node}.`,
			{
				remedy: "Start the build as `qubes-lite image build`, which brings its own.",
			},
		);
	}
	const busybox = await findProgram("busybox", "busybox-static", signal);
	if (busybox.libraries.length > 0) {
		throw new QubesLiteError(
			"Unsupported",
			`${busybox.path} needs shared libraries, and the guest needs the static one.`,
			{
				remedy: "apt-get install busybox-static",
			},
		);
	}
	const [agent, programs] = await Promise.all([findBundle(agentBundle), findBundle(programsBundle)]);
	const koffi = fileURLToPath(koffiAddon);
	if (!(await isReadable(koffi))) {
		throw new QubesLiteError("Internal", `The addon ${koffi} is missing.`, { remedy: "npm ci" });
	}
	return {
		busybox: busybox.path,
		node: { path: process.execPath, libraries: await findSharedLibraries(process.execPath, signal) },
		agent,
		programs,
		koffi,
		scripts: findGuestScripts(),
	};
}

export interface DebianInputs {
	/** Of the scripts that make a root of Debian, and of root/, our files as they are in the guest. */
	readonly directory: string;
	/** Of scripts that guests of NixOS have as well. */
	readonly shared: string;
	/** The bundle of the program between waypipe and the host. */
	readonly display: string;
}

/** What an image with packages needs besides, or one sentence about the first that is missing. */
export async function findDebianInputs(signal: AbortSignal): Promise<DebianInputs> {
	for (const [name, debianPackage] of Object.entries(debianPrograms)) await findProgram(name, debianPackage, signal);
	return {
		directory: fileURLToPath(debianDirectory),
		shared: fileURLToPath(sharedDirectory),
		display: await findBundle(displayBundle),
	};
}

async function findBundle(url: URL): Promise<string> {
	const path = fileURLToPath(url);
	if (await isReadable(path)) return path;
	throw new QubesLiteError("Internal", `The bundle ${path} is missing.`, { remedy: "npm run build" });
}

const debianPrograms = { "mkfs.erofs": "erofs-utils", mmdebstrap: "mmdebstrap", setpriv: "util-linux" };

/** With a final slash. */
export const findGuestScripts = (): string => fileURLToPath(scriptsDirectory);

async function findProgram(name: string, debianPackage: string, signal: AbortSignal): Promise<Program> {
	for (const directory of ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]) {
		const path = `${directory}/${name}`;
		if (await isReadable(path)) return { path, libraries: await findSharedLibraries(path, signal) };
	}
	throw new QubesLiteError("Unsupported", `${name} is not installed.`, { remedy: `apt-get install ${debianPackage}` });
}

async function isReadable(path: string): Promise<boolean> {
	return await access(path).then(
		() => true,
		() => false,
	);
}
