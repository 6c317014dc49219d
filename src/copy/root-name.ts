/** What a copied file or directory is called where it arrives. Both ends say the same. Pure. */
import { posix } from "node:path";
import { namelessRoot } from "../tar/tree-entry.ts";

/** The last name of a path, "." where that is none: a home, `dir/.`, `..`, the root of everything. */
export function rootNameOf(path: string): string {
	if (path === "~" || path === "~/" || path.endsWith("/.")) return namelessRoot;
	const name = posix.basename(posix.normalize(path === "" ? "." : path));
	return name === "" || name === ".." ? namelessRoot : name;
}

/** A path as its user has it, from the home on where it does not begin with a slash. A slash at its end stays. No shell: only a leading `~/` is the home. */
export function fromHome(path: string, home: string): string {
	if (path.startsWith("/")) return path;
	const rest = path === "~" ? "" : path.replace(/^~\//, "");
	return rest === "" ? home : `${home.replace(/\/+$/, "")}/${rest}`;
}
