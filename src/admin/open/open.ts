/** `qubes-lite open LINK|FILE`: opened by a vm's own handler, in the vm that somebody names or the policy decides on. */
import { type ChildProcess, spawn } from "node:child_process";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { program } from "../../cli/commands/qubes-lite.ts";
import { findConfig } from "../../config/find-config.ts";
import { exitStatus, QubesLiteError } from "../../errors.ts";
import { type OpenCommand, toOpenArgv } from "../../open/open-argv.ts";
import { type OpenDestination, parseOpenDestination } from "../../open/open-destination.ts";
import { parseOpenTarget, schemeOf } from "../../open/open-target.ts";
import { toPlaces } from "../install/places.ts";
import { findAsker } from "./ask-where.ts";
import { decideWhere } from "./decide-where.ts";
import { type OpenedFile, openFile, toRealDirectories } from "./open-file.ts";
import { findOpenPolicy } from "./open-policy.ts";

/** Resolves with 0 where the guest's handler has ended well, else with 1, and the reason is said. */
export async function open(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("open", words);
	const target = parseOpenTarget(parsed.operands[0] ?? "");
	const { config } = await findConfig(process.env);
	const named = parsed.value("in");
	const given = named === null ? undefined : parseOpenDestination(named, config);
	await using file = target.kind === "file" ? await openFile(target.path) : undefined;
	const policy = findOpenPolicy(config, process.env);
	const where = given ?? (await decideWhere(target, config, { policy, ask: findAsker() }));
	policy.check(where, schemeOf(target));
	const known = file === undefined ? target : { kind: "file" as const, path: file.path };
	const sharedDirectories = file === undefined ? [] : await toRealDirectories(where.vm.sharedDirectories);
	return await run(where, toOpenArgv({ open: where.vm.open, sharedDirectories }, known), file);
}

async function run(where: OpenDestination, command: OpenCommand, file: OpenedFile | undefined): Promise<number> {
	const { vm, isDisposable } = where;
	const target = isDisposable ? [`--disposable=${vm.name}`] : [vm.name];
	const streams = command.takesContent ? ["--no-tty"] : ["--no-tty", "--no-stdin"];
	const words = [join(toPlaces(process.env).root, "dist/run-in-vm.cjs"), ...streams, ...target, "--", ...command.argv];
	const status = await ending(start(words, command.takesContent ? file?.handle : undefined));
	const isSaid = status >= exitStatus.timedOut && status <= exitStatus.notFound;
	if (status !== 0 && !isSaid) {
		const name = isDisposable ? `a disposable of ${vm.name}` : vm.name;
		process.stderr.write(`${program}: ${vm.open[0]} in ${name} has ended with status ${status}\n`);
	}
	return status === 0 ? 0 : 1;
}

/** Keys reach it as well; what is sent to us alone is passed on. */
function start(words: readonly string[], stdin: FileHandle | undefined): ChildProcess {
	const child = spawn(process.execPath, words, { stdio: [stdin?.fd ?? "ignore", "inherit", "inherit"] });
	for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, () => {});
	for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
	return child;
}

function ending(child: ChildProcess): Promise<number> {
	return new Promise((resolve, reject) => {
		child.once("error", (cause) => {
			reject(new QubesLiteError("Internal", `run-in-vm cannot be started (${cause.message})`, { cause }));
		});
		child.once("exit", (code) => resolve(code ?? exitStatus.signalBase));
	});
}
