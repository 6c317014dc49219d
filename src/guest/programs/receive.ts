/** An archive from standard input as files of the guest, for `qubes-lite cp`. What is cut off, or has to end, leaves nothing. */
import { closeSync, read } from "node:fs";
import { promisify } from "node:util";
import { formatReport, leftOutMax } from "../../copy/guest-report.ts";
import { fromHome } from "../../copy/root-name.ts";
import { QubesLiteError } from "../../errors.ts";
import { TarReader } from "../../tar/tar-reader.ts";
import { openDirectoryAt, openPlace } from "../../trees/place.ts";
import { TreeWriter } from "../../trees/write-tree.ts";

const blockBytes = 256 * 1024;
/** A client that is gone ends us by HUP, one that is told to by TERM or INT. */
const ends = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

export interface Receive {
	readonly destination: string;
	readonly roots: readonly string[];
	readonly force: boolean;
	readonly home: string;
}

/** Says at the end what has come. Rejects with a sentence; nothing of it is there then. */
export async function receive(
	{ destination, roots, force, home }: Receive,
	write: (text: string, fd: number) => void,
): Promise<void> {
	const place = await openPlace({ path: fromHome(destination, home), roots, force, open: openDirectoryAt });
	const leftOut: string[] = [];
	let [files, bytes] = [0, 0];
	const writer = new TreeWriter(place, {
		leaveOut: (what) => void (leftOut.length < leftOutMax && leftOut.push(what)),
		count: (more, length) => {
			files += more;
			bytes += length;
		},
		maxBytes: Number.POSITIVE_INFINITY,
	});
	for (const signal of ends) {
		process.once(signal, () => {
			writer.abandon();
			write(formatReport({ kind: "failed", message: "it was broken off" }), 2);
			process.exit(1);
		});
	}
	try {
		const reader = new TarReader(writer);
		const block = Buffer.allocUnsafe(blockBytes);
		for (;;) {
			const { bytesRead } = await promisify(read)(0, block, 0, blockBytes, null);
			if (bytesRead === 0) break;
			reader.push(block.subarray(0, bytesRead));
		}
		reader.end();
		writer.finish();
	} finally {
		writer.abandon();
		closeSync(place.directory);
	}
	write(formatReport({ kind: "done", files, bytes, leftOut }), 2);
}

/** `[--force] -- DESTINATION ROOT…`. Throws BadRequest. */
export function parseReceive(words: readonly string[], home: string): Receive {
	const force = words[0] === "--force";
	const [separator, destination, ...roots] = words.slice(force ? 1 : 0);
	if (separator !== "--" || destination === undefined || roots.length === 0) {
		throw new QubesLiteError("BadRequest", "usage: qubes-lite-guest receive [--force] -- DESTINATION NAME…");
	}
	return { destination, roots, force, home };
}
