/** `qubes-lite clip`: asks the broker whether and where; the rest takes more than the client has. */
import { type ClipWay, encodeRequest } from "../protocol/broker.ts";
import { parseDirectoryReply } from "../protocol/broker-replies.ts";
import { callBroker } from "./broker-client.ts";
import { parseCommand } from "./commands/parse-command.ts";
import { runOtherProgram } from "./other-program.ts";

/** Resolves with the exit status. */
export async function clip(way: ClipWay, words: readonly string[]): Promise<number> {
	const name = `clip ${way}` as const;
	const [vm = ""] = parseCommand(name, words).operands;
	const reply = await callBroker(process.env, encodeRequest({ method: "clip", vm, way }));
	return await runOtherProgram("admin.mjs", [name, parseDirectoryReply(reply), ...words]);
}
