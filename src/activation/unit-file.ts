/**
 * The systemd unit of a vm, rendered from the launch plan that the direct supervisor executes. One unit holds the vmm and its
 * helpers: limits count for all of them together, and nothing of a vm outlives its unit. Pure.
 */
import { type HostRequirement, idMapWord, type LaunchPlan } from "../launch-plan.ts";
import { createMark } from "../made-mark.ts";
import { shimDirectories, toPlanWords } from "./shim-script.ts";
import { brokerUnits, toUnitName } from "./unit-names.ts";
import { formatUnitVariable, quoteUnitWord, type UnitHoles } from "./unit-quoting.ts";

export interface UnitOptions {
	/** `$XDG_RUNTIME_DIR/qubes-lite` as the plan has it; the unit says `%t/qubes-lite`. */
	readonly runtimeDirectory: string;
	/** Path of vm-shim.sh. */
	readonly shim: string;
	/** Started with the user's session. */
	readonly autoStart: boolean;
	/** What makes this unit anew where the host has changed: "qubes-lite install". */
	readonly remedy: string;
	/** For a template: the name and id of the instance that the plan is for, and what else is its own, which systemd fills in instead. */
	readonly instance?: { readonly tag: string; readonly id: number; readonly holes: UnitHoles };
}

/** Beside the shutdown's own bounds, after which systemd takes over: a paused guest is resumed first, and files are removed after it. */
const stopMarginS = 10;

/** The file's text, its first lines with a hash of the rest, by which a unit that somebody has edited is known. */
export const renderUnit = (plan: LaunchPlan, options: UnitOptions): string => markUnit(renderBody(plan, options));

const mark = createMark("made anew when its configuration changes: put changes of yours into a drop-in");

/** Any unit of ours with such first lines. */
export const markUnit = mark.put;

/** Whether a unit file is one of ours, and whether anybody has edited it since. */
export const judgeUnit = mark.judge;

/** What `markUnit` has marked. */
export const bodyOf = mark.bodyOf;

/** What a broker that adopts the vm learns from its unit. */
export const unitVariables = {
	hypervisor: "QUBES_LITE_HYPERVISOR",
	id: "QUBES_LITE_ID",
	/** What speaks with its vmm, where that takes a program. */
	control: "QUBES_LITE_CONTROL",
} as const;

/** What the shim finds out from an instance's tag: its id, and of the TAP that it has the id, the one below, and the id as MACs have it. */
export const instanceVariables = {
	id: "QUBES_LITE_CID",
	poolId: "QUBES_LITE_TAP",
	gatewayId: "QUBES_LITE_GATEWAY",
	macByte: "QUBES_LITE_MAC",
} as const;

function renderBody(plan: LaunchPlan, options: UnitOptions): string {
	const { instance, runtimeDirectory, shim } = options;
	const name = instance === undefined ? plan.vm : "disp-%i";
	const holes = new Map([[runtimeDirectory, "%t/qubes-lite"], ...toIdHoles(plan)]);
	// Of another login it may have another name: the user manager knows it when the unit starts.
	if (plan.wayland?.isByName === true) holes.set(plan.wayland.path, "%t/${WAYLAND_DISPLAY}");
	if (instance !== undefined) {
		holes.set(`disp-${instance.tag}`, "disp-%i");
		holes.set(String(instance.id), `\${${instanceVariables.id}}`);
		for (const [text, hole] of instance.holes) holes.set(text, hole);
	}
	const words = (...list: readonly string[]): string => list.map((word) => quoteUnitWord(word, holes)).join(" ");
	const run = (...list: readonly string[]): string => words("/bin/sh", shim, ...list);
	const directory = `${runtimeDirectory}/${plan.vm}`;
	const broker = `${brokerUnits.socket} ${brokerUnits.service}`;
	const stopWithinS = Math.ceil(plan.stopWithinMs / 1000);
	/** Which TAP an instance has is found out after the other facts. */
	const tag = plan.requires.some(({ kind }) => kind === "tap") ? "%i tap" : "%i";
	const requires = instance === undefined ? plan.requires : plan.requires.filter(({ kind }) => kind !== "tap");
	const needed = plan.dependsOn.map(toUnitName);
	const lines = [
		"[Unit]",
		instance === undefined ? `Description=VM ${name}` : `Description=VM ${name}, a disposable instance`,
		"Documentation=man:qubes-lite(1)",
		// The broker serves its commands, and lets it go when it is idle.
		`Wants=${[brokerUnits.service, ...needed].join(" ")}`,
		// Also the order of the ends: the broker asks the guest to power off, and is told over D-Bus that it shall.
		`After=${[broker, "dbus.service", ...needed].join(" ")}`,
		// Kept by the direct supervisor: a start that came so far as to fail would take the runtime directory with it.
		`AssertPathExists=!%t/qubes-lite/${name}/${shimDirectories.direct}`,
		// A vm that is started often is used often.
		"StartLimitIntervalSec=0",
		"",
		"[Service]",
		"Type=exec",
		`Slice=${brokerUnits.slice}`,
		`SyslogIdentifier=qubes-lite-${name}`,
		`RuntimeDirectory=qubes-lite/${name}`,
		"RuntimeDirectoryMode=0700",
		"UMask=0077",
		`Environment=${unitVariables.hypervisor}=${plan.hypervisor}${instance === undefined ? ` ${unitVariables.id}=${plan.id}` : ""}`,
		...(plan.control.kind === "crosvm" ? [formatUnitVariable(unitVariables.control, plan.control.program)] : []),
		`ExecStartPre=${run("check", directory, options.remedy, ...requires.map(toFact), ...toEmpty(plan))}`,
		...(instance === undefined
			? []
			: [`ExecStartPre=${run("cid", directory)} ${tag}`, `EnvironmentFile=-%t/qubes-lite/${name}/cid`]),
		`ExecStart=${run("unit", directory, ...toPlanWords(plan))}`,
		// The broker asks the guest meanwhile.
		`ExecStop=${run("stop", String(stopWithinS + stopMarginS / 2))}`,
		// What the broker reads of an end, before the runtime directory goes.
		`ExecStopPost=-${run("end", directory, `${runtimeDirectory}/.ended/${plan.vm}`)}`,
		"KillMode=control-group",
		// Which end of a helper is the vm's, the shim knows; where each is, systemd's word for it says more.
		...(plan.helpers.every(({ isVital }) => isVital) ? [] : ["OOMPolicy=continue"]),
		`TimeoutStopSec=${stopWithinS + stopMarginS}`,
		// Its guest has rebooted, which is no failure (vmm/crosvm-end.ts).
		...(plan.hypervisor === "crosvm" ? ["SuccessExitStatus=32"] : []),
		...toLimits(plan),
		...hardening,
		...toRestrictions(plan),
		`RestrictAddressFamilies=AF_UNIX${plan.opensInternetSockets ? " AF_INET AF_INET6" : ""}`,
		...(options.autoStart ? ["", "[Install]", "WantedBy=default.target"] : []),
	];
	return `${lines.join("\n")}\n`;
}

/** Whose the files of shared directories are, its user manager says: the unit is the same for every user. */
function toIdHoles({ helpers }: LaunchPlan): [string, string][] {
	const words = helpers.flatMap(({ argv }) => argv);
	const toHoles = (kind: "uid" | "gid", specifier: string): [string, string][] =>
		words.filter((word) => word.startsWith(`--${kind}-map=`)).map((word) => [word, idMapWord(kind, specifier)]);
	return [...toHoles("uid", "%U"), ...toHoles("gid", "%G")];
}

/**
 * For a vmm that its guest has taken over, and what works without a mount namespace, which a user manager can't make in every
 * distribution. Left out for reasons of the vmm's own, besides those in units/qubes-lite-broker.service:
 * - MemoryDenyWriteExecute: TCG translates the guest's code as it goes.
 * - `~@privileged` in the filter: /bin/sh may be busybox, which dies where it can't set its user to what it is already. An ordinary
 *   user's vmm has no privileges that these calls could use.
 * - PrivateNetwork for an offline vm: that, too, takes a user namespace. Internet sockets are refused to it in any case.
 */
const hardening = [
	"NoNewPrivileges=yes",
	"LockPersonality=yes",
	"RestrictRealtime=yes",
	"RestrictSUIDSGID=yes",
	"KeyringMode=private",
	"SystemCallArchitectures=native",
];

/**
 * virtiofsd shuts itself into namespaces of its own, which confines it more, and makes its mounts there. Not said of crosvm's devices, which do so
 * by more calls than are a service's.
 */
function toRestrictions({ makesNamespaces, hypervisor }: LaunchPlan): string[] {
	if (makesNamespaces && hypervisor !== "qemu") return [];
	return [
		`RestrictNamespaces=${makesNamespaces ? "user mnt net pid" : "yes"}`,
		// seccomp: QEMU restricts itself further, the resources included.
		`SystemCallFilter=@system-service seccomp${makesNamespaces ? " @mount" : ""}`,
		"SystemCallFilter=~@resources",
		"SystemCallErrorNumber=EPERM",
	];
}

function toLimits({ limits }: LaunchPlan): string[] {
	return [
		...(limits.memoryMaxMiB === null ? [] : [`MemoryMax=${limits.memoryMaxMiB}M`]),
		...(limits.cpuWeight === null ? [] : [`CPUWeight=${limits.cpuWeight}`]),
	];
}

function toFact(requirement: HostRequirement): string {
	switch (requirement.kind) {
		case "kvm":
		case "tcg":
			return requirement.kind;
		case "tap":
		case "no-tap":
			return `${requirement.kind}=${requirement.name}`;
		default:
			return `${requirement.kind}=${requirement.path}`;
	}
}

const toEmpty = ({ emptyDirectory }: LaunchPlan): string[] =>
	emptyDirectory === null ? [] : [`empty=${emptyDirectory}`];
