/** `npm test`: sets up what is missing, then lint, types, dead code, unit, integration and end-to-end tests, with progress. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { buildAll } from "./build.ts";
import { setUpOrExit } from "./setup.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Step {
	readonly name: string;
	readonly argv: readonly [string, ...string[]];
}

const steps: readonly Step[] = [
	{ name: "lint", argv: ["biome", "check", "."] },
	{ name: "dead code", argv: ["knip"] },
	{ name: "types", argv: ["tsc", "--noEmit"] },
	{ name: "unit tests", argv: ["vitest", "run", "--project", "unit", "--coverage"] },
	{ name: "integration tests", argv: ["vitest", "run", "--project", "integration"] },
	{ name: "end-to-end tests, on real guests", argv: ["vitest", "run", "--project", "e2e"] },
];

/** Resolves with the exit status; what the step prints is shown as it comes. */
function run({ argv: [program, ...words] }: Step): Promise<number> {
	const child = spawn(program, words, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code) => resolve(code ?? 1));
	});
}

await buildAll();
await setUpOrExit("tests");
const beganAt = performance.now();
for (const [index, step] of steps.entries()) {
	console.log(`\n[${index + 1}/${steps.length}] ${step.name}`);
	const stepBeganAt = performance.now();
	const status = await run(step);
	const seconds = ((performance.now() - stepBeganAt) / 1000).toFixed(1);
	if (status !== 0) {
		console.log(`\n${step.name} failed after ${seconds} s`);
		process.exit(1);
	}
	console.log(`${step.name}: ${seconds} s`);
}
console.log(`\nAll passed in ${((performance.now() - beganAt) / 1000).toFixed(0)} s.`);
