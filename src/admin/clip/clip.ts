/** `qubes-lite clip copy|paste VM`: moves one text or picture between a vm's clipboard and this desktop's, because somebody says so. */
import { connect } from "node:net";
import { join } from "node:path";
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { vmFiles } from "../../launch-plan.ts";
import { parseRefused } from "../../protocol/broker.ts";
import {
	type ClipKind,
	displayFrame,
	encodeRead,
	encodeWrite,
	fromDisplayLimits,
	parseClipKind,
} from "../../protocol/display.ts";
import { type Frame, FrameDecoder } from "../../protocol/frame.ts";
import { toHarmless } from "./harmless.ts";
import { readDesktop, readStdin, writeDesktop } from "./host-clipboard.ts";

/** A program that has something copied gives it at once; one that does not is let be by its display before that. */
const answerWithinMs = 30_000;

/** `directory`: the vm's, as the broker has said it. Resolves with 0 when this desktop has it. */
export async function clipCopy([directory = "", ...words]: readonly string[]): Promise<number> {
	const parsed = parseCommand("clip copy", words);
	const [vm = ""] = parsed.operands;
	const frames = await ask(vm, directory, encodeRead());
	const [about, data] = frames;
	if (about === undefined || data === undefined) throw lost(vm);
	const kind = parseClipKind(about.payload);
	const bytes = toHarmless(kind, data.payload, vm);
	if (parsed.has("stdout")) process.stdout.write(bytes);
	else await writeDesktop(kind, bytes);
	return 0;
}

/** Resolves with 0 when the vm has it. */
export async function clipPaste([directory = "", ...words]: readonly string[]): Promise<number> {
	const parsed = parseCommand("clip paste", words);
	const [vm = ""] = parsed.operands;
	const { kind, bytes }: { kind: ClipKind; bytes: Buffer } = parsed.has("stdin")
		? await readStdin()
		: await readDesktop();
	await ask(vm, directory, encodeWrite(kind, bytes));
	return 0;
}

/** All that it says until it closes. Rejects with what it refuses. */
async function ask(vm: string, directory: string, question: Buffer): Promise<Frame[]> {
	const path = join(directory, vmFiles.display);
	return await new Promise((resolve, reject) => {
		const frames: Frame[] = [];
		const decoder = new FrameDecoder(fromDisplayLimits);
		const socket = connect(path);
		socket.setTimeout(answerWithinMs, () =>
			socket.destroy(new QubesLiteError("Unresponsive", `the display of ${vm} does not answer`)),
		);
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, ({ type, payload }) => {
					if (type === displayFrame.refused) reject(QubesLiteError.fromFacts(parseRefused(payload)));
					else frames.push({ type, payload: Buffer.from(payload) });
				});
			} catch (cause) {
				socket.destroy(QubesLiteError.from(cause));
			}
		});
		socket.once("error", (cause) => reject(errnoOf(cause) === undefined ? cause : hasNone(vm, cause)));
		socket.once("close", () => (frames.length === 0 ? reject(lost(vm)) : resolve(frames)));
		socket.write(question);
	});
}

const lost = (vm: string): QubesLiteError =>
	new QubesLiteError("NotRunning", `the display of ${vm} has ended`, { remedy: `qubes-lite status ${vm}` });

const hasNone = (vm: string, cause: unknown): QubesLiteError =>
	new QubesLiteError("Unsupported", `${vm} has no windows, and so no clipboard`, {
		remedy: '"image": {"packages": […]} in the configuration gives it programs that have',
		cause,
	});
