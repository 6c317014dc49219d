/** `qubes-lite open LINK|FILE`: opened by a vm's own handler, in the vm that somebody names or the policy decides on. */
import { type ChildProcess, spawn } from "node:child_process";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { program } from "../../cli/commands/qubes-lite.ts";
import { findConfig } from "../../config/find-config.ts";
import { exitStatus, QubesLiteError } from "../../errors.ts";
import { type OpenedFile, openFile, toOpenCommand } from "../../host/open-file.ts";
import { decideWhere, mustAsk } from "../../open/decide-where.ts";
import type { OpenCommand } from "../../open/open-argv.ts";
import { type OpenDestination, parseOpenDestination } from "../../open/open-destination.ts";
import { toOpenPolicy } from "../../open/open-policy.ts";
import { parseOpenTarget, schemeOf } from "../../open/open-target.ts";
import { policyDirectories } from "../../policy/find-policy.ts";
import { toPlaces } from "../install/places.ts";
import { readPolicyHere } from "../policy/look-at-policy.ts";
import { findAsker } from "./ask-where.ts";
import { openByBroker } from "./open-by-broker.ts";

/** Resolves with 0 where the guest's handler has ended well, else with 1, and the reason is said. */
export async function open(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("open", words);
	const target = parseOpenTarget(parsed.operands[0] ?? "");
	const { config } = await findConfig(process.env);
	const named = parsed.value("in");
	const given = named === null ? undefined : parseOpenDestination(named, config);
	await using file = target.kind === "file" ? await openFile(target.path, config.vms) : undefined;
	const policy = toOpenPolicy(readPolicyHere(process.env), config, policyDirectories(process.env)[0] ?? "");
	const ask = findAsker();
	const isForDesktop = given === undefined && ask === undefined && mustAsk(policy, target);
	if (isForDesktop && (await openByBroker(target))) return 0;
	const where = given ?? (await decideWhere(target, config, { policy, ask }));
	policy.check(where, schemeOf(target));
	return await run(where, await toOpenCommand(where.vm, target, file), file);
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
