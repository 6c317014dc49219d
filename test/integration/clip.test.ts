/** `qubes-lite clip` and this desktop's clipboard, by the real wl-clipboard on a real compositor. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { clipCopy, clipPaste } from "../../src/admin/clip/clip.ts";
import {
	type ClipKind,
	displayFrame,
	encodeContent,
	encodeDone,
	parseClipKind,
	toDisplayLimits,
} from "../../src/protocol/display.ts";
import { FrameDecoder } from "../../src/protocol/frame.ts";
import { Compositor } from "../e2e/compositor.ts";

/** Of wl-copy, in /tmp whatever TMPDIR says (wl-clipboard 2.1). */
const listBuffers = (): string[] => readdirSync("/tmp").filter((name) => name.startsWith("wl-copy-buffer-"));
let buffers: string[] = [];
let compositor: Compositor;
const before = { ...process.env };
beforeAll(async () => {
	compositor = new Compositor();
	await compositor.start();
	buffers = listBuffers();
	Object.assign(process.env, compositor.env);
});
afterAll(async () => {
	// One that is killed leaves what it had copied.
	compositor.run("wl-copy", ["--clear"]);
	await compositor.until("wl-copy has ended", () => listBuffers().every((name) => buffers.includes(name)));
	await compositor.stop();
	process.env = before;
});

/** Stands for the vm's helper: gives `copied`, and keeps what is pasted. */
let directory: string;
let helper: Server;
let copied: Buffer;
let pasted: { kind: ClipKind; bytes: string }[];
beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-clip-"));
	pasted = [];
	helper = createServer((socket) => {
		const decoder = new FrameDecoder(toDisplayLimits);
		let kind: ClipKind = "png";
		socket
			.on("error", () => {})
			.on("data", (chunk: Buffer) =>
				decoder.push(chunk, ({ type, payload }) => {
					if (type === displayFrame.read) socket.end(encodeContent("text", copied));
					else if (type === displayFrame.write) kind = parseClipKind(payload);
					else {
						pasted.push({ kind, bytes: payload.toString() });
						socket.end(encodeDone());
					}
				}),
			);
	});
	await new Promise<void>((resolve) => helper.listen(join(directory, "display.sock"), resolve));
});
afterEach(() => {
	helper.close();
	rmSync(directory, { recursive: true });
});

test("where wl-clipboard is not installed, that is said at once", async () => {
	copied = Buffer.from("text");
	const admin = fileURLToPath(new URL("../../dist/admin.mjs", import.meta.url));
	const began = performance.now();
	const child = spawn(process.execPath, [admin, "clip copy", directory, "shopping"], { env: { PATH: "/nowhere" } });
	const said: Buffer[] = [];
	child.stderr.on("data", (chunk: Buffer) => said.push(chunk));
	const [status] = await once(child, "close");
	expect([status, Buffer.concat(said).toString()]).toEqual([
		1,
		"qubes-lite: wl-copy is not installed, which reaches this desktop's clipboard\n  → sudo apt-get install wl-clipboard   # or --stdout, --stdin\n",
	]);
	// A hang bound: as long as a clipboard is waited for.
	expect(performance.now() - began).toBeLessThan(18_000);
});

test("what a vm has copied is this desktop's, without what terminals do more with than show, and the command comes back", async () => {
	copied = Buffer.from("two\r\nlines\x1b[31m");
	expect(await clipCopy([directory, "shopping"])).toBe(0);
	const here = () => compositor.run("wl-paste", ["--no-newline"]).stdout;
	await compositor.until("this desktop has it", () => here() === "two\nlines\uFFFD[31m");
	// Which goes to the vm as text.
	expect(await clipPaste([directory, "shopping"])).toBe(0);
	expect(pasted).toEqual([{ kind: "text", bytes: "two\nlines\uFFFD[31m" }]);
});
