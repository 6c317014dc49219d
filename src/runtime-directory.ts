/**
 * `$XDG_RUNTIME_DIR/qubes-lite`: where the broker's socket and every vm's sockets are. Client and broker look at it in
 * the same way, because whoever owns it is the user: it must be a real directory of ours that nobody else may enter.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { errnoOf, QubesLiteError } from "./errors.ts";
import { socketPathMaxBytes } from "./launch-plan.ts";

/** The longest socket of ours below it: `<vm>/vhost-vsock.sock`, with a name of 12 characters. */
const longestSocket = "123456789012/vhost-vsock.sock";

export const brokerSocketName = "broker.sock";

/** The path, checked and made (0700) where it is missing. Throws Unsupported with the remedy. */
export function openRuntimeDirectory(env: { readonly XDG_RUNTIME_DIR?: string | undefined }): string {
	const base = env.XDG_RUNTIME_DIR;
	if (base === undefined || base === "") {
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
	check(base, "XDG_RUNTIME_DIR");
	make(path);
	check(path, "the runtime directory");
	return path;
}

function check(path: string, what: string): void {
	const uid = process.getuid?.() ?? -1;
	const stat = lstatSync(path, { throwIfNoEntry: false });
	if (stat === undefined) throw refusal(`${what} does not exist: ${path}`, `mkdir -p -m 700 ${path}`);
	if (stat.isSymbolicLink())
		throw refusal(`${what} is a symbolic link: ${path}`, "set XDG_RUNTIME_DIR to where it points");
	if (!stat.isDirectory()) throw refusal(`${what} is not a directory: ${path}`, makeOne());
	if (stat.uid !== uid)
		throw refusal(`${what} belongs to uid ${stat.uid}, not to you (uid ${uid}): ${path}`, makeOne());
	if ((stat.mode & 0o077) !== 0) throw refusal(`${what} is open to other users: ${path}`, `chmod 700 ${path}`);
}

function make(path: string): void {
	try {
		mkdirSync(path, { mode: 0o700 });
	} catch (cause) {
		if (errnoOf(cause) === "EEXIST") return;
		throw refusal(
			`the runtime directory cannot be made (${errnoOf(cause)}): ${path}`,
			"make room, or set XDG_RUNTIME_DIR",
			cause,
		);
	}
}

/** $HOME-free and short: works for every uid, also without a login session. */
const makeOne = (): string =>
	`export XDG_RUNTIME_DIR=$(mktemp -d /tmp/run-XXXXXX)   # or log in through a session manager, which sets it`;

const refusal = (message: string, remedy: string, cause?: unknown): QubesLiteError =>
	new QubesLiteError("Unsupported", message, { remedy, cause });
