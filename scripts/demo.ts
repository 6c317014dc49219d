/**
 * `npm run demo`: sets up what is missing, then does the main job on real guests and checks every result. Runs in
 * directories of its own, so that it neither sees nor touches the user's vms; leaves nothing running.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setUpOrExit } from "./setup.ts";

const bin = fileURLToPath(new URL("../bin", import.meta.url));
const isTerminal = process.stdout.isTTY;
const bold = (text: string): string => (isTerminal ? `\x1b[1m${text}\x1b[0m` : text);

/** The seed's vms, with an idleTimeout that one can wait for. */
const config = {
	version: 1,
	vms: [
		{ id: 5, name: "shopping", memory: 512, idleTimeout: 6 },
		{ id: 13, name: "vault", memory: 512, network: false, idleTimeout: 60 },
		{ id: 15, name: "disp", memory: 512, disposable: true },
	],
};

interface Outcome {
	readonly stdout: string;
	readonly stderr: string;
	readonly status: number;
}

class Demo {
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

	/** Types `line`, shows what it prints, and holds its outcome against `expected`. */
	async type(line: string, expected: string, isExpected: (outcome: Outcome) => boolean): Promise<void> {
		process.stdout.write(`${bold(`$ ${line}`)}\n`);
		const beganAt = performance.now();
		const outcome = await this.#run(line);
		const seconds = ((performance.now() - beganAt) / 1000).toFixed(1);
		const isGood = isExpected(outcome);
		if (!isGood) this.#failures += 1;
		const verdict = isGood ? "as it should be" : `NOT as it should be (status ${outcome.status})`;
		process.stdout.write(`  # ${expected}: ${verdict}, ${seconds} s\n`);
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

async function show(demo: Demo): Promise<void> {
	demo.say("A run in a vm that is not even booted: it boots by itself.");
	await demo.type(
		"run-in-vm shopping uname -a",
		"the guest's kernel",
		(o) => o.status === 0 && /^Linux shopping .*cloud/.test(o.stdout),
	);
	demo.say("The second run finds it up.");
	await demo.type(
		"run-in-vm shopping uname -n",
		"the guest's name",
		(o) => o.status === 0 && o.stdout === "shopping\n",
	);
	await demo.type(
		"echo hello | run-in-vm shopping tr a-z A-Z",
		"its standard input goes through",
		(o) => o.stdout === "HELLO\n",
	);
	await demo.type("run-in-vm shopping sh -c 'echo it failed >&2; exit 42'", "exit status 42", (o) => o.status === 42);
	await demo.type("run-in-vm shopping no-such-command", "exit status 127", (o) => o.status === 127);
	await demo.type("run-in-vm shoping true", "the nearest name, exit status 125", (o) => o.status === 125);
	await demo.type(
		"qubes-lite ls",
		"shopping is up",
		(o) => o.status === 0 && /^shopping +5 +(idle|ready)/m.test(o.stdout),
	);

	demo.say("Nothing needs shopping any more: idle for 6 s, it shuts down.");
	const hasStopped = await demo.waitFor("6 s of idleness", () => demo.isStopped("shopping"), 60);
	demo.check("shopping has stopped by itself", hasStopped);
	await demo.type("qubes-lite ls", "and says why", (o) => /^shopping .*idle for 6 s/m.test(o.stdout));

	demo.say("An offline vm has no network interface but its own loopback.");
	await demo.type("run-in-vm vault ls /sys/class/net", "only lo", (o) => o.status === 0 && o.stdout === "lo\n");

	demo.say("A disposable vm forgets: what one run writes, the next does not find.");
	await demo.type("run-in-vm disp sh -c 'echo secret >~/note; cat ~/note'", "written", (o) => o.stdout === "secret\n");
	const isGone = await demo.waitFor("its shutdown", () => demo.isStopped("disp"), 30);
	demo.check("the disposable has stopped by itself", isGone);
	await demo.type("run-in-vm disp sh -c 'cat ~/note'", "no such file", (o) => o.status === 1 && o.stdout === "");

	await demo.type("qubes-lite stop vault disp", "stopped", (o) => o.status === 0);
}

/** Whether any process (broker, shim, vmm, helper) still carries the demo's directory in its words or environment. */
function isLeftAlone(directory: string): boolean {
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

await setUpOrExit("use");
/** Short, since a socket's path has room for 107 bytes. */
const directory = await mkdtemp(join(tmpdir(), "ql-demo-"));
try {
	await writeFile(join(directory, "config.json"), JSON.stringify(config, null, 2));
	const demo = new Demo({
		...process.env,
		PATH: `${bin}:${process.env.PATH}`,
		QUBES_LITE_CONFIG: join(directory, "config.json"),
		QUBES_LITE_BROKER_IDLE_MS: "1000",
		XDG_RUNTIME_DIR: directory,
		XDG_STATE_HOME: join(directory, "state"),
	});
	try {
		await show(demo);
	} finally {
		await demo.quietly("qubes-lite stop --force shopping vault disp");
	}
	const isAlone = await demo.waitFor("the broker leaves by itself", () => isLeftAlone(directory), 30);
	demo.check("nothing is left running", isAlone);
	demo.say(
		demo.failures === 0
			? "All as it should be. Now try: bin/run-in-vm --help"
			: `${demo.failures} results are NOT as they should be.`,
	);
	process.exitCode = demo.failures === 0 ? 0 : 1;
} finally {
	await rm(directory, { recursive: true, force: true });
}
