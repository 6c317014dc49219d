/** A sound server of the host's, PulseAudio, with a sink that nobody hears, and what can be asked of it: what is played there, and by whom. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chownAll } from "./harness.ts";

export interface SoundServerOptions {
	/** Who it runs as; the tests' own user if absent. Needs root. */
	readonly uid?: number;
	/** Its $XDG_RUNTIME_DIR, which exists and is that user's; one of its own if absent, gone at the end. */
	readonly runtime?: string;
}

export interface ClientOutcome {
	readonly status: number | null;
	readonly stdout: Buffer;
	readonly stderr: string;
}

export const sinkName = "ql";
/** It hums at `micHz`. */
export const micName = "mic";
export const micHz = 880;
/** Of what record() gives: 16 bits, one channel. */
export const rate = 48_000;

const modules = [
	"module-native-protocol-unix",
	`module-null-sink sink_name=${sinkName}`,
	`module-sine-source source_name=${micName} frequency=${micHz}`,
];
const startedLine = "Daemon startup complete";

export class SoundServer {
	readonly runtime: string;
	readonly env: NodeJS.ProcessEnv;
	readonly #home: string;
	readonly #uid: number | undefined;
	#server: ChildProcess | undefined;

	private constructor(options: SoundServerOptions) {
		this.#home = mkdtempSync(join(tmpdir(), "ql-sound-"));
		this.#uid = options.uid;
		this.runtime = options.runtime ?? join(this.#home, "runtime");
		if (options.runtime === undefined) mkdirSync(this.runtime, { mode: 0o700 });
		if (options.uid !== undefined) chownAll(this.#home, options.uid);
		this.env = { PATH: process.env.PATH, HOME: this.#home, XDG_RUNTIME_DIR: this.runtime, LANG: "C.UTF-8" };
	}

	/** Resolves when it listens; rejects with its words if it ends before. */
	static async start(options: SoundServerOptions = {}): Promise<SoundServer> {
		const host = new SoundServer(options);
		const words = ["-n", "--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no", "--log-level=info"];
		const loaded = modules.flatMap((module) => ["-L", module]);
		const server = host.spawn("pulseaudio", [...words, "--log-target=stderr", ...loaded]);
		host.#server = server;
		let log = "";
		await new Promise<void>((resolve, reject) => {
			server.stderr?.on("data", (chunk: Buffer) => {
				log += chunk.toString();
				if (log.includes(startedLine)) resolve();
			});
			server.once("error", reject);
			server.once("exit", () => reject(new Error(`pulseaudio ended: ${log}`)));
		}).catch((error: unknown) => {
			host.#clean();
			throw error;
		});
		return host;
	}

	/** Where it listens. */
	get socket(): string {
		return join(this.runtime, "pulse/native");
	}

	/** A program of this user's; `server` is the socket it finds a server at. */
	spawn(program: string, words: readonly string[], server?: string): ChildProcess {
		const become = this.#uid === undefined ? [] : [`--reuid=${this.#uid}`, `--regid=${this.#uid}`, "--clear-groups"];
		const [first = program, ...rest] = [...(become.length === 0 ? [] : ["setpriv", ...become]), program, ...words];
		const found = server === undefined ? {} : { PULSE_SERVER: `unix:${server}` };
		return spawn(first, rest, { env: { ...this.env, ...found }, stdio: ["pipe", "pipe", "pipe"] });
	}

	/** Runs such a program to its end, with this on its stdin. */
	async run(
		program: string,
		words: readonly string[],
		{ server, stdin = Buffer.alloc(0) }: RunOptions = {},
	): Promise<ClientOutcome> {
		const child = this.spawn(program, words, server);
		const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
		child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
		child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
		child.stdin?.on("error", () => {});
		child.stdin?.end(stdin);
		const [status] = await once(child, "close");
		return { status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
	}

	/** What `pactl` says, asked at the server itself. */
	async pactl(...words: readonly string[]): Promise<string> {
		return (await this.run("pactl", words, { server: this.socket })).stdout.toString();
	}

	/** What is played from now on, for so long; or what another source hears. */
	async record(
		seconds: number,
		{ device = `${sinkName}.monitor`, server = this.socket }: RecordOptions = {},
	): Promise<Int16Array> {
		const form = ["--raw", "--format=s16le", "--channels=1", `--rate=${rate}`, "--latency-msec=20"];
		const recorder = this.spawn("parec", [...form, `--device=${device}`], server);
		const wanted = Math.ceil(seconds * rate) * 2;
		const chunks: Buffer[] = [];
		let held = 0;
		recorder.stdout?.on("data", (chunk: Buffer) => {
			chunks.push(chunk);
			held += chunk.length;
			if (held >= wanted) recorder.kill("SIGTERM");
		});
		await once(recorder, "close");
		const bytes = Buffer.concat(chunks).subarray(0, wanted);
		return Int16Array.from({ length: Math.floor(bytes.length / 2) }, (_, index) => bytes.readInt16LE(2 * index));
	}

	/** Resolves when it has ended, and its directory is gone. */
	async stop(): Promise<void> {
		const server = this.#server;
		if (server !== undefined && server.exitCode === null && server.signalCode === null) {
			const ended = once(server, "exit");
			server.kill("SIGTERM");
			await ended;
		}
		this.#clean();
	}

	#clean(): void {
		rmSync(this.#home, { recursive: true, force: true });
	}
}

interface RunOptions {
	readonly server?: string;
	readonly stdin?: Buffer;
}

interface RecordOptions {
	readonly device?: string;
	readonly server?: string;
}

/** A tone of 16 bits, one channel, for pacat with `--raw --format=s16le --channels=1 --rate=48000`. */
export function makeTone(hz: number, seconds: number): Buffer {
	const tone = Buffer.alloc(Math.ceil(seconds * rate) * 2);
	for (let at = 0; at < tone.length; at += 2) {
		tone.writeInt16LE(Math.round(12_000 * Math.sin((Math.PI * hz * at) / rate)), at);
	}
	return tone;
}

/** The frequency that is strongest, to 10 Hz, and of what is heard; 0 for silence. */
export function findFrequency(samples: Int16Array): number {
	let [loudest, power] = [0, 1e6];
	for (let hz = 50; hz <= 4000; hz += 10) {
		const factor = 2 * Math.cos((2 * Math.PI * hz) / rate);
		let [last, before] = [0, 0];
		for (const sample of samples) [last, before] = [sample + factor * last - before, last];
		const found = last * last + before * before - factor * last * before;
		if (found > power) [loudest, power] = [hz, found];
	}
	return loudest;
}
