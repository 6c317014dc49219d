/** Into a vm: what is copied is opened once, and only what is below that is read. */
import { closeSync, constants, openSync } from "node:fs";
import { Readable } from "node:stream";
import type { GuestReport } from "../../copy/guest-report.ts";
import { QubesLiteError } from "../../errors.ts";
import { openBeyondGuests } from "../../host/open-file.ts";
import type { OutputSink } from "../../session-client/session-streams.ts";
import { measure, readTrees, type Source } from "../../trees/read-tree.ts";
import { type Copying, checkEnd } from "./copying.ts";
import { runInGuest } from "./guest-command.ts";
import { ReportSink } from "./report-sink.ts";

const pieceBytes = 256 * 1024;

/** Rejects with a sentence; nothing of it is in the guest then, unless the guest is lost before it could say so. */
export async function copyToGuest(copying: Copying): Promise<void> {
	const { copy } = copying;
	if (copy.sources.includes("-")) {
		throw new QubesLiteError("BadRequest", "standard input is no file with a name", {
			remedy: `run-in-vm ${copy.vm} -- tee FILE >/dev/null   # takes it`,
		});
	}
	const sources: Source[] = [];
	try {
		for (const [index, path] of copy.sources.entries()) {
			sources.push({ fd: await openSource(path, copying.vms), root: copy.roots[index] ?? "", shown: path });
		}
		copying.tally.expect(measure(sources).bytes);
		await send(copying, sources);
	} finally {
		for (const { fd } of sources) closeSync(fd);
	}
}

async function openSource(path: string, vms: Copying["vms"]): Promise<number> {
	const { handle } = await openBeyondGuests(path, vms, constants.O_RDONLY);
	try {
		return openSync(`/proc/self/fd/${handle.fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
	} finally {
		await handle.close();
	}
}

async function send({ copy, user, quiet, force, tally, signal }: Copying, sources: readonly Source[]): Promise<void> {
	let last: GuestReport | undefined;
	const reports = new ReportSink((report) => {
		last = report;
	});
	const broken = new AbortController();
	const ending = AbortSignal.any([signal, broken.signal]);
	const openInput = (): Readable => {
		const input = Readable.from(readTrees(sources, tally), { objectMode: false, highWaterMark: pieceBytes });
		// The guest is told to end: an input that only ended would look like one that was cut off.
		input.on("error", (cause) => broken.abort(cause));
		return input;
	};
	try {
		const end = await runInGuest({
			...{ vm: copy.vm, user, quiet, signal: ending, stdout: nowhere, stderr: reports, openInput },
			argv: ["qubes-lite-guest", "receive", ...(force ? ["--force"] : []), "--", copy.destination, ...copy.roots],
			onStarted: () => tally.begin(),
		});
		if (last?.kind !== "done") ending.throwIfAborted();
		checkEnd(end, copy.vm, last, reports);
	} catch (cause) {
		if (last?.kind !== "done") ending.throwIfAborted();
		throw cause;
	}
	for (const what of last?.kind === "done" ? last.leftOut : []) tally.leaveOut(what);
}

/** A program that receives has nothing to say there. */
const nowhere: OutputSink = { write: (_, written) => written(), end: (written) => written() };
