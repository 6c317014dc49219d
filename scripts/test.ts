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

/** They take one processor most of the time, so they run at once: what each prints is shown when it has ended. */
const checks: readonly Step[] = [
	{ name: "lint", argv: ["biome", "check", "."] },
	{ name: "dead code", argv: ["knip"] },
	{ name: "types", argv: ["tsc", "--noEmit"] },
];

/** Each of them takes all processors: one after the other. */
const tests: readonly Step[] = [
	{ name: "unit tests", argv: ["vitest", "run", "--project", "unit", "--coverage"] },
	{ name: "integration tests", argv: ["vitest", "run", "--project", "integration"] },
	{ name: "end-to-end tests, on real guests", argv: ["vitest", "run", "--project", "e2e"] },
];

const secondsSince = (since: number): string => ((performance.now() - since) / 1000).toFixed(1);
const count = checks.length + tests.length;

/** Resolves with whether the exit status was 0; what the step prints is shown as it comes, or at its end. */
async function run({ name, argv: [program, ...words] }: Step, shown: "as it comes" | "at its end"): Promise<boolean> {
	const stepBeganAt = performance.now();
	const output = shown === "as it comes" ? "inherit" : "pipe";
	const color = output === "pipe" && process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};
	const child = spawn(program, words, {
		...{ cwd: root, stdio: ["ignore", output, output], env: { ...process.env, ...color } },
	});
	const printed: Buffer[] = [];
	for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => printed.push(chunk));
	const status = await new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("close", resolve);
	});
	process.stdout.write(Buffer.concat(printed));
	const seconds = secondsSince(stepBeganAt);
	console.log(status === 0 ? `${name}: ${seconds} s` : `\n${name} failed after ${seconds} s`);
	return status === 0;
}

async function runAll(): Promise<boolean> {
	console.log(`\n[1–${checks.length}/${count}] ${checks.map(({ name }) => name).join(", ")}`);
	const outcomes = await Promise.all(checks.map((step) => run(step, "at its end")));
	const failed = checks.filter((_, index) => !outcomes[index]);
	if (failed.length > 0) {
		console.log(`\nfailed: ${failed.map(({ name }) => name).join(", ")}`);
		return false;
	}
	for (const [index, step] of tests.entries()) {
		console.log(`\n[${checks.length + index + 1}/${count}] ${step.name}`);
		if (!(await run(step, "as it comes"))) return false;
	}
	return true;
}

await buildAll();
await setUpOrExit("tests");
const beganAt = performance.now();
if (!(await runAll())) process.exit(1);
console.log(`\nAll passed in ${Number(secondsSince(beganAt)).toFixed(0)} s.`);
