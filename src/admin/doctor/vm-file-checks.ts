/** What vms boot from and write to: guest images, disks, and directories of the host. */
import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, relative } from "node:path";
import type { Disk } from "../../config/disks.ts";
import type { VmConfig } from "../../config/schema.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { imageOf, readImageOf } from "../../host/gather-host-facts.ts";
import { readImage } from "../../host/image-facts.ts";
import { checkShares, missingDiskRemedy, newDiskRemedy } from "../../host/vm-files.ts";
import { shellWord } from "../../shell-word.ts";
import type { ImageFacts } from "../../vmm/host-facts.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import { type DoctorHost, toEditCommand, vmsOf } from "./host.ts";

/** The built image where a vm boots it, or none is configured; and each vm's own. */
export function imageChecks(host: DoctorHost): Check[] {
	const vms = vmsOf(host);
	const own = vms.filter(({ image }) => image !== undefined);
	const built: Check = { name: "image", run: () => checkImage(() => readImage(imageOf(host, {}), null)) };
	return [
		...(own.length === vms.length && vms.length > 0 ? [] : [built]),
		...own.map((vm) => ({ name: `image:${vm.name}`, run: () => checkOwnImage(host, vm) })),
	];
}

/** Sizes only, as before a start: reading it all takes a second. */
function checkImage(read: () => ImageFacts, otherRemedy?: string): Finding {
	try {
		return pass(`the guest image is complete: ${dirname(read().root)}`);
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		return fail(message, otherRemedy ?? remedy ?? "qubes-lite image build");
	}
}

function checkOwnImage(host: DoctorHost, vm: VmConfig): Finding {
	const { image } = vm;
	if (typeof image !== "string") return checkImage(() => readImageOf(host, vm));
	const remedy = `${toEditCommand(host)}   # without "image" it boots the one of: qubes-lite image build`;
	return checkImage(() => readImage(image, null), remedy);
}

export const diskChecks = (host: DoctorHost): Check[] =>
	vmsOf(host)
		.filter(({ disks }) => disks.length > 0)
		.map((vm) => ({ name: `disks:${vm.name}`, run: () => checkDisks(vm, vmsOf(host)) }));

export const shareChecks = (host: DoctorHost): Check[] =>
	vmsOf(host)
		.filter(({ sharedDirectories }) => sharedDirectories.length > 0)
		.map((vm) => ({ name: `shares:${vm.name}`, run: () => checkSharesOf(host, vm) }));

function checkSharesOf(host: DoctorHost, vm: VmConfig): Finding {
	try {
		checkShares(vm);
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		return fail(message, remedy ?? "qubes-lite doctor");
	}
	const wide = vm.sharedDirectories.find(({ path, readOnly }) => !readOnly && hasHome(path));
	if (wide === undefined) {
		return pass(`${vm.sharedDirectories.map(({ path }) => path).join(", ")}: there, and can be shared`);
	}
	return warn(
		`${vm.name} may write all of ${wide.path}, and with it what you and your programs start: no boundary is left`,
		`${toEditCommand(host)}   # share a directory of its own, or with "readOnly": true`,
	);
}

/** The user's home is it, or is in it. */
const hasHome = (path: string): boolean => !relative(path, homedir()).startsWith("..");

async function checkDisks(vm: VmConfig, vms: readonly VmConfig[]): Promise<Finding> {
	const { disks } = vm;
	const findings = await Promise.all(disks.map(checkDisk));
	const worst = findings.find(({ status }) => status === "FAIL") ?? findings.find(({ status }) => status === "WARN");
	return (
		worst ??
		(await findSharedDisk(vm, vms)) ??
		pass(`${disks.length === 1 ? "its disk is" : `its ${disks.length} disks are`} there, and can be used`)
	);
}

async function checkDisk({ path, readOnly }: Disk): Promise<Finding> {
	const word = shellWord(path);
	const verb = readOnly ? "read" : "read and write";
	try {
		const found = await stat(path);
		if (!found.isFile() && !found.isBlockDevice()) {
			return fail(`the disk ${path} is neither a file nor a block device`, `ls -ld ${word}`);
		}
		await access(path, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
		if (found.isFile() && found.size === 0) return warn(`the disk ${path} is empty`, newDiskRemedy(path));
		return pass("");
	} catch (cause) {
		switch (errnoOf(cause)) {
			case "ENOENT":
			case "ENOTDIR":
				return fail(`there is no disk ${path}`, missingDiskRemedy(path));
			case "EACCES":
				return fail(`the disk ${path} is not yours to ${verb}`, `namei -l ${word}`);
			default:
				return fail(`the disk ${path} can't be used (${errnoOf(cause)})`, `ls -l ${word}`);
		}
	}
}

/** QEMU's lock lets only one of them boot at a time, and a device has none. */
async function findSharedDisk(vm: VmConfig, vms: readonly VmConfig[]): Promise<Finding | undefined> {
	const own = new Set(await resolveWritten(vm));
	for (const other of vms) {
		if (other.name === vm.name) continue;
		const shared = (await resolveWritten(other)).find((path) => own.has(path));
		if (shared === undefined) continue;
		return warn(
			`${vm.name} and ${other.name} both write the disk ${shared}: at the same time that would destroy what is on it`,
			"qubes-lite ls   # run one of them at a time, or give each a disk of its own",
		);
	}
	return undefined;
}

const resolveWritten = ({ disks, rootDisk }: VmConfig): Promise<string[]> =>
	Promise.all(
		[...(rootDisk === undefined ? [] : [rootDisk]), ...disks]
			.filter(({ readOnly }) => !readOnly)
			.map(({ path }) => resolvePath(path)),
	);
const resolvePath = (path: string): Promise<string> => realpath(path).catch(() => path);
