/** What clients are told when a vm is not there for them: each failure of a machine, a vmm or a boot as a sentence with a remedy. */
import type { VmmExit } from "../activation/supervisor.ts";
import { toTapRemedy } from "../config/addresses.ts";
import type { Hypervisor } from "../config/hypervisor.ts";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { Reason } from "../statemachines/vm-events.ts";
import { poweredOff } from "../statemachines/vm-reasons.ts";
import { lastLines, toSafeText } from "../terminal/safe-text.ts";
import { drivers } from "../vmm/drivers.ts";
import type { GuestRefusal } from "./guest-refusals.ts";

/** Nobody can be asked about an instance of a disposable that is gone. */
const statusRemedy = (vm: VmConfig): string =>
	vm.instanceOf === undefined ? `qubes-lite status ${vm.name}` : "qubes-lite ls";

/** For a request that was answered while the vm was up. */
export function justStopped(vm: VmConfig): QubesLiteError {
	return new QubesLiteError("NotRunning", `${vm.name} has just stopped`, { remedy: statusRemedy(vm) });
}

/** The vm ended under a session, or under a request that had been answered. */
export function endedError(vm: VmConfig, reason: Reason | null, when: "running" | "starting"): QubesLiteError {
	const during = when === "running" ? "while the command ran" : "before the command could run";
	return new QubesLiteError("NotRunning", `${vm.name} ended ${during}: ${reason?.sentence ?? "stopped"}`, {
		remedy: statusRemedy(vm),
	});
}

export function notRunning(vm: VmConfig, but: string): QubesLiteError {
	return new QubesLiteError("NotRunning", `${vm.name} is not running, ${but}`, {
		remedy: `qubes-lite start ${vm.name}`,
	});
}

/** Who asks about a vm that may run, and can't be seen. */
export function hiddenError(vm: string, cause?: QubesLiteError): QubesLiteError {
	const why = cause === undefined ? "" : `: ${cause.message}`;
	return new QubesLiteError("Unresponsive", `systemd keeps ${vm}, and can't be asked about it${why}`, {
		remedy: "systemctl --user start dbus.socket",
	});
}

export function bootTooSlow(vm: VmConfig, withinMs: number): QubesLiteError {
	const sentence = `${vm.name} was not ready within ${withinMs / 1000} s`;
	return new QubesLiteError("BootTimeout", sentence, { remedy: statusRemedy(vm) });
}

export const tapTooLate = (withinMs: number): QubesLiteError =>
	new QubesLiteError("BootTimeout", `no TAP of disposablePool has become free within ${withinMs / 1000} s`, {
		remedy: "qubes-lite ls --all   # shows the instances that have them",
	});

/** What a failed boot has left to look at. */
export interface BootRemains {
	readonly console: readonly string[];
	readonly refusal: GuestRefusal | null;
	/** What the host has. */
	readonly hostMemoryMiB: number;
	/** See isEmulated in host/kvm.ts. */
	readonly isEmulated: () => boolean;
}

type Fault = NonNullable<Reason["fault"]>;

/** What a vm's machine answers to who asks in vain. */
export class RefusedError extends QubesLiteError {
	/** Of the vm that is to blame: the one that was asked, or one that it depends on. */
	readonly fault: Fault;

	constructor(refusal: Reason, message: string, remedy: string, fault: Fault) {
		super(refusal.code === "Stopped" ? "NotRunning" : refusal.code, message, { remedy });
		this.fault = fault;
	}
}

/** A vm can't have `needed`, which it depends on: names only the one that is to blame, however many there are between. */
export class DependencyError extends QubesLiteError {
	readonly fault: Fault;

	constructor(needed: string, cause: unknown) {
		const { code, message, remedy } = QubesLiteError.from(cause);
		const fault = cause instanceof RefusedError ? cause.fault : { vm: needed, words: `is not available: ${message}` };
		const through = fault.vm === needed ? "" : ` through ${needed}`;
		super(code, `${fault.vm}, which it depends on${through}, ${fault.words}`, { remedy, cause });
		this.fault = fault;
	}
}

/** The machine refused a request. */
export function refusedError(vm: VmConfig, refusal: Reason, remains: BootRemains): RefusedError {
	const isBoot = (refusal.code === "BootFailed" || refusal.code === "BootTimeout") && refusal.fault === undefined;
	const words = `${isBoot ? "did not become ready" : "is not available"}: ${refusal.sentence}`;
	const lines = [`${vm.name} ${words}`];
	let { remedy } = refusal;
	if (isBoot && remains.refusal !== null) {
		lines.push(`an agent in it was refused: ${toSafeText(remains.refusal.why)}`);
		/** The guest's image is of another version of qubes-lite. */
		if (remains.refusal.code === "Unsupported") remedy ??= "qubes-lite image build";
	}
	if (isBoot && vm.memoryMiB > remains.hostMemoryMiB) {
		lines.push(`it has ${vm.memoryMiB} MiB of memory, more than the host's ${remains.hostMemoryMiB} MiB`);
		remedy ??= `give ${vm.name} less "memory" in the configuration`;
	}
	if (isBoot && remains.console.length > 0) {
		lines.push("its console's last lines:", ...remains.console.map((line) => `  | ${line}`));
	}
	remedy ??= failedBootRemedy(vm, refusal, remains.isEmulated) ?? statusRemedy(vm);
	return new RefusedError(refusal, lines.join("\n"), remedy, refusal.fault ?? { vm: vm.name, words });
}

/** QEMU's words (7.2) for a TAP that is another user's, without the name in them. */
const foreignTap = /could not configure \/dev\/net\/tun \(ql-[a-z0-9-]+\): Operation not permitted/;

/**
 * What there is to look at, and to try, after a boot that failed for a reason without a remedy of its own; undefined: nothing. Nothing is
 * kept of a disposable.
 */
export function failedBootRemedy(vm: VmConfig, reason: Reason, isEmulated: () => boolean): string | undefined {
	const isLate = reason.code === "BootTimeout";
	if (!isLate && reason.code !== "BootFailed") return undefined;
	if (foreignTap.test(reason.sentence)) return toTapRemedy(...(vm.instanceOf === undefined ? [vm.name] : []));
	/** What the vmm itself has said is in its log, and what the guest has is on the console. */
	const isGuests =
		isLate || [poweredOff.sentence, panicked, "the guest rebooted"].some((words) => reason.sentence.startsWith(words));
	const look = vm.disposable ? [] : [`qubes-lite logs ${isGuests ? "--console " : ""}${vm.name}`];
	if (!isLate || !isEmulated()) return look[0];
	return [...look, 'a larger "bootTimeout" may help: without KVM all is slow'].join("   # ");
}

/** A launch that could not even begin. */
export function launchFailure(error: QubesLiteError): Reason {
	return {
		code: error.code,
		/** It may quote what the vmm said. */
		sentence: toSafeText(error.message),
		...(error.remedy === undefined ? {} : { remedy: toSafeText(error.remedy) }),
		...(error instanceof DependencyError ? { fault: error.fault } : {}),
	};
}

/** Why a vmm that nobody told to end has ended; null for one that did so in good order, with its guest. */
export function exitFailure(exit: VmmExit, hypervisor: Hypervisor): Reason | null {
	const words = lastWords(exit.log);
	if (exit.cause !== null) return { code: "BootFailed", sentence: `${exit.cause}${words}` };
	if (exit.lostHelper !== null) {
		return { code: "BootFailed", sentence: `its ${exit.lostHelper} ended or did not start${words}` };
	}
	if (exit.code === null && exit.signal === null) return { code: "BootFailed", sentence: `its vmm vanished${words}` };
	const end = drivers[hypervisor].toEnd(exit.code, exit.signal, exit.log);
	if (end.kind !== "failed") return null;
	const own = end.words === undefined ? words : `: ${toSafeText(end.words)}`;
	return {
		code: "BootFailed",
		sentence: `its vmm ${end.sentence}${own}`,
		...(end.remedy !== undefined && { remedy: end.remedy }),
	};
}

/** A guest whose kernel has panicked reboots, which a vmm may take for an end in good order. */
export const panicFailure = (panic: string | null): Reason | null =>
	panic === null ? null : { code: "BootFailed", sentence: `${panicked}: ${toSafeText(panic)}` };

const panicked = "its guest's kernel panicked";

/** The guest has rebooted, by its vmm's word. */
export const hasRebooted = ({ code, signal, log }: VmmExit, hypervisor: Hypervisor): boolean =>
	drivers[hypervisor].toEnd(code, signal, log).kind === "rebooted";

/** ": the last line that the vmm itself wrote", or nothing. */
function lastWords(log: string): string {
	const line = lastLines(log, 1)[0];
	return line === undefined ? "" : `: ${line}`;
}
