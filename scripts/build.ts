/** Bundles the programs into dist/. Runs on `npm ci` (prepare), before the tests and before the demo; takes under a second. */
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** For Node rxjs offers its CommonJS only (the condition `node` comes first), none of which can be left out: 15 ms of a start. */
const alias = { rxjs: `${root}node_modules/rxjs/dist/esm/index.js` };

/**
 * What starts while somebody waits, the client, the broker, the agent and the guest's other program, are CommonJS without white space: importing node:fs from an
 * ES module alone takes 9 ms more, because Node then loads all that it exports.
 */
const quickPrograms = {
	"run-in-vm": "src/cli/run-in-vm.ts",
	"qubes-lite": "src/cli/qubes-lite.ts",
	copy: "src/cli/copy/main.ts",
	broker: "src/broker/main.ts",
	agent: "src/guest/agent/main.ts",
	programs: "src/guest/programs/main.ts",
	display: "src/guest/display/main.ts",
	"vm-display": "src/display/main.ts",
};
const programs = { image: "guest-image/main.ts", admin: "src/admin/main.ts" };

/** Of node:crypto what we use, loaded when it is first used: loading takes 10 ms, a tenth of a broker's start. */
const lateCrypto: Plugin = {
	name: "late crypto",
	setup({ onResolve, onLoad }) {
		const namespace = "late";
		onResolve({ filter: /^node:crypto$/ }, ({ path }) => ({ path, namespace }));
		onLoad({ filter: /./, namespace }, () => ({
			contents: ["createHash", "randomBytes", "timingSafeEqual"]
				.map(
					(name) => `export const ${name} = (...words) => process.getBuiltinModule("node:crypto").${name}(...words);`,
				)
				.join("\n"),
		}));
	},
};

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
		alias,
		minifySyntax: true,
		legalComments: "none",
		logLevel: "warning",
	};
	await Promise.all([
		copyFile(`${root}src/activation/vm-shim.sh`, `${root}dist/vm-shim.sh`),
		build({
			...common,
			entryPoints: quickPrograms,
			outExtension: { ".js": ".cjs" },
			format: "cjs",
			minifyWhitespace: true,
			plugins: [lateCrypto],
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
