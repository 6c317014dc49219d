/** `qubes-lite ls`, `status`, `why` and `ps`: for people, or with --json as the broker said it. */

import { type BrokerRequest, encodeRequest } from "../protocol/broker.ts";
import {
	parseBrokerStatus,
	parseSessionList,
	parseStatusList,
	parseStatusReply,
	type VmStatus,
} from "../protocol/broker-replies.ts";
import type { Look } from "../terminal/columns.ts";
import { callBroker } from "./broker-client.ts";
import { formatBroker } from "./broker-table.ts";
import { parseCommand } from "./commands/parse-command.ts";
import { formatSessions } from "./session-table.ts";
import { formatStatus, formatTable } from "./status-table.ts";
import { formatWhy } from "./why.ts";

/** Each takes the words behind its name, and resolves with what belongs on standard output. */

export async function list(words: readonly string[]): Promise<string> {
	const parsed = parseCommand("ls", words);
	const reply = await call({ method: "list" });
	const all = parseStatusList(reply);
	const vms = parsed.has("all") ? all : all.filter(({ flags }) => !flags.includes("preloaded"));
	/** As the broker said it, but for those. */
	const isShown = (_: unknown, index: number): boolean => vms.includes(all[index] as VmStatus);
	const said = reply as { readonly vms: readonly unknown[] };
	if (parsed.has("json")) return toJson({ ...said, vms: said.vms.filter(isShown) });
	return parsed.has("quiet") ? vms.map((vm) => `${vm.name}\n`).join("") : formatTable(vms, look());
}

export async function showStatus(words: readonly string[]): Promise<string> {
	const parsed = parseCommand("status", words);
	const [vm] = parsed.operands;
	const reply = await call(vm === undefined ? { method: "broker" } : { method: "status", vm });
	if (parsed.has("json")) return toJson(reply);
	return vm === undefined
		? formatBroker(parseBrokerStatus(reply), look())
		: formatStatus(parseStatusReply(reply), look());
}

export async function showWhy(words: readonly string[]): Promise<string> {
	const parsed = parseCommand("why", words);
	const reply = await call({ method: "status", vm: parsed.operands[0] ?? "" });
	return parsed.has("json") ? toJson(reply) : formatWhy(parseStatusReply(reply), look());
}

export async function listSessions(words: readonly string[]): Promise<string> {
	const parsed = parseCommand("ps", words);
	const reply = await call({ method: "sessions", vm: parsed.operands[0] ?? null });
	return parsed.has("json") ? toJson(reply) : formatSessions(parseSessionList(reply), look());
}

const call = (request: BrokerRequest): Promise<unknown> => callBroker(process.env, encodeRequest(request));

const toJson = (reply: unknown): string => `${JSON.stringify(reply, null, 2)}\n`;

/** no-color.org: any value but the empty one means no colour. */
function look(): Look {
	const { stdout, env } = process;
	return {
		colour: stdout.isTTY && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb",
		now: Date.now(),
		/** A terminal that has no size says 0. */
		width: stdout.isTTY && stdout.columns > 0 ? stdout.columns : null,
	};
}
