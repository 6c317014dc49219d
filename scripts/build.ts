/** Bundles the programs into dist/. Runs on `npm ci` (prepare), before the tests and before the demo; takes under a second. */
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** rxjs only tree-shakes through its `es2015` export condition. */
const conditions = ["es2015"];

export async function buildAll(): Promise<void> {
	const { version } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
	await mkdir(`${root}dist`, { recursive: true });
	await build({
		absWorkingDir: root,
		entryPoints: {
			"run-in-vm": "src/cli/run-in-vm.ts",
			"qubes-lite": "src/cli/qubes-lite.ts",
			broker: "src/broker/main.ts",
			agent: "src/guest/agent/main.ts",
			image: "guest-image/main.ts",
		},
		outdir: "dist",
		outExtension: { ".js": ".mjs" },
		bundle: true,
		platform: "node",
		format: "esm",
		target: "node24",
		conditions,
		define: { QUBES_LITE_VERSION: JSON.stringify(version) },
		minifySyntax: true,
		legalComments: "none",
		logLevel: "warning",
		banner: {
			// CommonJS packages inside an ESM bundle still call require() for node's own modules.
			js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
		},
	});
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
