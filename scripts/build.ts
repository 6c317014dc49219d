/** Bundles the programs into dist/. Runs on `npm ci` (prepare), before the tests and before the demo; takes under a second. */
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** rxjs only tree-shakes through its `es2015` export condition. */
const conditions = ["es2015"];

/**
 * What starts while somebody waits, the client's and the guest's, are CommonJS without white space: importing node:fs from an
 * ES module alone takes 9 ms more, because Node then loads all that it exports.
 */
const quickPrograms = {
	"run-in-vm": "src/cli/run-in-vm.ts",
	"qubes-lite": "src/cli/qubes-lite.ts",
	agent: "src/guest/agent/main.ts",
};
const programs = { broker: "src/broker/main.ts", image: "guest-image/main.ts" };

export async function buildAll(): Promise<void> {
	const { version } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
	await mkdir(`${root}dist`, { recursive: true });
	const define = { QUBES_LITE_VERSION: JSON.stringify(version) };
	const common: BuildOptions = {
		absWorkingDir: root,
		outdir: "dist",
		bundle: true,
		platform: "node",
		target: "node24",
		conditions,
		minifySyntax: true,
		legalComments: "none",
		logLevel: "warning",
	};
	await Promise.all([
		build({
			...common,
			entryPoints: quickPrograms,
			outExtension: { ".js": ".cjs" },
			format: "cjs",
			minifyWhitespace: true,
			define: { ...define, "import.meta.url": "ourUrl" },
			banner: { js: 'const ourUrl = require("node:url").pathToFileURL(__filename).href;' },
		}),
		build({
			...common,
			entryPoints: programs,
			outExtension: { ".js": ".mjs" },
			format: "esm",
			define,
			// CommonJS packages inside an ESM bundle still call require() for node's own modules.
			banner: {
				js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
			},
		}),
	]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
