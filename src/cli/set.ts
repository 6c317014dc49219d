/** `qubes-lite set VM KEY=VALUE…` */
import { parseSettingWords } from "../config/settable.ts";
import { QubesLiteError } from "../errors.ts";
import { encodeRequest } from "../protocol/broker.ts";
import { parseStatusReply } from "../protocol/broker-replies.ts";
import { callBroker } from "./broker-client.ts";
import { parseCommand, UsageError } from "./commands/parse-command.ts";
import { formatSettings } from "./settings-words.ts";

/** Takes the words behind its name, and resolves with what belongs on standard output. Throws UsageError before anybody is asked. */
export async function setSettings(words: readonly string[]): Promise<string> {
	const parsed = parseCommand("set", words);
	const [vm = "", ...settingWords] = parsed.operands;
	const settings = { ...toSettings(settingWords) };
	const reply = await callBroker(process.env, encodeRequest({ method: "set", vm, settings }));
	if (parsed.has("json")) return `${JSON.stringify(reply, null, 2)}\n`;
	const { name, set } = parseStatusReply(reply);
	const given = Object.entries(set).filter(([key]) => Object.hasOwn(settings, key));
	return `${name}: ${formatSettings(Object.fromEntries(given))} until it stops\n`;
}

function toSettings(words: readonly string[]): ReturnType<typeof parseSettingWords> {
	try {
		return parseSettingWords(words);
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		throw new UsageError(message, remedy);
	}
}
