/** Files and directories of the guest as an archive on standard output, for `qubes-lite cp`. */
import { closeSync, constants, openSync, statSync } from "node:fs";
import { formatReport, leftOutMax } from "../../copy/guest-report.ts";
import { fromHome, rootNameOf } from "../../copy/root-name.ts";
import { QubesLiteError } from "../../errors.ts";
import { fileError } from "../../trees/below.ts";
import { measure, readTrees, type Source } from "../../trees/read-tree.ts";

type Write = (bytes: string | Buffer, fd?: number) => void;

/** Says first how much it will be, then sends, then says that it has. Throws a sentence about the first that can't be read. */
export function send(paths: readonly string[], home: string, write: Write): void {
	const sources: Source[] = [];
	try {
		for (const path of paths) sources.push(openSource(path, home));
		write(formatReport({ kind: "total", ...measure(sources) }), 2);
		const leftOut: string[] = [];
		let [files, bytes] = [0, 0];
		const pieces = readTrees(sources, {
			leaveOut: (what) => void (leftOut.length < leftOutMax && leftOut.push(what)),
			count: (more, length) => {
				files += more;
				bytes += length;
			},
		});
		for (const piece of pieces) write(piece);
		write(formatReport({ kind: "done", files, bytes, leftOut }), 2);
	} finally {
		for (const { fd } of sources) closeSync(fd);
	}
}

/** Links to it are followed: its user has named it. */
function openSource(path: string, home: string): Source {
	const shown = path === "" ? "~" : path;
	const place = fromHome(path, home);
	try {
		const found = statSync(place);
		// An open of a device may do something.
		if (!found.isFile() && !found.isDirectory()) {
			throw new QubesLiteError("BadRequest", `${shown} is neither a file nor a directory`);
		}
		const fd = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK);
		return { fd, root: rootNameOf(path), shown };
	} catch (cause) {
		throw fileError(cause, shown);
	}
}
