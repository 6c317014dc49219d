/**
 * Namespaces in which a root file system is made: who owns what is the guest's, mounts are seen by nobody else, and all of it ends with us,
 * whatever ends us.
 */
import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { QubesLiteError } from "../src/errors.ts";
import { runTool } from "./run-tool.ts";

type Argv = readonly [string, ...string[]];

/**
 * Words before a program: it is root there. An ordinary user needs a range of other uids for that (subuid(5)), which newuidmap gives him. By
 * setpriv the first of them dies with us, and with it goes the process namespace, and then the mounts.
 */
export function inNamespaces(program: Argv, uid = process.getuid?.() ?? 0): Argv {
	const users = uid === 0 ? [] : ["--user", "--map-root-user", "--map-auto"];
	const own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
	return ["setpriv", "--pdeathsig", "KILL", "unshare", ...users, ...own, "--", ...program];
}

/** Making a namespace takes milliseconds. */
const withinMs = 10_000;

/** Throws Unsupported with what helps where this user can't have them. */
export async function checkNamespaces(signal: AbortSignal): Promise<void> {
	try {
		await runTool(inNamespaces(["true"]), { signal, timeoutMs: withinMs });
	} catch (cause) {
		signal.throwIfAborted();
		const words = cause instanceof Error ? cause.message : String(cause);
		throw explainNoNamespaces({ ...(await lookAround()), words }, cause);
	}
}

export interface NamespaceFacts {
	readonly uid: number;
	readonly user: string;
	/** A range of uids, and of gids, is the user's: in /etc/subuid, /etc/subgid. */
	readonly hasRanges: boolean;
	/** Of the kernel's settings, by name; absent where it has no such one. */
	readonly settings: Readonly<Record<string, string>>;
	/** Of the programs that failed. */
	readonly words: string;
}

const purpose = "An image with packages is made by a user who is root in a namespace of his own";

export function explainNoNamespaces(
	{ uid, user, hasRanges, settings, words }: NamespaceFacts,
	cause?: unknown,
): QubesLiteError {
	const say = (why: string, remedy: string): QubesLiteError =>
		new QubesLiteError("Unsupported", `${purpose}, and ${why}.`, { remedy, cause });
	if (uid === 0) {
		return new QubesLiteError(
			"Unsupported",
			"An image with packages is made in a mount namespace, and this root may not make one: it is one of a container.",
			{ remedy: "Build it outside of the container, or give that CAP_SYS_ADMIN.", cause },
		);
	}
	for (const [name, better] of Object.entries(forbidding)) {
		if (settings[name] === "0") return say(`${name} is 0`, `sudo sysctl --write ${name}=${better}`);
	}
	if (settings[appArmors] === "1" && /Operation not permitted|Permission denied/.test(words)) {
		return say("AppArmor keeps that for programs that it knows", `sudo sysctl --write ${appArmors}=0`);
	}
	if (/newuidmap: No such file|newuidmap: not found/.test(words)) {
		return say("newuidmap is not there, which gives him further uids", "sudo apt-get install uidmap");
	}
	if (!hasRanges) {
		return say(
			`/etc/subuid and /etc/subgid have no range of uids for ${user}`,
			`sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
		);
	}
	return say(`that fails here: ${words}`, `${inNamespaces(["true"], uid).join(" ")}   # fails alike`);
}

/** user_namespaces(7); Debian's kernels of before 11 and others have the second. */
const forbidding = { "user.max_user_namespaces": "10000", "kernel.unprivileged_userns_clone": "1" };
const appArmors = "kernel.apparmor_restrict_unprivileged_userns";

async function lookAround(): Promise<Omit<NamespaceFacts, "words">> {
	const uid = process.getuid?.() ?? 0;
	const user = nameOf(uid);
	const read = async (path: string): Promise<string> => await readFile(path, "utf8").catch(() => "");
	const [uids, gids] = await Promise.all(["/etc/subuid", "/etc/subgid"].map(read));
	const isOf = (text = ""): boolean =>
		text.split("\n").some((line) => [user, `${uid}`].includes(line.split(":")[0] ?? ""));
	const names = [...Object.keys(forbidding), appArmors];
	const found = await Promise.all(
		names.map(async (name) => [name, (await read(`/proc/sys/${name.replace(".", "/")}`)).trim()] as const),
	);
	const settings = Object.fromEntries(found.filter(([, value]) => value !== ""));
	return { uid, user, hasRanges: isOf(uids) && isOf(gids), settings };
}

function nameOf(uid: number): string {
	try {
		return userInfo().username;
	} catch {
		return `${uid}`;
	}
}
