/** Events for people, one line for each: "15:10:02 shopping  ready → idle". */
import type { BrokerEvent, VmFacts } from "../protocol/broker-events.ts";
import { formatClock } from "../terminal/columns.ts";
import { toSafeText } from "../terminal/safe-text.ts";

/** `width`: of the column of names. */
export function formatEvent(event: BrokerEvent, width: number): string {
	const name = "vm" in event ? event.vm : "broker";
	const line = `${formatClock(Date.parse(event.at))} ${name.padEnd(width)}  ${wordsOf(event)}`;
	return `${toSafeText(line).replaceAll(/[\n\t]+/g, " ")}\n`;
}

function wordsOf(event: BrokerEvent): string {
	switch (event.type) {
		case "broker":
			return `another one tells from here on, pid ${event.pid}`;
		case "is":
			return `is ${event.state}${factsOf(event)}`;
		case "state":
			return `${event.from} → ${event.to}${factsOf(event)}`;
		case "stop-announced":
			return `stops at ${formatClock(Date.parse(event.stopsAt))}: ${event.sentence}`;
		case "stop-averted":
			return "does not stop then";
		case "boot":
			return `has booted in ${seconds(event.ms)}${phasesOf(event.phases)}`;
		case "vm-added":
			return "is new";
		case "vm-gone":
			return "is gone";
		case "unknown":
			return "";
	}
}

const factsOf = ({ flags, reason, remedy }: VmFacts): string =>
	[
		...flags.map((flag) => `, ${flag}`),
		...(reason === null ? [] : [`: ${reason}`]),
		...(remedy === null ? [] : [` (${remedy})`]),
	].join("");

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function phasesOf(phases: Readonly<Record<string, number>>): string {
	const inOrder = Object.entries(phases).sort(([, a], [, b]) => a - b);
	const words = inOrder.map(([phase, ms]) => `${phase} ${seconds(ms)}`);
	return words.length === 0 ? "" : ` (${words.join(", ")})`;
}
