/** The helpers that vms have besides their vmm, and what helps where one can't be had. */
import { join } from "node:path";
import { QubesLiteError } from "../src/errors.ts";
import { cachePaths } from "../src/vmm/image-manifest.ts";
import { isFitVirtiofsd } from "../src/vmm/virtiofsd.ts";
import { type DebianHelper, readAnswer, readVersionOf } from "./debian-helper.ts";

/** Gives QEMU and crosvm guests their vsock. Without it there is no vm. */
export const vhostDeviceVsock: DebianHelper = {
	name: "vhost-device-vsock",
	file: "usr/bin/vhost-device-vsock",
	link: cachePaths.vhostDeviceVsock,
	installed: ["vhost-device-vsock"],
	unused: [],
	readVersion: readVersionOf,
	toMissing: (obstacles, tools) =>
		toMissing("vhost-device-vsock", "by which the host speaks with guests", obstacles, tools, [
			"with Rust: cargo install vhost-device-vsock",
		]),
};

/** Gives guests directories of the host. Only vms with sharedDirectories need it. */
export const virtiofsd: DebianHelper = {
	name: "virtiofsd",
	file: "usr/libexec/virtiofsd",
	link: cachePaths.virtiofsd,
	// As src/host/virtiofsd.ts looks for it.
	installed: ["virtiofsd", "/usr/libexec/virtiofsd"],
	// newuidmap, for more users than the one who starts it.
	unused: ["uidmap"],
	async readVersion(path, signal) {
		const help = await readAnswer([path, "--help"], signal);
		return isFitVirtiofsd(help ?? "") ? await readVersionOf(path, signal) : undefined;
	},
	toMissing: (obstacles, tools) =>
		toMissing("virtiofsd", "1.13 or newer, which vms with sharedDirectories need", obstacles, tools, []),
};

/** Called after the image is there. */
function toMissing(
	name: string,
	purpose: string,
	obstacles: readonly string[],
	tools: string,
	others: readonly string[],
): QubesLiteError {
	const tried = obstacles.join("; ");
	const help = [
		"a network or mirror on which Debian's trixie or sid can be asked",
		`your distribution's package, where it has one: ${name}`,
		...others,
		`the program from another machine, on PATH or as ${join(tools, name)}`,
	];
	return new QubesLiteError(
		"Unsupported",
		`The guest image is there, but ${name} is missing, ${purpose}: it is not on PATH, not in ${tools}, and Debian's could not be had: ${tried}.`,
		{ remedy: `One of these helps, and then this command again:\n${help.map((line) => `  - ${line}`).join("\n")}` },
	);
}
