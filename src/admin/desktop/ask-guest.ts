/** A guest's report of its programs, asked for through run-in-vm as anybody would. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../../config/find-config.ts";
import { guestProgram } from "../../desktop/menu-program.ts";
import { parseReport, type Report } from "../../desktop/report.ts";
import { exitStatus } from "../../errors.ts";
import { reportMaxBytes } from "../../protocol/programs.ts";
import { checkRuntimeDirectory } from "../../runtime-directory.ts";
import { lastLines } from "../../terminal/safe-text.ts";

/** An emulated guest takes two seconds; a large menu some more. */
const answerWithinMs = 30_000;
/** A boot may take bootTimeout, and twice that where it is late. */
const bootWithinMs = 180_000;
/** A sentence with its remedy. */
const wordsMaxBytes = 64 * 1024;
/** Each takes a processor of the host's while it answers. */
const atOnce = 2;

export interface Asking {
	readonly env: Environment;
	/** Directory of dist/ and bin/. */
	readonly root: string;
	readonly mayBoot: boolean;
	readonly signal?: AbortSignal | undefined;
}

/** What each vm has answered: its report, or in words why there is none. Those that do not run are left out, unless `mayBoot`. */
export async function askGuests(vms: readonly string[], asking: Asking): Promise<Map<string, Report | string>> {
	const left = asking.mayBoot ? [...vms] : vms.filter((vm) => isUp(vm, asking.env));
	const answers = new Map<string, Report | string>();
	const work = async (): Promise<void> => {
		for (let vm = left.shift(); vm !== undefined; vm = left.shift()) answers.set(vm, await askGuest(vm, asking));
	};
	await Promise.all(Array.from({ length: atOnce }, work));
	return answers;
}

/** A glance, so that no broker is started to be told that nothing runs. */
function isUp(vm: string, env: Environment): boolean {
	try {
		return existsSync(join(checkRuntimeDirectory(env), vm, "vsock"));
	} catch {
		return false;
	}
}

async function askGuest(vm: string, { env, root, mayBoot, signal }: Asking): Promise<Report | string> {
	signal?.throwIfAborted();
	const options = [...(mayBoot ? [] : ["--no-start"]), "--no-tty", "--no-stdin", "--quiet"];
	const words = [join(root, "dist/run-in-vm.cjs"), ...options, vm, "--", guestProgram, "apps"];
	const child = spawn(process.execPath, words, { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
	const kill = (): void => void child.kill("SIGKILL");
	const timer = setTimeout(kill, mayBoot ? bootWithinMs : answerWithinMs);
	signal?.addEventListener("abort", kill, { once: true });
	try {
		const [stdout, stderr, status] = await Promise.all([
			collect(child.stdout, reportMaxBytes, kill),
			collect(child.stderr, wordsMaxBytes, kill),
			new Promise<number | null>((resolve, reject) => {
				child.once("error", reject);
				child.once("close", resolve);
			}),
		]);
		signal?.throwIfAborted();
		if (status === 0 && stdout !== undefined) return parseReport(stdout.toString("utf8"));
		if (stdout === undefined) return "it has reported more than there is room for";
		if (status === exitStatus.notFound)
			return `its image has no ${guestProgram}: qubes-lite image build makes one that has`;
		return status === null ? "it has not answered in time" : (lastLines(stderr ?? "", 2)[0] ?? `status ${status}`);
	} finally {
		clearTimeout(timer);
		signal?.removeEventListener("abort", kill);
	}
}

/** Undefined, and `tooMuch` called, where there is more than `maxBytes`. */
async function collect(
	stream: NodeJS.ReadableStream,
	maxBytes: number,
	tooMuch: () => void,
): Promise<Buffer | undefined> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of stream) {
		length += (chunk as Buffer).length;
		if (length <= maxBytes) chunks.push(chunk as Buffer);
		else tooMuch();
	}
	return length <= maxBytes ? Buffer.concat(chunks) : undefined;
}
