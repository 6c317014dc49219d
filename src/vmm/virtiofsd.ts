/**
 * How virtiofsd shares a directory: what it is told, and which one can do that. Facts are of its source at 1.13.2 and 1.14.0, and were
 * tried with both.
 *
 * Threats, in short. The guest speaks with it directly, and may have taken over its own kernel. Of the host's files it has the shared
 * directory as its root, and nothing else mounted; it has no network; its own filter lets few system calls through; and it keeps no
 * capability: what the host's user may not do, it may not do for the guest, also where that user is root. What it writes is the user's,
 * whoever wrote it in the guest.
 */
import type { SharedDirectory } from "../config/shared-directories.ts";
import { type HostUser, idMapWord } from "../launch-plan.ts";

/** Of the ordinary user of every guest (guest-image/guest/passwd), and of nobody. */
const guestUser = 1000;
const nobody = 65534;
/** As many as there are: 2^32 - 1 means none. */
const allIds = 4_294_967_295;

/** All that it would keep. */
const capabilities = ["chown", "dac_override", "fowner", "fsetid", "setgid", "setuid", "mknod", "setfcap"];

/**
 * Its arguments. In its user namespace the host's user is 0: so it is told of one user, whoever that is. Root's has none, where 0 is root itself.
 * `tag` is said for a vmm that asks it for the tag.
 */
export function toVirtiofsdWords(
	{ path, readOnly }: SharedDirectory,
	socket: string,
	user: HostUser,
	tag: string | null,
): string[] {
	return [
		...["--socket-path", socket, "--shared-dir", path, ...(tag === null ? [] : ["--tag", tag])],
		...["--sandbox", "namespace", "--seccomp", "kill"],
		// With a map it becomes root of its namespace: only as such it gives up what it could do there. It refuses one where it is root.
		...(user.uid === 0 ? [] : [idMapWord("uid", user.uid), idMapWord("gid", user.gid)]),
		`--modcaps=${capabilities.map((name) => `-${name}`).join(":")}`,
		// File handles would take a capability (the default of 1.14).
		"--inode-file-handles=never",
		...["uid", "gid"].flatMap((kind) => [
			// Who writes in the guest, writes as the host's user.
			`--translate-${kind}=squash-guest:0:0:${allIds}`,
			// The host's user is the guest's. Everybody else is nobody: the guest's user is not to be shown what the host won't let it touch as its own.
			`--translate-${kind}=host:0:${guestUser}:1`,
			`--translate-${kind}=squash-host:1:${nobody}:${allIds - 1}`,
		]),
		...(readOnly ? ["--readonly"] : []),
		// It warns of each limit of open files below a million, and tells of each connection.
		"--log-level=error",
	];
}

/** Whether the virtiofsd whose --help this is can do so: since 1.13. QEMU's own of before 8.0, which needs root, can't. */
export const isFitVirtiofsd = (help: string): boolean => help.includes("--translate-uid");
