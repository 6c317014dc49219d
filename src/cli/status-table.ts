/** `qubes-lite ls` and `status` for people: columns, words, and colour where somebody looks. */
import type { VmState, VmStatus } from "../protocol/broker-replies.ts";
import type { VmColor } from "../protocol/colors.ts";
import { formatClock, formatColumns, formatFacts, formatSeconds, type Look, paint } from "../terminal/columns.ts";
import { formatBooted, formatBooting, formatReached } from "./boot-words.ts";
import { formatSettings } from "./settings-words.ts";

/** SGR codes (ECMA-48). */
const stateColour: Readonly<Record<VmState, string>> = {
	stopped: "2",
	booting: "33",
	ready: "32",
	idle: "36",
	shutdown: "33",
	failed: "31",
};

/** Of 256 where there is none among the first eight that is seen on dark and on light. */
const colours: Readonly<Record<VmColor, string>> = {
	red: "31",
	orange: "38;5;208",
	yellow: "33",
	green: "32",
	gray: "38;5;245",
	blue: "34",
	purple: "35",
	black: "7",
};

const toSgr = (color: VmColor | null): string | null => (color === null ? null : colours[color]);

export function formatTable(vms: readonly VmStatus[], look: Look): string {
	const rows = vms.map((vm) => [
		vm.name,
		String(vm.id),
		stateWords(vm),
		sinceWords(vm, look),
		network(vm),
		note(vm, look),
	]);
	return formatColumns(["NAME", "ID", "STATE", "SINCE", "NETWORK", "NOTE"], rows, look, (row, column) => {
		const { state = "stopped", color = null } = vms[row] ?? {};
		if (column === 0) return toSgr(color);
		return column === 2 ? stateColour[state] : null;
	});
}

export function formatStatus(vm: VmStatus, look: Look): string {
	const facts: readonly (readonly [string, string | null])[] = [
		["state", `${paint(stateWords(vm), stateColour[vm.state], look)}, since ${sinceWords(vm, look)}`],
		["why", vm.reason],
		["let be", vm.coolsUntil === null ? null : `by runs, until ${formatClock(Date.parse(vm.coolsUntil))}`],
		["kept by", vm.leases.length === 0 ? null : vm.leases.map(({ words }) => words).join("; ")],
		["stops", vm.stopsAt === null ? null : `in ${formatSeconds(Date.parse(vm.stopsAt) - look.now)}`],
		["pauses", vm.pausesAt === null ? null : `in ${formatSeconds(Date.parse(vm.pausesAt) - look.now)}`],
		["boot", formatBooting(vm) ?? formatBooted(vm)],
		["id", String(vm.id)],
		["memory", memoryWords(vm)],
		["cpus", vm.cpus === 0 ? null : nextToo(String(vm.cpus), vm.next && String(vm.next.cpus))],
		["network", nextToo(network(vm), vm.next && network(vm.next))],
		["display", vm.displayCut],
		["disposable", vm.disposable ? "yes: what it writes is gone when it stops" : "no"],
		["idle", idleWords(vm)],
		["life", vm.maxLifetime === 0 ? null : `${formatSeconds(vm.maxLifetime * 1000)} at most, whatever runs in it`],
		["needs", vm.dependsOn.length === 0 ? null : vm.dependsOn.join(", ")],
		[
			"ready",
			vm.preload === 0 ? null : `${vm.preload} disposable ${vm.preload === 1 ? "instance" : "instances"} kept ready`,
		],
		["next boot", (vm.next?.others.length ?? 0) === 0 ? null : `has another ${vm.next?.others.join(", ")}`],
		["set", setWords(vm)],
		[
			"vmm",
			vm.pid === null
				? null
				: `${vm.hypervisor ?? "?"}, pid ${vm.pid}, kept by ${vm.supervisor === "direct" ? "the broker's shim" : "systemd"}`,
		],
	];
	return `${paint(vm.name, vm.color === null ? "1" : `1;${toSgr(vm.color)}`, look)}\n${formatFacts(facts)}`;
}

/** Flags in people's words. */
const flagWords: Readonly<Record<string, string>> = { vmmAlive: "still up", notConfigured: "not configured" };

const stateWords = (vm: VmStatus): string =>
	[vm.state, ...vm.flags.map((flag) => (Object.hasOwn(flagWords, flag) ? flagWords[flag] : flag))].join(", ");
const nextToo = (now: string, next: string | null): string =>
	next === null || next === now ? now : `${now}, ${next} from its next boot`;
const memoryWords = ({ memoryMiB, availableMiB, next }: VmStatus): string | null => {
	if (memoryMiB === 0) return null;
	const words = nextToo(`${memoryMiB} MiB`, next && `${next.memoryMiB} MiB`);
	return availableMiB === null ? words : `${words}; ${availableMiB} MiB of it available`;
};
const network = (vm: Pick<VmStatus, "network">): string => (vm.network ? "yes" : "offline");

const untilStop = "until its stop";
const idleWords = ({ idleTimeout, idleAction, pauseTimeout, set }: VmStatus): string => {
	const after = (seconds: number): string => formatSeconds(seconds * 1000);
	const paused = `is paused after ${after(idleTimeout)}, and ${pauseTimeout === 0 ? "stays so" : `stops ${after(pauseTimeout)} later`}`;
	const timed = idleAction === "pause" ? paused : `stops after ${after(idleTimeout)}`;
	const words = idleTimeout === 0 ? "never stops by idleness" : timed;
	return set.idleTimeout === undefined ? words : `${words} (set ${untilStop})`;
};
/** What no other line shows. */
const setWords = ({ set: { idleTimeout: _, ...others } }: VmStatus): string | null =>
	Object.keys(others).length === 0 ? null : `${formatSettings(others)} ${untilStop}`;
const sinceWords = (vm: VmStatus, look: Look): string => formatSeconds(look.now - Date.parse(vm.since));

/** Without what it quotes of a vmm's own words; `status` has all. A terminal shows as much as it has room for. */
const toGist = (reason: string): string => reason.split(/: |\n/, 1)[0] ?? "";

function note(vm: VmStatus, look: Look): string {
	const reached = formatReached(vm);
	if (reached !== null) return reached;
	const isUp = vm.state !== "stopped" && vm.state !== "failed";
	if (isUp && vm.leases.length > 0)
		return `kept by ${vm.leases[0]?.words}${vm.leases.length > 1 ? ` and ${vm.leases.length - 1} more` : ""}`;
	if (vm.stopsAt !== null) return `stops in ${formatSeconds(Date.parse(vm.stopsAt) - look.now)}`;
	if (vm.pausesAt !== null) return `is paused in ${formatSeconds(Date.parse(vm.pausesAt) - look.now)}`;
	if (vm.state === "idle" && vm.idleTimeout === 0) return "never stops by itself";
	return look.width === null ? toGist(vm.reason ?? "") : (vm.reason ?? "");
}
