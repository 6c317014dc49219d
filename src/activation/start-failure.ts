/** Says why the host could not start a vm: which resource, where, and what to look at. */
import { errnoOf, QubesLiteError } from "../errors.ts";

/** What went wrong, and a command that shows more; DIR is the vm's directory. */
const failures: Readonly<Record<string, { readonly sentence: string; readonly remedy: string }>> = {
	ENOSPC: { sentence: "no space or no inode is left there", remedy: "df -h DIR; df -i DIR" },
	EDQUOT: { sentence: "your disk quota is used up", remedy: "df -h DIR; quota" },
	EROFS: { sentence: "that file system is read-only", remedy: "findmnt -T DIR" },
	EACCES: { sentence: "access is denied", remedy: "namei -l DIR" },
	EPERM: { sentence: "it is not permitted", remedy: "namei -l DIR" },
	ENOENT: { sentence: "its parent directory, or the shell for it, is not there", remedy: "ls -ld DIR/.. /bin/sh" },
	ENAMETOOLONG: { sentence: "the path is too long", remedy: "echo $XDG_RUNTIME_DIR" },
	EAGAIN: { sentence: "the limit of processes is reached", remedy: "ulimit -u; systemd-cgls" },
	ENOMEM: { sentence: "no memory is left for another process", remedy: "free -m" },
	EMFILE: { sentence: "qubes-lite's limit of open files is reached", remedy: "ulimit -n" },
	ENFILE: { sentence: "the host's limit of open files is reached", remedy: "sysctl fs.file-nr" },
};

/** BootFailed for whatever hindered the start of `vm` in `directory`; an error that is ours already stays as it is. */
export function toBootFailed(vm: string, directory: string, cause: unknown): QubesLiteError {
	if (cause instanceof QubesLiteError) return cause;
	const errno = errnoOf(cause);
	const failure = errno === undefined ? undefined : failures[errno];
	const reason = failure === undefined ? String(cause) : `${failure.sentence} (${errno})`;
	return new QubesLiteError("BootFailed", `Can't start ${vm} in ${directory}: ${reason}.`, {
		remedy: failure?.remedy.replaceAll("DIR", directory),
		cause,
	});
}
