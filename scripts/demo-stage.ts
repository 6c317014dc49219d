/** What a demonstration is shown on: lines that are typed, what they print, and whether that is as it should be. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const isTerminal = process.stdout.isTTY;
const bold = (text: string): string => (isTerminal ? `\x1b[1m${text}\x1b[0m` : text);

export interface Outcome {
	readonly stdout: string;
	readonly stderr: string;
	readonly status: number;
}

export class Demo {
	readonly #env: NodeJS.ProcessEnv;
	#failures = 0;

	constructor(env: NodeJS.ProcessEnv) {
		this.#env = env;
	}

	get failures(): number {
		return this.#failures;
	}

	say(text: string): void {
		process.stdout.write(`\n${text}\n`);
	}

	/** Types `line`, shows what it prints, and holds its outcome against `expected`; resolves with whether that is so. */
	async type(line: string, expected: string, isExpected: (outcome: Outcome) => boolean): Promise<boolean> {
		process.stdout.write(`${bold(`$ ${line}`)}\n`);
		const beganAt = performance.now();
		const outcome = await this.#run(line);
		const seconds = ((performance.now() - beganAt) / 1000).toFixed(1);
		const isGood = isExpected(outcome);
		if (!isGood) this.#failures += 1;
		const verdict = isGood ? "as it should be" : `NOT as it should be (status ${outcome.status})`;
		process.stdout.write(`  # ${expected}: ${verdict}, ${seconds} s\n`);
		return isGood;
	}

	/** The same command's output, unseen. */
	async quietly(line: string): Promise<Outcome> {
		return this.#run(line, false);
	}

	/** The client's own progress line appears only where stderr is the terminal, so that one is passed through there. */
	#run(line: string, isShown = true): Promise<Outcome> {
		const stderrKind = isShown && process.stderr.isTTY ? "inherit" : "pipe";
		const child = spawn("/bin/sh", ["-c", line], { env: this.#env, stdio: ["ignore", "pipe", stderrKind] });
		let stdout = "";
		let stderr = "";
		child.stdout?.on("data", (chunk: Buffer) => {
			stdout += chunk.toString();
			if (isShown) process.stdout.write(chunk);
		});
		child.stderr?.on("data", (chunk: Buffer) => {
			stderr += chunk.toString();
			if (isShown) process.stderr.write(chunk);
		});
		return new Promise((resolve, reject) => {
			child.once("error", reject);
			child.once("close", (code) => resolve({ stdout, stderr, status: code ?? 255 }));
		});
	}

	/** Types `line`, and goes on meanwhile; resolves with its outcome when it has ended. */
	begin(line: string): Promise<Outcome> {
		process.stdout.write(`${bold(`$ ${line} &`)}\n`);
		return this.#run(line);
	}

	/** Looks again and again until `isReached`, showing that time passes; false after `seconds`. */
	async waitFor(what: string, isReached: () => boolean | Promise<boolean>, seconds: number): Promise<boolean> {
		const deadline = performance.now() + seconds * 1000;
		let isWaiting = false;
		let reached = await isReached();
		while (!reached && performance.now() < deadline) {
			process.stdout.write(isWaiting ? "." : `  … waiting: ${what} `);
			isWaiting = true;
			await new Promise((resolve) => setTimeout(resolve, 500));
			reached = await isReached();
		}
		if (isWaiting) process.stdout.write("\n");
		return reached;
	}

	/** Whether `vm` has come down, as its status says. */
	async isStopped(vm: string): Promise<boolean> {
		return JSON.parse((await this.#run(`qubes-lite status --json ${vm}`, false)).stdout).vm.state === "stopped";
	}

	check(expected: string, isGood: boolean): void {
		if (!isGood) this.#failures += 1;
		process.stdout.write(`  # ${expected}: ${isGood ? "as it should be" : "NOT as it should be"}\n`);
	}
}

/** Whether any process (broker, shim, vmm, helper) still carries the demo's directory in its words or environment. */
export function isLeftAlone(directory: string): boolean {
	return readdirSync("/proc").every((pid) => {
		if (!/^[0-9]+$/.test(pid)) return true;
		try {
			return !["cmdline", "environ"].some((name) => readFileSync(`/proc/${pid}/${name}`, "utf8").includes(directory));
		} catch {
			/** It has just ended, or is another user's. */
			return true;
		}
	});
}
