/** The initramfs: busybox, the drivers that the root image needs to be mounted, and the script that mounts it. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { QubesLiteError } from "../src/errors.ts";
import { type CpioEntry, writeCpio } from "./cpio.ts";
import type { KernelFiles } from "./debian-kernel.ts";
import type { GuestInputs } from "./guest-inputs.ts";
import { orderModules, parseModuleDependencies, toModuleName } from "./kernel-modules.ts";
import { hashFile, hashStrings } from "./sha256.ts";
import type { XzDecompress } from "./vmlinux.ts";

/** Raised whenever this file changes what it makes of the same inputs. */
const initramfsVersion = "2";

/** Loaded in every guest: the bus, the root disk and its file systems, vsock, entropy, the power button. */
const baseModules = [
	"virtio_pci",
	"virtio_blk",
	"erofs",
	"ext4",
	"overlay",
	"vmw_vsock_virtio_transport",
	"virtio_rng",
	"button",
	"evdev",
];
/** What only some guests need: loaded where the kernel command line names a network interface, or a shared directory. */
const otherModules = { network: ["virtio_net"], shares: ["virtiofs"] } as const;

/** Hash of all that the initramfs depends on; `kernelHash` stands for the modules. */
export async function hashInitramfsInputs(inputs: GuestInputs, kernelHash: string): Promise<string> {
	const files = [inputs.busybox, `${inputs.scripts}init`];
	return hashStrings([
		initramfsVersion,
		kernelHash,
		...baseModules,
		...Object.values(otherModules).flatMap((names) => ["", ...names]),
		...(await Promise.all(files.map(hashFile))),
	]);
}

/** The archive, uncompressed: unpacking it would cost the guest more than reading it. */
export async function buildInitramfs(
	inputs: Pick<GuestInputs, "busybox" | "scripts">,
	kernel: Pick<KernelFiles, "modules">,
	decompressXz: XzDecompress,
): Promise<Buffer> {
	const modules = await createModuleSource(kernel.modules, decompressXz);
	const base = await orderModules(baseModules, modules.dependenciesOf);
	const others = await Promise.all(
		Object.entries(otherModules).map(async ([directory, wanted]) => {
			const order = await orderModules(wanted, modules.dependenciesOf);
			return { directory: `modules/${directory}`, names: order.filter((name) => !base.includes(name)) };
		}),
	);

	const toEntries = async (directory: string, names: readonly string[]): Promise<CpioEntry[]> =>
		await Promise.all(
			names.map(async (name, index) => ({
				kind: "file" as const,
				// The script loads them in the order of their names.
				path: `${directory}/${String(index).padStart(2, "0")}-${name}.ko`,
				data: await modules.read(name),
			})),
		);
	const directories = [
		"bin",
		"dev",
		"lower",
		"modules",
		"modules/base",
		...others.map(({ directory }) => directory),
		"newroot",
		"overlay",
		"proc",
		"run",
		"sys",
	];
	return writeCpio([
		...directories.map((path) => ({ kind: "directory" as const, path })),
		{ kind: "file", path: "bin/busybox", data: await readFile(inputs.busybox), executable: true },
		{ kind: "symlink", path: "bin/sh", target: "busybox" },
		{ kind: "file", path: "init", data: await readFile(`${inputs.scripts}init`), executable: true },
		...(await toEntries("modules/base", base)),
		...(await Promise.all(others.map(({ directory, names }) => toEntries(directory, names)))).flat(),
	]);
}

interface ModuleSource {
	/** The ELF file, decompressed. */
	read(name: string): Promise<Buffer>;
	/** `undefined` for one that is built into the kernel. */
	dependenciesOf(name: string): Promise<readonly string[] | undefined>;
}

async function createModuleSource(directory: string, decompressXz: XzDecompress): Promise<ModuleSource> {
	const paths = await readdir(join(directory, "kernel"), { recursive: true });
	const files = new Map(
		paths
			.filter((path) => /\.ko(\.xz)?$/.test(path))
			.map((path) => [toFileModuleName(path), join(directory, "kernel", path)]),
	);
	const builtinList = await readFile(join(directory, "modules.builtin"), "utf8");
	const builtin = new Set(builtinList.split("\n").filter(Boolean).map(toFileModuleName));
	const contents = new Map<string, Buffer>();

	const read = async (name: string): Promise<Buffer> => {
		const known = contents.get(name);
		if (known !== undefined) return known;
		const file = files.get(name);
		if (file === undefined)
			throw new QubesLiteError("Unsupported", `The kernel has no module "${name}", which a guest needs.`);
		const raw = await readFile(file);
		const data = file.endsWith(".xz") ? await decompressXz(raw) : raw;
		contents.set(name, data);
		return data;
	};
	return {
		read,
		async dependenciesOf(name) {
			return builtin.has(name) ? undefined : parseModuleDependencies(await read(name));
		},
	};
}

function toFileModuleName(path: string): string {
	return toModuleName(basename(path).replace(/\.ko(\.xz)?$/, ""));
}
