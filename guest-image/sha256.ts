/** SHA-256 of files and of small values, in hex. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** Big reads: the files here are up to 200 MB, and hashing them is most of a build that has nothing to do. */
const readBytes = 1024 * 1024;

export async function hashFile(path: string): Promise<string> {
	const hash = createHash("sha256");
	for await (const chunk of createReadStream(path, { highWaterMark: readBytes })) hash.update(chunk);
	return hash.digest("hex");
}

/** Hash of a list of strings that no other list of strings has. */
export function hashStrings(values: readonly string[]): string {
	return createHash("sha256").update(JSON.stringify(values)).digest("hex");
}
