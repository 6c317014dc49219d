/**
 * `$XDG_RUNTIME_DIR/qubes-lite`: where the broker's socket and every vm's sockets are. Client and broker look at it in
 * the same way, because whoever owns it is the user: it must be a real directory of ours that nobody else may enter.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { errnoOf, QubesLiteError } from "./errors.ts";
import { socketPathMaxBytes } from "./launch-plan.ts";
import { shellWord } from "./shell-word.ts";

/** The longest socket of ours below it: `<vm>/vhost-vsock.sock`, with a name of 12 characters. */
const longestSocket = "123456789012/vhost-vsock.sock";

export const brokerSocketName = "broker.sock";

interface Environment {
	readonly XDG_RUNTIME_DIR?: string | undefined;
	/** Whoever has called sudo(8). */
	readonly SUDO_USER?: string | undefined;
}

/** The path, checked and made (0700) where it is missing. Throws Unsupported with the remedy. */
export function openRuntimeDirectory(env: Environment): string {
	const path = checkBase(env);
	make(path);
	checkOurs(path);
	return path;
}

/** The path, checked as far as it is there, and nothing made. Throws Unsupported with the remedy. */
export function checkRuntimeDirectory(env: Environment): string {
	const path = checkBase(env);
	if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) checkOurs(path);
	return path;
}

function checkBase(env: Environment): string {
	const base = env.XDG_RUNTIME_DIR;
	if (base === undefined || base === "") {
		const isSudo = process.getuid?.() === 0 && (env.SUDO_USER ?? "root") !== "root";
		if (isSudo)
			throw refusal("vms are a user's own, and root has no XDG_RUNTIME_DIR", "run it as your own user: without sudo");
		throw refusal("XDG_RUNTIME_DIR is not set, so there is no safe place for sockets", makeOne());
	}
	if (!isAbsolute(base)) throw refusal(`XDG_RUNTIME_DIR is not an absolute path: ${base}`, makeOne());
	const path = join(base, "qubes-lite");
	const longest = Buffer.byteLength(join(path, longestSocket));
	if (longest > socketPathMaxBytes) {
		throw refusal(
			`XDG_RUNTIME_DIR is ${longest - socketPathMaxBytes} bytes too long for a socket's path: ${base}`,
			makeOne(),
		);
	}
	check(base, "XDG_RUNTIME_DIR", `export XDG_RUNTIME_DIR="$(readlink -f ${shellWord(base)})"`);
	return path;
}

const checkOurs = (path: string): void => check(path, "the runtime directory", `rm ${shellWord(path)}`);

function check(path: string, what: string, whenLink: string): void {
	const uid = process.getuid?.() ?? -1;
	const stat = lstatSync(path, { throwIfNoEntry: false });
	if (stat === undefined) throw refusal(`${what} does not exist: ${path}`, `mkdir -p -m 700 ${shellWord(path)}`);
	if (stat.isSymbolicLink()) throw refusal(`${what} is a symbolic link: ${path}`, whenLink);
	if (!stat.isDirectory()) throw refusal(`${what} is not a directory: ${path}`, makeOne(path));
	if (stat.uid !== uid)
		throw refusal(`${what} belongs to uid ${stat.uid}, not to you (uid ${uid}): ${path}`, makeOne(path));
	if ((stat.mode & 0o077) !== 0)
		throw refusal(`${what} is open to other users: ${path}`, `chmod 700 ${shellWord(path)}`);
}

function make(path: string): void {
	try {
		mkdirSync(path, { mode: 0o700 });
	} catch (cause) {
		if (errnoOf(cause) === "EEXIST") return;
		throw refusal(
			`the runtime directory cannot be made (${errnoOf(cause)}): ${path}`,
			`df -h ${shellWord(dirname(path))}; df -i ${shellWord(dirname(path))}   # make room, or set XDG_RUNTIME_DIR`,
			cause,
		);
	}
}

/**
 * The same in each of a user's terminals: with two there would be two brokers, and the same vm twice. Works for every uid,
 * also without a login session, and is looked at like any other when it is used. Where `taken` is just that, somebody else
 * has made it, and it is at home.
 */
function makeOne(taken?: string): string {
	const isTaken = taken?.startsWith(`/tmp/run-${process.getuid?.()}`);
	const directory = isTaken === true ? "~/.run" : "/tmp/run-$(id -u)";
	return `mkdir -p -m 700 ${directory} && export XDG_RUNTIME_DIR=${directory}   # or log in through a session manager, which sets it`;
}

const refusal = (message: string, remedy: string, cause?: unknown): QubesLiteError =>
	new QubesLiteError("Unsupported", message, { remedy, cause });
