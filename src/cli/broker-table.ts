/** `qubes-lite status` for people: the broker itself. */
import type { BrokerStatus } from "../protocol/broker-replies.ts";
import { formatFacts, type Look, paint } from "../terminal/columns.ts";
import { version } from "./version.ts";

export function formatBroker(broker: BrokerStatus, look: Look): string {
	const isOurs = broker.version === version;
	const facts = [
		["version", isOurs ? version : `${broker.version}; qubes-lite itself is ${version}`],
		["pid", String(broker.pid)],
		["config", broker.config ?? "none: the vms that are built in"],
		["supervisor", broker.supervisor],
		["vms", `${broker.vms}, of which ${broker.running} ${broker.running === 1 ? "is" : "are"} up`],
	] as const;
	return `${paint("broker", "1", look)}\n${formatFacts(facts)}`;
}
