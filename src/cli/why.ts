/** `qubes-lite why`: what keeps a vm up, when it goes, or why it is not up, each in a sentence. */
import type { VmStatus } from "../protocol/broker-replies.ts";
import { formatClock, formatInstant, formatSeconds, type Look } from "../terminal/columns.ts";
import { formatBooting } from "./boot-words.ts";

/** One line for each thing that there is to say; the last may be a command that helps. */
export function formatWhy(vm: VmStatus, look: Look): string {
	return sentences(vm, look)
		.map((line) => `${line}\n`)
		.join("");
}

function sentences(vm: VmStatus, look: Look): string[] {
	const instant = (time: string): string => formatInstant(Date.parse(time), look.now);
	const since = instant(vm.since);
	const kept = vm.leases.map(({ words, since: from }) => `kept by ${words}, since ${instant(from)}`);
	const stopsIn = vm.stopsAt === null ? null : formatSeconds(Date.parse(vm.stopsAt) - look.now);
	const because = vm.reason === null ? "" : `: ${vm.reason}`;
	const cools =
		vm.coolsUntil === null
			? []
			: [`it has failed to boot again and again: runs don't boot it until ${formatClock(Date.parse(vm.coolsUntil))}`];
	const help = vm.remedy === null ? [] : [`  → ${vm.remedy}`];
	const cut = vm.displayCut === null ? [] : [vm.displayCut];
	switch (vm.state) {
		case "stopped":
			return [
				vm.reason === null ? `stopped: nothing has run in it since ${since}` : `stopped at ${since}${because}`,
				...cools,
				...help,
			];
		case "failed":
			return [
				`failed at ${since}${because}`,
				...(vm.pid === null ? [] : ["its vmm is still up, for a look"]),
				...cools,
				...help,
			];
		case "booting":
			return [
				`boots since ${since}, for ${formatSeconds(look.now - Date.parse(vm.since))}; ${formatBooting(vm)}`,
				...kept,
			];
		case "shutdown":
			return [`shuts down since ${since}${because}`];
		case "ready":
			return [
				...(kept.length === 0
					? [`kept, since its guest is not heard: ${vm.flags.join(", ") || "it has just come up"}`]
					: kept),
				...(stopsIn === null ? [] : [`stops in ${stopsIn} all the same: its maxLifetime`]),
				...cut,
			];
		case "idle":
			return [`idle since ${since}${idleNext(vm, stopsIn, look)}`, ...cut];
	}
}

function idleNext({ flags, pausesAt, idleTimeout }: VmStatus, stopsIn: string | null, look: Look): string {
	const paused = flags.includes("paused") ? ", and paused until it is asked for" : "";
	if (pausesAt !== null) return `${paused}; is paused in ${formatSeconds(Date.parse(pausesAt) - look.now)}`;
	if (stopsIn !== null) return `${paused}; stops in ${stopsIn}`;
	const never = "it is never stopped for idleness";
	return idleTimeout === 0 ? `; kept by nothing, but its idleTimeout is 0: ${never}` : `${paused}; ${never}`;
}
