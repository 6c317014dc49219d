/** What is really inside the bundles: the client's start is the user's latency, and the guest gets nothing of the host's. */
import { existsSync } from "node:fs";
import { isBuiltin } from "node:module";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { mayReach } from "./import-table.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Inputs of the bundle that begins at `entry`, and what it leaves to be imported at run time. */
async function bundle(entry: string | { readonly contents: string; readonly resolveDir: string }) {
	const { metafile } = await build({
		absWorkingDir: root,
		...(typeof entry === "string" ? { entryPoints: [entry] } : { stdin: { ...entry, loader: "ts" } }),
		bundle: true,
		platform: "node",
		format: "esm",
		conditions: ["es2015"],
		metafile: true,
		write: false,
		outdir: "dist",
		logLevel: "silent",
	});
	const [output] = Object.values(metafile.outputs);
	const inputs = Object.keys(output?.inputs ?? {});
	return { inputs, external: (output?.imports ?? []).map((item) => item.path) };
}

/** All that is neither node:'s nor reachable by the table from `room`. */
async function findStrangers(room: string, entry: Parameters<typeof bundle>[0]): Promise<string[]> {
	const { inputs, external } = await bundle(entry);
	return [
		...inputs.filter((path) => path !== "<stdin>" && !mayReach(room, path)),
		...external.filter((path) => !isBuiltin(path)),
	];
}

const programs = [
	["src/cli", "src/cli/run-in-vm.ts"],
	["src/cli", "src/cli/qubes-lite.ts"],
	["src/guest/agent", "src/guest/agent/main.ts"],
	["src/guest/programs", "src/guest/programs/main.ts"],
] as const;

test.for(programs)("in %s's bundle is only what its room may reach: %s", async ([room, entry], { skip }) => {
	if (!existsSync(root + entry)) skip(`${entry} is not written yet`);
	expect(await findStrangers(room, entry)).toEqual([]);
});

test("a package or another room in a bundle is found, however deep", async () => {
	const contents = 'import { parseConfig } from "./src/config/loader.ts"; console.log(parseConfig);';
	const strangers = await findStrangers("src/cli", { contents, resolveDir: root });
	expect(strangers).toContain("src/config/schema.ts");
	expect(strangers.filter((path) => path.startsWith("node_modules/valibot/"))).not.toEqual([]);
});
