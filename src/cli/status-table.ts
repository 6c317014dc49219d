/** `qubes-lite ls` and `status` for people: columns, words, and colour where somebody looks. */
import type { VmState, VmStatus } from "../protocol/broker-replies.ts";
import { formatColumns, formatSeconds, type Look, paint } from "./columns.ts";

/** SGR codes (ECMA-48). */
const stateColour: Readonly<Record<VmState, string>> = {
	stopped: "2",
	booting: "33",
	ready: "32",
	idle: "36",
	shutdown: "33",
	failed: "31",
};

export function formatTable(vms: readonly VmStatus[], look: Look): string {
	const rows = vms.map((vm) => [
		vm.name,
		String(vm.id),
		stateWords(vm),
		sinceWords(vm, look),
		network(vm),
		note(vm, look),
	]);
	return formatColumns(["NAME", "ID", "STATE", "SINCE", "NETWORK", "NOTE"], rows, look, (row, column) =>
		column === 2 ? stateColour[vms[row]?.state ?? "stopped"] : null,
	);
}

export function formatStatus(vm: VmStatus, look: Look): string {
	const facts: readonly (readonly [string, string | null])[] = [
		["state", `${paint(stateWords(vm), stateColour[vm.state], look)}, since ${sinceWords(vm, look)}`],
		["why", vm.reason],
		["kept by", vm.leases.length === 0 ? null : vm.leases.join("; ")],
		["stops", vm.stopsAt === null ? null : `in ${formatSeconds(Date.parse(vm.stopsAt) - look.now)}`],
		["boot", vm.bootMs === null ? vm.phase && `reached ${vm.phase}` : `${(vm.bootMs / 1000).toFixed(1)} s`],
		["id", String(vm.id)],
		["memory", vm.memoryMiB === 0 ? null : `${vm.memoryMiB} MiB`],
		["network", network(vm)],
		["disposable", vm.disposable ? "yes: what it writes is gone when it stops" : "no"],
		["idle", vm.idleTimeout === 0 ? "never stops by idleness" : `stops after ${formatSeconds(vm.idleTimeout * 1000)}`],
		["vmm", vm.pid === null ? null : `${vm.hypervisor ?? "?"}, pid ${vm.pid}`],
	];
	const lines = facts.flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(12)}${value}`]));
	return `${paint(vm.name, "1", look)}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

const stateWords = (vm: VmStatus): string => [vm.state, ...vm.flags].join(", ");
const network = (vm: VmStatus): string => (vm.network ? "yes" : "offline");
const sinceWords = (vm: VmStatus, look: Look): string => formatSeconds(look.now - Date.parse(vm.since));

function note(vm: VmStatus, look: Look): string {
	if (vm.phase !== null) return `reached ${vm.phase}`;
	if (vm.leases.length > 0)
		return `kept by ${vm.leases[0]}${vm.leases.length > 1 ? ` and ${vm.leases.length - 1} more` : ""}`;
	if (vm.stopsAt !== null) return `stops in ${formatSeconds(Date.parse(vm.stopsAt) - look.now)}`;
	return vm.reason ?? "";
}
