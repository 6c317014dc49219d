/**
 * `qubes-lite-guest`, which run-in-vm starts in the guest: `apps` reports what could be started, `launch ID` starts one of these,
 * `open NAME BYTES -- HANDLER…` opens a file that comes over standard input; `about` says what the guest is told of itself; `send` and `receive` are the guest's
 * ends of `qubes-lite cp`. It has the rights of whoever runs it, and is asked for nothing more.
 */
import { writeSync } from "node:fs";
import { formatReport } from "../../copy/guest-report.ts";
import { errnoOf, exitStatus, QubesLiteError } from "../../errors.ts";
import { isProgramId, programLineMaxBytes, reportMaxBytes } from "../../protocol/programs.ts";
import { AlreadyThere } from "../../trees/place.ts";
import { dataDirectories, listApplications } from "./applications.ts";
import { become } from "./become.ts";
import { readIcon } from "./icons.ts";
import { parseReceive, receive } from "./receive.ts";
import { receiveFile } from "./receive-file.ts";
import { send } from "./send.ts";
import { readVmFacts } from "./vm-facts.ts";

const usage =
	"usage: qubes-lite-guest apps | launch ID | open NAME BYTES -- HANDLER… | about | send -- PATH… | receive [--force] -- PATH NAME…";

/** Icons are left out once there is no more room for them: each program shall have its line. */
const iconsMaxBytes = reportMaxBytes / 2;

function report(): void {
	const directories = dataDirectories(process.env);
	let left = iconsMaxBytes;
	for (const [id, { name, terminal, icon }] of listApplications(process.env)) {
		const png = icon === undefined ? undefined : readIcon(icon, directories);
		const plain = { id, name: name.slice(0, 1024), terminal };
		const line = JSON.stringify(
			png === undefined ? plain : { ...plain, icon: { format: "png", base64: png.toString("base64") } },
		);
		const fits = line.length <= Math.min(left, programLineMaxBytes);
		if (png !== undefined && fits) left -= line.length;
		write(`${fits ? line : JSON.stringify(plain)}\n`);
	}
}

function launch(id: string): never {
	const application = isProgramId(id) ? listApplications(process.env).get(id) : undefined;
	if (application === undefined) throw new QubesLiteError("NotRunning", "the guest has no such program any more");
	become(application.argv, application.directory);
}

/** The guest's end of a copy: who has asked reads reports, so its failure is one. */
async function copy(words: readonly string[]): Promise<void> {
	try {
		const [verb, separator, ...paths] = words;
		const home = process.env.HOME ?? "/";
		if (verb === "receive") await receive(parseReceive(words.slice(1), home), write);
		else if (separator === "--" && paths.length > 0) send(paths, home, write);
		else throw new QubesLiteError("BadRequest", usage);
	} catch (cause) {
		if (errnoOf(cause) === "EPIPE") return;
		const { message } = QubesLiteError.from(cause);
		write(formatReport({ kind: "failed", message, ...(cause instanceof AlreadyThere && { isTaken: true }) }), 2);
		process.exitCode = 1;
	}
}

function main(words: readonly string[]): void {
	const [verb, name, size, separator, ...handler] = words;
	if (verb === "send" || verb === "receive") void copy(words);
	else if (verb === "apps" && name === undefined) report();
	else if (verb === "launch" && name !== undefined && size === undefined) launch(name);
	else if (verb === "open" && name !== undefined && separator === "--" && handler.length > 0) {
		become([...handler, receiveFile(name, Number(size))], undefined);
	} else if (verb === "about" && name === undefined) {
		write(`${JSON.stringify({ schema: 1, ...readVmFacts() })}\n`);
	} else throw new QubesLiteError("BadRequest", usage);
}

/** Not by process.stdout: what Node would do to the descriptor, the program that we become would have to live with. */
function write(text: string | Buffer, fd = 1): void {
	for (let bytes = typeof text === "string" ? Buffer.from(text) : text; bytes.length > 0; )
		bytes = bytes.subarray(writeSync(fd, bytes));
}

try {
	main(process.argv.slice(2));
} catch (cause) {
	const error = QubesLiteError.from(cause);
	if (errnoOf(cause) !== "EPIPE") write(`qubes-lite-guest: ${error.message}\n`, 2);
	process.exitCode = error.code === "NotRunning" ? exitStatus.notFound : error.code === "BadRequest" ? 2 : 1;
}
