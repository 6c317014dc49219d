/** Writes the manual pages into a directory that is there: for whoever packages us. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatManPages } from "../src/admin/man/pages.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) {
	console.error("usage: man-pages.ts DIRECTORY");
	process.exit(2);
}
const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
for (const [name, text] of Object.entries(formatManPages(version))) await writeFile(join(directory, name), text);
