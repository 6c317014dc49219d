/** What a vm has of the host's files: what is missing, and how it is made. The shim (vm-shim.sh) says the same of its own. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Disk } from "../config/disks.ts";
import type { VmConfig } from "../config/schema.ts";
import { errnoOf, QubesLiteError } from "../errors.ts";
import { shellWord } from "../shell-word.ts";
import { toFormat } from "../vmm/plan-parts.ts";
import { readFormat } from "./disk-formats.ts";
import { checkUserNamespaces } from "./user-namespaces.ts";

/** What helps where there is no disk at `path`. */
export function missingDiskRemedy(path: string): string {
	if (path.startsWith("/dev/")) return "lsblk --paths";
	const make = newDiskRemedy(path);
	return existsSync(dirname(path)) ? make : `mkdir -p ${shellWord(dirname(path))} && ${make}`;
}

/** An empty one would not boot. */
const rootRemedy = (vm: string): string => `name an image that is there as "rootDisk" of ${vm}, or leave it out`;

/** 4 GiB that take no room until they are written. */
export function newDiskRemedy(path: string): string {
	const word = shellWord(path);
	const make = path.endsWith(".qcow2") ? `qemu-img create -f qcow2 ${word} 4G` : `truncate -s 4G ${word}`;
	const whose = path.endsWith(".qcow2") ? " (qemu-img is of the package qemu-utils)" : "";
	return `${make}   # a new one${whose}, or mount what holds it`;
}

/** Throws BootFailed for the first that is not there, not ours, or not what it must be, before the vmm says it in its own words. */
export function checkFiles(vm: VmConfig): void {
	for (const [name, path] of Object.entries({ kernel: vm.kernel, initramfs: vm.initramfs })) {
		if (path !== undefined) check(path, constants.R_OK, `the ${name} ${path}`, `ls -l ${shellWord(path)}`);
	}
	if (vm.rootDisk !== undefined) checkDisk(vm.rootDisk, vm.hypervisor, rootRemedy(vm.name));
	for (const disk of vm.disks) checkDisk(disk, vm.hypervisor, missingDiskRemedy(disk.path));
	checkShares(vm);
}

/** The same for its shared directories, and whether this user's virtiofsd can be confined to them. */
export function checkShares({ sharedDirectories }: VmConfig): void {
	for (const { path, readOnly } of sharedDirectories) checkDirectory(path, readOnly);
	if (sharedDirectories.length > 0) checkUserNamespaces(process.getuid?.() ?? 0);
}

function checkDisk({ path, readOnly }: Disk, hypervisor: VmConfig["hypervisor"], missing: string): void {
	const mode = readOnly ? constants.R_OK : constants.R_OK | constants.W_OK;
	check(path, mode, `the disk ${path}`, missing, readOnly ? "read" : "read and write");
	if (hypervisor !== "crosvm") return;
	const found = statSync(path);
	if (!found.isFile() && !found.isBlockDevice()) {
		throw new QubesLiteError("BootFailed", `the disk ${path} is neither a file nor a block device`, {
			remedy: `ls -ld ${shellWord(path)}`,
		});
	}
	const format = toFormat(path);
	if (readFormat(path) === format) return;
	throw new QubesLiteError(
		"BootFailed",
		`the disk ${path} is not ${format}, as its name says, and crosvm would believe its content`,
		{
			remedy: `od -A n -c -N 16 ${shellWord(path)}   # somebody has written that there; qemu-img convert makes one of another format`,
		},
	);
}

function checkDirectory(path: string, readOnly: boolean): void {
	const mode = constants.R_OK | constants.X_OK | (readOnly ? 0 : constants.W_OK);
	const what = `the shared directory ${path}`;
	if (isOther(path)) {
		throw new QubesLiteError("BootFailed", `${what} is no directory`, { remedy: `ls -ld ${shellWord(path)}` });
	}
	check(path, mode, what, `mkdir -p ${shellWord(path)}`, readOnly ? "read" : "read and write");
}

/** It is there, and is no directory. */
function isOther(path: string): boolean {
	try {
		return !statSync(path).isDirectory();
	} catch {
		return false;
	}
}

function check(path: string, mode: number, what: string, missingRemedy: string, verb = "read"): void {
	try {
		accessSync(path, mode);
	} catch (cause) {
		switch (errnoOf(cause)) {
			case "ENOENT":
			case "ENOTDIR":
				throw new QubesLiteError("BootFailed", `${what} is not there`, { remedy: missingRemedy, cause });
			case "EACCES":
			case "EPERM":
			case "EROFS":
				throw new QubesLiteError("BootFailed", `${what} is not yours to ${verb}`, {
					remedy: `namei -l ${shellWord(path)}`,
					cause,
				});
			default:
				// The vmm knows better.
				return;
		}
	}
}
