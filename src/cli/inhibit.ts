/** `qubes-lite inhibit VM -- COMMAND…`: the vm does not stop by idleness while the command runs on this host. */
import { brokerFrame, encodeRequest } from "../protocol/broker.ts";
import { parseStatusReply, type VmStatus } from "../protocol/broker-replies.ts";
import { labelMaxChars } from "../protocol/limits.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import { askBroker, tellWarning } from "./broker-client.ts";
import { BrokerHold, type HoldRequest } from "./broker-hold.ts";
import { parseCommand } from "./commands/parse-command.ts";
import { program } from "./commands/qubes-lite.ts";
import { runHostCommand } from "./host-command.ts";
import { ignoredAtStart } from "./ignored-signals.ts";

/** Resolves with the command's exit status. Rejects, and has run nothing, where the broker does not hold the vm. */
export async function inhibit(words: readonly string[]): Promise<number> {
	const { operands, behind, value } = parseCommand("inhibit", words);
	const label = toLabel(value("why"), behind[0] ?? "");
	const hold = await holdVm({ method: "inhibit", vm: operands[0] ?? "", label, pid: process.pid });
	try {
		return await runHostCommand(behind, ignoredAtStart);
	} finally {
		hold.end();
	}
}

/** In words of a person's: why, or else the command's name. Never its arguments. */
function toLabel(why: string | null, command: string): string {
	return (why ?? command.slice(command.lastIndexOf("/") + 1)).slice(0, labelMaxChars);
}

async function holdVm(request: HoldRequest): Promise<BrokerHold> {
	const connection = await askBroker(process.env, () => [encodeRequest(request)], {
		onFrame: ({ type, payload }) => {
			if (type !== brokerFrame.reply) return false;
			const reply: unknown = JSON.parse(payload.toString("utf8"));
			tellWarning(reply);
			tellWhereNotUp(parseStatusReply(reply));
			return true;
		},
	});
	const hold = new BrokerHold(connection, request, process.env);
	void hold.told.then((error) => warn(`${request.vm} is not kept any more: ${error.message}`));
	return hold;
}

function tellWhereNotUp({ name, state }: VmStatus): void {
	if (state === "stopped" || state === "failed") warn(`${name} is not running; it is kept from when it starts`);
	if (state === "shutdown") warn(`${name} is shutting down; it is kept from its next start`);
}

const warn = (sentence: string): boolean => process.stderr.write(`${program}: ${toSafeText(sentence)}\n`);
