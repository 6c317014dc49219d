/** What install has put where: by this uninstall knows what to take away, and both what somebody has changed since. */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { QubesLiteError } from "../../errors.ts";
import { shellWord } from "../../shell-word.ts";
import { bytesOf, type Content, lookAt } from "../change-files.ts";

const entrySchema = v.object({
	path: v.pipe(v.string(), v.startsWith("/")),
	/** entry, menu and own are of `desktop sync`: entries of a menu, the menu's folder, and what lies in directories of ours. */
	kind: v.picklist(["unit", "enablement", "program", "completion", "man", "dbus", "entry", "menu", "own"]),
	/** Of a file's text, or of a link's target. */
	sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

const schema = v.object({
	schema: v.literal(1),
	/** A path may be there twice: as an earlier installation left it, and as the last one wrote it or was about to. */
	files: v.array(entrySchema),
	/** Directories that were not there before. */
	directories: v.array(v.pipe(v.string(), v.startsWith("/"))),
});

export type Entry = Readonly<v.InferOutput<typeof entrySchema>>;

export interface Manifest {
	readonly files: readonly Entry[];
	readonly directories: readonly string[];
}

export const noManifest: Manifest = { files: [], directories: [] };

/** Empty where nothing is installed. `again`: what makes it anew. Throws Internal where somebody has spoilt it. */
export async function readManifest(path: string, again = "qubes-lite install --force"): Promise<Manifest> {
	const found = await lookAt(path);
	if (found === undefined) return noManifest;
	try {
		if (found === "other" || found.kind !== "file") throw new TypeError("it is not a file");
		return v.parse(schema, JSON.parse(found.text));
	} catch (cause) {
		throw new QubesLiteError("Internal", `the list of what is installed, ${path}, is damaged`, {
			remedy: `rm ${shellWord(path)} && ${again}`,
			cause,
		});
	}
}

export const formatManifest = ({ files, directories }: Manifest): string =>
	`${JSON.stringify({ schema: 1, files, directories }, null, "\t")}\n`;

export const hashContent = (content: Content): string => createHash("sha256").update(bytesOf(content)).digest("hex");
