/**
 * crosvm's control socket, through crosvm itself: the messages on it are no interface of its own making, and change with the version. Each
 * command is a process that ends with 0 where the vmm has said that it did it, and else says why on its standard output.
 */
import { execa } from "execa";
import * as v from "valibot";
import { errnoOf, QubesLiteError } from "../errors.ts";
import type { GuestMemory, VmmControl } from "./vmm-control.ts";

/** From the call to the answer. crosvm's client has no bound of its own. */
const withinMs = 2_000;
const outputMaxBytes = 64 * 1024;
/** Of what crosvm says is wrong. */
const reasonMaxLength = 200;

/** Of the socket: by its client's own words, errno's and tube's (base/src/tube.rs). */
const isGone =
	/failed to (?:connect|send|recv)\b.*(?:No such file or directory|Connection refused|Connection reset|Broken pipe|disconnected)/;

/** What it says of an answer that is not "Ok", before its own log says that this has failed (vms_request in vm_control's client.rs). */
const answer = /^.*unexpected response: (?:error: )?/;

type Command = "powerbtn" | "suspend" | "resume" | "stop" | "balloon" | "balloon_stats";

/** 4 PiB, which no host has. A guest may say any 64 bits, and who shows them takes no more. */
const bytes = v.pipe(v.number(), v.minValue(0), v.maxValue(2 ** 52));

/** Of what balloon_stats prints (vm_control's VmResponse, as serde has it). */
const statsSchema = v.object({
	BalloonStats: v.object({
		balloon_actual: bytes,
		stats: v.object({ available_memory: v.optional(v.nullable(bytes), null) }),
	}),
});

export class CrosvmControl implements VmmControl {
	readonly #path: string;
	readonly #program: string;
	/** Its loop serves one after the other; a resume that overtakes a suspend would be lost. */
	#last: Promise<unknown> = Promise.resolve();

	/** `program`: the crosvm that runs the vm, of the same version. */
	constructor(path: string, program: string) {
		this.#path = path;
		this.#program = program;
	}

	async pressPowerButton(): Promise<void> {
		await this.#tell("powerbtn");
	}

	async stop(): Promise<void> {
		await this.#tell("stop");
	}

	async takeMemory(takenBytes: number): Promise<void> {
		await this.#tell("balloon", withinMs, String(takenBytes));
	}

	async memory(boundMs = withinMs): Promise<GuestMemory> {
		const { BalloonStats } = parseStats(await this.#tell("balloon_stats", boundMs));
		return { takenBytes: BalloonStats.balloon_actual, availableBytes: BalloonStats.stats.available_memory };
	}

	async pause(): Promise<void> {
		await this.#tell("suspend");
	}

	async resume(): Promise<void> {
		await this.#tell("resume");
	}

	/** There is no asking; of one that runs a resume is nothing, so afterwards it is not paused in any case. */
	async isPaused(boundMs = withinMs): Promise<boolean> {
		await this.#tell("resume", boundMs);
		return false;
	}

	/** Resolves with what it has printed. */
	#tell(command: Command, boundMs = withinMs, ...words: readonly string[]): Promise<string> {
		const told = this.#last.then(() => this.#run(command, words, boundMs));
		this.#last = told.catch(() => {});
		return told;
	}

	async #run(command: Command, words: readonly string[], boundMs: number): Promise<string> {
		const { failed, timedOut, exitCode, code, stdout, stderr, cause } = await execa(
			this.#program,
			[command, ...words, this.#path],
			{
				...{ reject: false, stdin: "ignore", timeout: boundMs, killSignal: "SIGKILL", cleanup: false },
				// Ours may say otherwise: a trace would be the last that it says.
				...{ maxBuffer: outputMaxBytes, env: { RUST_BACKTRACE: "0" } },
			},
		);
		if (!failed) return stdout;
		if (timedOut) {
			throw new QubesLiteError("Unresponsive", `the vmm did not answer ${command} within ${boundMs / 1000} s`, {
				remedy: "the vmm hangs: kill the vm",
			});
		}
		if (exitCode === undefined) {
			throw new QubesLiteError("Internal", `${this.#program} can't be run: ${errnoOf(cause) ?? code ?? "unknown"}`, {
				remedy: "it must stay where it is while a vm runs: kill the vm",
				cause,
			});
		}
		const said = `${stdout}\n${stderr}`;
		if (isGone.test(said)) {
			throw new QubesLiteError("NotRunning", `no vmm serves ${this.#path}`);
		}
		throw new QubesLiteError("Internal", `the vmm refused ${command}: ${toReason(said)}`);
	}
}

/** A guest has the say of its figures: what is not as it must be is none. */
function parseStats(text: string): v.InferOutput<typeof statsSchema> {
	try {
		return v.parse(statsSchema, JSON.parse(text));
	} catch (cause) {
		throw new QubesLiteError("Internal", "the vmm says nothing of its guest's memory that could be understood", {
			cause,
		});
	}
}

/** The answer, or else the last line that says something, as plain words. */
function toReason(said: string): string {
	const lines = said.split("\n").filter((one) => one.trim() !== "");
	const line = lines.find((one) => answer.test(one)) ?? lines.at(-1);
	const words = line?.replace(answer, "") ?? "no reason given";
	return words.slice(0, reasonMaxLength).replaceAll(/[^ -~]/g, "?");
}
