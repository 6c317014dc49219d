/** Room on the disk: looked for before it is used, and a sentence for when it was not enough. */
import { statfs } from "node:fs/promises";
import { errnoOf, QubesLiteError } from "../src/errors.ts";

/** A build's peak: the kernel's package, unpacked, the three files, and the tree that the root image is made of. */
export const buildRoomBytes = 500e6;

/** Throws ENOSPC when the file system of `directory` has less than `bytes` left. */
export async function checkRoom(directory: string, bytes: number): Promise<void> {
	const { blocks, bavail, bsize } = await statfs(directory);
	// Some network file systems don't say: all zeros.
	if (blocks === 0 || bavail * bsize >= bytes) return;
	throw Object.assign(new Error(`less than ${bytes} bytes are left in ${directory}`), { code: "ENOSPC", bytes });
}

/** What a full or forbidden disk says, as a sentence about the directory; any other error unchanged. */
export function explainStorageError(error: unknown, directory: string): unknown {
	switch (errnoOf(error)) {
		case "ENOSPC":
		case "EDQUOT": {
			const needed = `${Math.ceil(neededBy(error) / 1e6)} MB`;
			return new QubesLiteError("Limit", `There is no room left in ${directory}: building an image needs ${needed}.`, {
				remedy: "Make room there, or set XDG_CACHE_HOME to a directory on a larger disk.",
				cause: error,
			});
		}
		case "EACCES":
		case "EPERM":
		case "EROFS":
		case "ENOTDIR":
			return new QubesLiteError("Denied", `${directory} can't be written, where guest images are kept.`, {
				remedy: "Make it yours, or set XDG_CACHE_HOME to a directory that is.",
				cause: error,
			});
		default:
			return error;
	}
}

/** What was looked for, where that is known. */
function neededBy(error: unknown): number {
	const bytes = error instanceof Error && "bytes" in error ? error.bytes : undefined;
	return typeof bytes === "number" ? Math.max(bytes, buildRoomBytes) : buildRoomBytes;
}
