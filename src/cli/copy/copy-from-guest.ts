/** Out of a vm: the guest sends what it was asked for, and is trusted with none of it. */
import { closeSync, constants, openSync } from "node:fs";
import { resolve } from "node:path";
import type { GuestReport } from "../../copy/guest-report.ts";
import { QubesLiteError } from "../../errors.ts";
import { openBeyondGuests } from "../../host/open-file.ts";
import type { OutputSink } from "../../session-client/session-streams.ts";
import { TarReader, type TreeSink } from "../../tar/tar-reader.ts";
import { checkRoom, openPlace, type Place } from "../../trees/place.ts";
import { TreeWriter } from "../../trees/write-tree.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import { type Copying, checkEnd } from "./copying.ts";
import { runInGuest } from "./guest-command.ts";
import { ReportSink } from "./report-sink.ts";

/** What comes, and the end of it. */
export interface Target extends TreeSink {
	finish(): void | Promise<void>;
	abandon(): void;
	/** Resolves when more may come. */
	ready?(): Promise<void> | undefined;
}

/** Rejects with a sentence; nothing of it is here then. */
export async function copyFromGuest(copying: Copying): Promise<void> {
	const { copy, force, vms, maxBytes } = copying;
	const { leaveOut, count } = copying.tally;
	const receiving = { leaveOut, count, maxBytes };
	if (copy.destination === "-") {
		if (process.stdout.isTTY)
			throw new QubesLiteError("BadRequest", "an archive is not for a terminal", { remedy: "| tar -tv" });
		await receive(copying, new ArchiveWriter(process.stdout, copy.roots, receiving), undefined);
		return;
	}
	const path = resolve(copy.destination) + (/\/\.?$/.test(copy.destination) ? "/" : "");
	const place = await openPlace({ path, roots: copy.roots, force, open: (at) => openHere(at, vms) });
	try {
		await receive(copying, new TreeWriter(place, receiving), place);
	} finally {
		closeSync(place.directory);
	}
}

/** A directory of the host's, and not one that a guest leads to. */
async function openHere(path: string, vms: Copying["vms"]): Promise<number> {
	const { O_RDONLY, O_DIRECTORY } = constants;
	const { handle } = await openBeyondGuests(path, vms, O_RDONLY | O_DIRECTORY);
	try {
		return openSync(`/proc/self/fd/${handle.fd}`, O_RDONLY | O_DIRECTORY);
	} finally {
		await handle.close();
	}
}

async function receive(copying: Copying, target: Target, place: Place | undefined): Promise<void> {
	const { copy, user, quiet, tally, maxBytes } = copying;
	const broken = new AbortController();
	const signal = AbortSignal.any([copying.signal, broken.signal]);
	const reader = new TarReader(target);
	let last: GuestReport | undefined;
	const reports = new ReportSink((report) => {
		last = report;
		if (report.kind !== "total") return;
		tally.expect(report.bytes);
		attempt(() => {
			if (report.bytes > maxBytes) throw tooMuch(report.bytes);
			if (place !== undefined) checkRoom(place, report.bytes);
		});
	});
	/** What is wrong with it ends the copy, and the guest's program: nothing more of it is looked at. */
	const attempt = (work: () => void): void => {
		if (broken.signal.aborted) return;
		try {
			work();
		} catch (cause) {
			broken.abort(cause);
		}
	};
	const stdout: OutputSink = {
		write: (bytes, written) => {
			attempt(() => reader.push(bytes));
			const ready = target.ready?.();
			if (ready === undefined) written();
			else void ready.then(() => written());
		},
		end: (written) => written(),
	};
	try {
		const end = await runInGuest({
			...{ vm: copy.vm, user, quiet, signal, stdout, stderr: reports, openInput: null },
			argv: ["qubes-lite-guest", "send", "--", ...copy.sources],
			onStarted: () => tally.begin(),
		});
		signal.throwIfAborted();
		checkEnd(end, copy.vm, last, reports);
		reader.end();
		for (const what of last?.kind === "done" ? last.leftOut : []) tally.leaveOut(what);
		await target.finish();
	} catch (cause) {
		// The first reason wins.
		signal.throwIfAborted();
		throw cause;
	} finally {
		target.abandon();
	}
}

const tooMuch = (bytes: number): QubesLiteError =>
	new QubesLiteError("Limit", `that would be ${bytes} bytes, which is more than --max-bytes allows`, {
		remedy: `--max-bytes ${bytes}`,
	});
