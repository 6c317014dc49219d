/** `qubes-lite cp SOURCE… DEST`: files into a vm, or out of it, over one session with the guest's own program. */

import { findConfig } from "../../config/find-config.ts";
import { type Copy, parseBytes, parseOperands } from "../../copy/copy-operands.ts";
import { formatSums } from "../../copy/copy-words.ts";
import { toWords } from "../../copy/guest-report.ts";
import { QubesLiteError } from "../../errors.ts";
import { namelessRoot } from "../../tar/tree-entry.ts";
import { parseCommand, UsageError } from "../commands/parse-command.ts";
import { program } from "../commands/qubes-lite.ts";
import { copyFromGuest } from "./copy-from-guest.ts";
import { CopyLine } from "./copy-line.ts";
import { copyToGuest } from "./copy-to-guest.ts";
import { Interrupted } from "./interrupted.ts";
import { Tally } from "./tally.ts";

/** What one copy may bring here, unless somebody says otherwise: more than that a user has planned. */
const usualMaxBytes = 16 * 2 ** 30;

/** Resolves with 0 where all has been copied, with 1 where something was left out, which is said. */
export async function copy(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("cp", words);
	const operands = toOperands(parsed.operands);
	const given = parsed.value("max-bytes");
	const maxBytes = given === null ? usualMaxBytes : parseBytes(given);
	if (maxBytes === undefined) throw usage(`--max-bytes needs a number, as in 16G, not '${given}'`);
	const [quiet, force, json] = [parsed.has("quiet"), parsed.has("force"), parsed.has("json")];
	const user = parsed.value("user");
	if (user === "") throw usage("--user needs a name");
	const { config } = await findConfig(process.env);
	const [root = namelessRoot, ...others] = operands.roots;
	const name = others.length > 0 ? `${others.length + 1} sources` : root === namelessRoot ? operands.vm : root;
	const line = CopyLine.on(process.stderr, toWords(name), quiet, process.env);
	const tally = new Tally(line);
	const interruption = listen(tally);
	const copying = {
		...{ copy: operands, user, quiet, force, maxBytes, tally, vms: config.vms },
		signal: interruption.signal,
	};
	try {
		await (operands.direction === "from" ? copyFromGuest(copying) : copyToGuest(copying));
	} catch (cause) {
		throw withTally(cause, tally);
	} finally {
		interruption.end();
		line?.end();
	}
	return report(tally, operands, { json, isData: operands.destination === "-" && operands.direction === "from" });
}

function toOperands(words: readonly string[]): Copy {
	try {
		return parseOperands(words);
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		throw new UsageError(message, remedy ?? `${program} cp --help`);
	}
}

const usage = (message: string): UsageError => new UsageError(message, `${program} cp --help`);

/** Both are said: what went wrong, and how far it was. */
function withTally(cause: unknown, { files, bytes }: Tally): QubesLiteError {
	if (cause instanceof Interrupted) return cause;
	const { code, message, remedy } = QubesLiteError.from(cause);
	const far = bytes === 0 ? "" : `; nothing is kept of ${formatSums(files, bytes)} that had gone over`;
	return new QubesLiteError(code, `${toWords(message)}${far}`, { remedy, cause });
}

interface Interruption {
	readonly signal: AbortSignal;
	end(): void;
}

/** The first signal breaks the copy off, and nothing of it is kept. */
function listen(tally: Tally): Interruption {
	const controller = new AbortController();
	const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
	const note = (signal: (typeof signals)[number]): void => {
		const far =
			tally.bytes === 0
				? "nothing was copied"
				: `nothing is kept of ${formatSums(tally.files, tally.bytes)} that had gone over`;
		controller.abort(new Interrupted(signal, far));
	};
	for (const signal of signals) process.on(signal, note);
	return {
		signal: controller.signal,
		end: () => {
			for (const signal of signals) process.off(signal, note);
		},
	};
}

function report(tally: Tally, { vm }: Copy, { json, isData }: { json: boolean; isData: boolean }): number {
	const { files, bytes, leftOut, leftOutCount } = tally;
	for (const what of leftOut) process.stderr.write(`${program}: left out: ${what}\n`);
	if (leftOutCount > leftOut.length)
		process.stderr.write(`${program}: left out: ${leftOutCount - leftOut.length} more\n`);
	if (json && !isData) process.stdout.write(`${JSON.stringify({ schema: 1, vm, files, bytes, leftOut })}\n`);
	return leftOutCount === 0 ? 0 : 1;
}
