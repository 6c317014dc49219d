/**
 * `qubes-lite image`: builds, lists and removes guest images. Progress and errors go to standard error, data to standard output;
 * exit status 0 done, 1 failed, 2 usage, 128 + the signal's number when interrupted.
 */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { QubesLiteError } from "../src/errors.ts";
import { assembleImage } from "./assemble-image.ts";
import { buildImages } from "./build-images.ts";
import { explainStorageError } from "./disk-room.ts";
import { lockImages } from "./image-lock.ts";
import { createImageStore } from "./image-store.ts";
import { printImages } from "./list-images.ts";
import { createProgress } from "./progress.ts";
import { collectGarbage, removeImages } from "./remove-images.ts";

const usage = `Usage: qubes-lite image build [--force] [VM...]
       qubes-lite image ls [--json]
       qubes-lite image rm [--force] KEY...
       qubes-lite image gc [--dry-run]
       qubes-lite image path
       qubes-lite image assemble --kernel FILE --modules DIR --busybox FILE --root FILE --out DIR [--qcow]

build   makes the guest image of this machine's Debian release the current one, and the images that these vms, or all,
        ask for by packages (--force: the newest packages, even if nothing changed)
ls      lists the images in the cache
rm      removes images (--force: even if vms of the configuration boot them)
gc      removes images that no vm needs, and packages that no image of the configuration is made of
path    prints the directory of the current image
assemble  makes an image's directory of a kernel, its lib/modules/RELEASE, and a raw erofs or ext4 whose /sbin/init is started;
        a static busybox is for the initramfs; --qcow: the root becomes one
`;

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** XDG Base Directory: a relative path in the variable is to be ignored. */
function cacheDirectoryOf(environment: NodeJS.ProcessEnv): string {
	const base = environment.XDG_CACHE_HOME ?? "";
	return join(isAbsolute(base) ? base : join(homedir(), ".cache"), "qubes-lite");
}

async function build(
	cacheDirectory: string,
	force: boolean,
	vms: readonly string[],
	signal: AbortSignal,
): Promise<void> {
	const { stderr, env } = process;
	const progress = createProgress({
		write: (text) => stderr.write(text),
		isLive: stderr.isTTY === true && env.TERM !== "dumb" && !env.NO_COLOR,
		now: () => performance.now(),
	});
	await inCache(cacheDirectory, () => buildImages({ cacheDirectory, force, progress, signal }, vms));
}

/** Rejects with a sentence where the directory's disk is full, or forbidden. */
async function inCache(cacheDirectory: string, work: () => Promise<void>): Promise<void> {
	try {
		await work();
	} catch (error) {
		throw explainStorageError(error, cacheDirectory);
	}
}

/** While nobody else builds or removes images. */
async function alone(cacheDirectory: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
	const say = (line: string): void => void process.stderr.write(`qubes-lite image: ${line}\n`);
	await inCache(cacheDirectory, async () => {
		await using _lock = await lockImages(cacheDirectory, { signal, say });
		await work();
	});
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
	"dry-run": { type: "boolean" },
	json: { type: "boolean" },
	qcow: { type: "boolean" },
	kernel: { type: "string" },
	modules: { type: "string" },
	busybox: { type: "string" },
	root: { type: "string" },
	out: { type: "string" },
	help: { type: "boolean", short: "h" },
} as const;

/** Which commands each goes with. */
const belongs: readonly (readonly [keyof typeof options, ...string[]])[] = [
	["force", "build", "rm"],
	["dry-run", "gc"],
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
	if (rest.length > 0 && command !== "build" && command !== "rm")
		return refuseUsage(`"${rest[0]}" is one argument too many.`);
	const stray = belongs.find(([name, ...its]) => values[name] !== undefined && !its.includes(command ?? ""));
	if (stray !== undefined) return refuseUsage(`--${stray[0]} goes with ${stray.slice(1).join(" and ")}.`);
	const cacheDirectory = cacheDirectoryOf(process.env);
	switch (command) {
		case "build":
			await build(cacheDirectory, values.force ?? false, rest, signal);
			return 0;
		case "ls":
			await printImages(cacheDirectory, values.json ?? false, Date.now());
			return 0;
		case "rm":
			if (rest.length === 0) return refuseUsage("which image? Its key is missing.");
			await alone(cacheDirectory, signal, () => removeImages(cacheDirectory, rest, values.force ?? false));
			return 0;
		case "gc":
			if (values["dry-run"]) await collectGarbage(cacheDirectory, true);
			else await alone(cacheDirectory, signal, () => collectGarbage(cacheDirectory, false));
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
	for (const name of Object.keys(signalNumbers) as (keyof typeof signalNumbers)[]) {
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
		if (error.remedy !== undefined) process.stderr.write(`  → ${error.remedy}\n`);
		return 1;
	}
}

process.exitCode = await main();
