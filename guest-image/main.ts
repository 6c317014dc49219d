/**
 * `qubes-lite image`: builds and lists guest images. Progress and errors go to standard error, data to standard output;
 * exit status 0 done, 1 failed, 2 usage, 128 + the signal's number when interrupted.
 */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { QubesLiteError } from "../src/errors.ts";
import { assembleImage } from "./assemble-image.ts";
import { buildImage, megabytes } from "./build-image.ts";
import { findHelper } from "./debian-helper.ts";
import { explainStorageError } from "./disk-room.ts";
import { createImageStore } from "./image-store.ts";
import { createProgress } from "./progress.ts";
import { vhostDeviceVsock, virtiofsd } from "./vm-helpers.ts";

const usage = `Usage: qubes-lite image build [--force]
       qubes-lite image ls [--json]
       qubes-lite image path
       qubes-lite image assemble --kernel FILE --modules DIR --busybox FILE --root FILE --out DIR [--qcow]

build   makes the guest image of this machine's Debian release the current one (--force: even if nothing changed)
ls      lists the images in the cache
path    prints the directory of the current image
assemble  makes an image's directory of a kernel, its lib/modules/RELEASE, and a raw erofs or ext4 whose /sbin/init is started;
        a static busybox is for the initramfs; --qcow: the root becomes one
`;

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;

/** XDG Base Directory: a relative path in the variable is to be ignored. */
function cacheDirectoryOf(environment: NodeJS.ProcessEnv): string {
	const base = environment.XDG_CACHE_HOME ?? "";
	return join(isAbsolute(base) ? base : join(homedir(), ".cache"), "qubes-lite");
}

async function build(cacheDirectory: string, force: boolean, signal: AbortSignal): Promise<void> {
	const { stderr, env } = process;
	const progress = createProgress({
		write: (text) => stderr.write(text),
		isLive: stderr.isTTY === true && env.TERM !== "dumb" && !env.NO_COLOR,
		now: () => performance.now(),
	});
	try {
		await buildImage({ cacheDirectory, force, progress, signal });
		await progress.step("vsock", async (note) =>
			note((await findHelper(vhostDeviceVsock, cacheDirectory, signal, note)).origin),
		);
		await progress.step("virtiofsd", async (note) => {
			try {
				note((await findHelper(virtiofsd, cacheDirectory, signal, note)).origin);
			} catch (error) {
				if (!(error instanceof QubesLiteError) || error.code !== "Unsupported") throw error;
				// Most vms do without it.
				note("not to be had");
				progress.say(`${error.message}\n${error.remedy}`);
			}
		});
	} catch (error) {
		throw explainStorageError(error, cacheDirectory);
	}
}

async function list(cacheDirectory: string, asJson: boolean): Promise<void> {
	const store = createImageStore(cacheDirectory);
	const current = (await store.findCurrent())?.manifest.key;
	const images = (await store.list()).map(({ directory, manifest }) => ({
		key: manifest.key,
		kernelRelease: manifest.kernelRelease,
		bytes: manifest.kernel.size + manifest.initramfs.size + manifest.root.size,
		current: manifest.key === current,
		directory,
	}));
	if (asJson) {
		process.stdout.write(`${JSON.stringify({ schema: 1, images })}\n`);
		return;
	}
	for (const { key, kernelRelease, bytes, current } of images) {
		process.stdout.write(`${current ? "*" : " "} ${key}  ${kernelRelease}  ${megabytes(bytes)}\n`);
	}
}

async function printPath(cacheDirectory: string): Promise<void> {
	const image = await createImageStore(cacheDirectory).findCurrent();
	if (image === undefined) {
		throw new QubesLiteError("Unsupported", `There is no guest image in ${cacheDirectory}.`, {
			remedy: "qubes-lite image build",
		});
	}
	process.stdout.write(`${image.directory}\n`);
}

function refuseUsage(why: string): number {
	process.stderr.write(`qubes-lite image: ${why}\n${usage}`);
	return 2;
}

const assembleNames = ["kernel", "modules", "busybox", "root", "out"] as const;
const options = {
	force: { type: "boolean" },
	json: { type: "boolean" },
	qcow: { type: "boolean" },
	kernel: { type: "string" },
	modules: { type: "string" },
	busybox: { type: "string" },
	root: { type: "string" },
	out: { type: "string" },
	help: { type: "boolean", short: "h" },
} as const;

/** Which command each goes with. */
const belongs: readonly (readonly [keyof typeof options, string])[] = [
	["force", "build"],
	["json", "ls"],
	["qcow", "assemble"],
	...assembleNames.map((name) => [name, "assemble"] as const),
];

async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
	const parse = () => parseArgs({ args: [...args], allowPositionals: true, options });
	let parsed: ReturnType<typeof parse>;
	try {
		parsed = parse();
	} catch (error) {
		return refuseUsage(error instanceof Error ? error.message : String(error));
	}
	const { values, positionals } = parsed;
	if (values.help) {
		process.stdout.write(usage);
		return 0;
	}
	const [command, ...rest] = positionals;
	if (rest.length > 0) return refuseUsage(`"${rest[0]}" is one argument too many.`);
	const stray = belongs.find(([name, its]) => values[name] !== undefined && command !== its);
	if (stray !== undefined) return refuseUsage(`--${stray[0]} goes with ${stray[1]}.`);
	const cacheDirectory = cacheDirectoryOf(process.env);
	switch (command) {
		case "build":
			await build(cacheDirectory, values.force ?? false, signal);
			return 0;
		case "ls":
			await list(cacheDirectory, values.json ?? false);
			return 0;
		case "path":
			await printPath(cacheDirectory);
			return 0;
		case "assemble": {
			const missing = assembleNames.find((name) => !values[name]);
			if (missing !== undefined) return refuseUsage(`--${missing} is missing.`);
			const path = (name: (typeof assembleNames)[number]): string => resolve(values[name] ?? "");
			const [kernel, modules, busybox, root, out] = assembleNames.map(path) as [string, string, string, string, string];
			await assembleImage({ kernel, modules, busybox, root, out, qcow: values.qcow ?? false, signal });
			process.stdout.write(`${out}\n`);
			return 0;
		}
		default:
			return refuseUsage(command === undefined ? "a command is missing." : `there is no command "${command}".`);
	}
}

async function main(): Promise<number> {
	const interruption = new AbortController();
	let received: keyof typeof signalNumbers | undefined;
	for (const name of ["SIGINT", "SIGTERM"] as const) {
		process.once(name, () => {
			received ??= name;
			interruption.abort();
		});
	}
	try {
		return await run(process.argv.slice(2), interruption.signal);
	} catch (thrown) {
		if (received !== undefined) return 128 + signalNumbers[received];
		const error = QubesLiteError.from(thrown);
		process.stderr.write(`qubes-lite image: ${error.message}\n`);
		if (error.remedy !== undefined) process.stderr.write(`${error.remedy}\n`);
		return 1;
	}
}

process.exitCode = await main();
