/**
 * `qubes-lite host tap --print`: what prepares this host for networked vms, printed for whoever has root here to read and to run.
 * It changes nothing itself.
 */
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { parseCommand, UsageError } from "../cli/commands/parse-command.ts";
import { program } from "../cli/commands/qubes-lite.ts";
import { type Environment, findConfig } from "../config/find-config.ts";
import { formatName } from "../config/format-value.ts";
import { nearestName } from "../nearest-name.ts";
import { shellWord } from "../shell-word.ts";
import { runProgram } from "./doctor/run-program.ts";
import { networkd } from "./host/networkd-files.ts";
import { networkManager } from "./host/networkmanager-files.ts";
import { formatPrepare, formatUndo } from "./host/shell-commands.ts";
import { formatComment, formatTapFiles, nothingNeeded, type TapFormat } from "./host/tap-files.ts";
import { formatTapJson } from "./host/tap-json.ts";
import { planTaps, type TapOwner, type TapPlan } from "./host/tap-plan.ts";
import { writeTapFiles } from "./write-tap-files.ts";

/** A directory service may be slow. */
const idWithinMs = 5000;

const help = `${program} host tap --help`;

/** null: commands for a shell. */
const formats: Readonly<Record<string, TapFormat | null>> = {
	shell: null,
	networkd,
	networkmanager: networkManager,
};

/** Prints the commands or files, with --out the files' paths. Resolves with 0. */
export async function hostTap(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("host tap", words);
	if (!parsed.has("print")) {
		const said = "host tap changes nothing, it only prints what root may run here: it needs --print";
		throw new UsageError(said, `${program} host tap --print`);
	}
	const out = parsed.value("out");
	const format = parseFormat(parsed.value("format") ?? "shell");
	if (out !== null && (format === null || parsed.has("undo") || out === "")) {
		throw new UsageError("--out DIR is for the files of --format=networkd and --format=networkmanager", help);
	}
	if (parsed.has("json") && (parsed.has("undo") || parsed.has("format"))) {
		throw new UsageError(
			"--json has all that is needed to make commands: it goes with neither --format nor --undo",
			help,
		);
	}
	const { config } = await findConfig(process.env);
	const plan = planTaps(config, {
		names: parsed.operands,
		owner: await findOwner(config.user, process.env),
		outside: parseInterface(parsed.value("nat")),
	});
	if (plan.offline.length > 0 && !plan.isWhole) {
		say(`${plan.offline.join(", ")}: "network" is false, so there is nothing to prepare for that`);
	}
	if (plan.owner.name === null && plan.owner.uid === 0 && !parsed.has("undo")) {
		say('the TAPs will be root\'s: ask as the user who runs vms, or give the configuration a "user"');
	}
	if (parsed.has("json")) return print(formatTapJson(plan));
	if (parsed.has("undo")) return print(formatUndo(plan, format?.toForget(plan)));
	return format === null ? print(formatPrepare(plan)) : printFiles(format, plan, out);
}

async function printFiles(format: TapFormat, plan: TapPlan, out: string | null): Promise<number> {
	if (plan.taps.length === 0) return print(formatComment([nothingNeeded]));
	const files = format.toFiles(plan);
	if (out === null) {
		const head = `For ${format.title}. With --out DIR these are files there, which root puts into their places:`;
		return print(`${formatComment([head, ...format.toUse("DIR")])}${formatTapFiles(files)}`);
	}
	const directory = resolve(out);
	const paths = await writeTapFiles(directory, files);
	say(["to use them, as root:", ...format.toUse(shellWord(directory))].join("\n  "));
	return print(paths.map((path) => `${path}\n`).join(""));
}

function print(text: string): number {
	process.stdout.write(text);
	return 0;
}

const say = (text: string): boolean => process.stderr.write(`${program}: ${text}\n`);

function parseFormat(word: string): TapFormat | null {
	const names = Object.keys(formats);
	const format = Object.hasOwn(formats, word) ? formats[word] : undefined;
	if (format !== undefined) return format;
	const meant = nearestName(word, names);
	const hint = meant === undefined ? "" : `; did you mean '${meant}'?`;
	throw new UsageError(`--format is one of ${names.join(", ")}, not ${formatName(word)}${hint}`, help);
}

/** As dev_valid_name() in Linux's net/core/dev.c has it, but for characters that mean something to nft. */
function parseInterface(name: string | null): string | null {
	if (name === null) return null;
	if (!/^[\w.@-]{1,15}$/.test(name) || name === "." || name === "..") {
		throw new UsageError(`--nat needs the name of a network interface, not ${formatName(name)}`, "ip -brief link");
	}
	const known = readdirSync("/sys/class/net");
	if (!known.includes(name)) {
		const meant = nearestName(name, known);
		// It may come later, as that of a VPN does.
		say(`there is no interface ${name} now${meant === undefined ? "" : `; did you mean '${meant}'?`}`);
	}
	return name;
}

/** `user` of the configuration, else the caller, who may have come by sudo(8). */
async function findOwner(user: string | undefined, env: Environment): Promise<TapOwner> {
	if (user === undefined) return { name: null, uid: callerOf(env) };
	// It knows those of directory services, too.
	const { status, stdout } = await runProgram(["id", "-u", "--", user], env, idWithinMs);
	return { name: user, uid: status === 0 && /^\d+\n$/.test(stdout) ? Number(stdout) : null };
}

function callerOf({ SUDO_UID: behindSudo = "" }: Environment): number {
	const uid = process.getuid?.() ?? 0;
	return uid === 0 && /^\d{1,10}$/.test(behindSudo) ? Number(behindSudo) : uid;
}
