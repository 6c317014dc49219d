/** This desktop's clipboard, by wl-clipboard's two programs: a compositor gives it to nobody without a window, unless it knows how to ask. */
import { isUtf8 } from "node:buffer";
import { spawn } from "node:child_process";
import { execa } from "execa";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import type { ClipKind } from "../../protocol/display.ts";
import { clipboardMaxBytes } from "../../protocol/limits.ts";

interface Clip {
	readonly kind: ClipKind;
	readonly bytes: Buffer;
}

/** wl-paste waits for whoever has copied it. */
const withinMs = 20_000;
const pngSignature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
const textTypes = ["text/plain;charset=utf-8", "text/plain", "UTF8_STRING", "TEXT", "STRING"];

export async function readDesktop(): Promise<Clip> {
	const types = (await wlPaste("--list-types")).toString("utf8").split("\n");
	const text = textTypes.find((type) => types.includes(type));
	const type = text ?? types.find((one) => one === "image/png");
	if (type === undefined) throw nothing("what has been copied on this desktop is neither text nor a PNG picture");
	return { kind: text === undefined ? "png" : "text", bytes: await wlPaste("--no-newline", "--type", type) };
}

/** It has it until something else is copied: then wl-copy, which stays behind in the background, ends. */
export async function writeDesktop(kind: ClipKind, bytes: Buffer): Promise<void> {
	const type = kind === "png" ? "image/png" : "text/plain;charset=utf-8";
	const child = spawn("wl-copy", ["--type", type], { stdio: ["pipe", "ignore", "pipe"] });
	let said = "";
	child.stderr.on("data", (chunk: Buffer) => {
		said += chunk.toString("utf8");
	});
	child.stdin.on("error", () => {}).end(bytes);
	const late = setTimeout(() => child.kill("SIGKILL"), withinMs);
	// Not its streams' end: what stays behind has them, too.
	const status = await new Promise<number | null>((resolve, reject) => {
		child.once("exit", resolve).once("error", (cause) => reject(notThere("wl-copy", cause)));
	}).finally(() => {
		clearTimeout(late);
		child.stderr.destroy();
	});
	if (status !== 0) throw hasFailed("wl-copy", said);
}

/** A picture where it begins like one. Throws BadRequest for what is neither that nor text, and for nothing. */
export async function readStdin(): Promise<Clip> {
	const chunks: Buffer[] = [];
	let length = 0;
	for await (const chunk of process.stdin) {
		chunks.push(chunk as Buffer);
		length += (chunk as Buffer).length;
		if (length > clipboardMaxBytes) throw tooMuch();
	}
	const bytes = Buffer.concat(chunks);
	if (length === 0) {
		throw new QubesLiteError("BadRequest", "standard input is empty, and so there is nothing to paste", {
			remedy: "echo TEXT | qubes-lite clip paste --stdin VM",
		});
	}
	if (bytes.subarray(0, pngSignature.length).equals(pngSignature)) return { kind: "png", bytes };
	if (isUtf8(bytes)) return { kind: "text", bytes };
	throw new QubesLiteError("BadRequest", "standard input is neither a PNG picture nor text in UTF-8", {
		remedy: "qubes-lite cp moves files as they are",
	});
}

async function wlPaste(...words: readonly string[]): Promise<Buffer> {
	const { stdout } = await run("wl-paste", words, { maxBuffer: clipboardMaxBytes + 1 });
	if (stdout.length > clipboardMaxBytes) throw tooMuch();
	return stdout;
}

interface RunOptions {
	readonly input?: Buffer;
	readonly stdout?: "ignore";
	readonly maxBuffer?: number;
}

async function run(program: string, words: readonly string[], options: RunOptions): Promise<{ stdout: Buffer }> {
	const ran = await execa(program, words, {
		...options,
		encoding: "buffer",
		timeout: withinMs,
		reject: false,
		stderr: "pipe",
	});
	if (ran.isMaxBuffer) throw tooMuch();
	if (!ran.failed) return { stdout: Buffer.from(ran.stdout ?? "") };
	if (errnoOf(ran.cause) === "ENOENT") throw notThere(program, ran.cause);
	throw hasFailed(program, Buffer.from(ran.stderr ?? "").toString("utf8"));
}

const notThere = (program: string, cause: unknown): QubesLiteError =>
	new QubesLiteError("Unsupported", `${program} is not installed, which reaches this desktop's clipboard`, {
		remedy: "sudo apt-get install wl-clipboard   # or --stdout, --stdin",
		cause,
	});

function hasFailed(program: string, words: string): QubesLiteError {
	if (words.includes("Failed to connect to a Wayland server")) {
		return new QubesLiteError("Unsupported", "this shell has no Wayland session, whose clipboard that would be", {
			remedy: "in a terminal of the session   # or --stdin for clip paste, --stdout for clip copy",
		});
	}
	const [said = ""] = words.trim().split("\n");
	return nothing(`${program} has failed${said === "" ? "" : `: ${said}`}`);
}

const tooMuch = (): QubesLiteError =>
	new QubesLiteError("Limit", `more than ${clipboardMaxBytes / 2 ** 20} MiB are copied`, {
		remedy: "qubes-lite cp moves files of any size",
	});

const nothing = (why: string): QubesLiteError =>
	new QubesLiteError("Unsupported", why, { remedy: "copy a text or a picture first, in this Wayland session" });
