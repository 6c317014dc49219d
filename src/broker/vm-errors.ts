/** What clients are told when a vm is not there for them: each failure of a machine, a vmm or a boot as a sentence with a remedy. */
import type { VmmExit } from "../activation/supervisor.ts";
import type { VmConfig } from "../config/schema.ts";
import { QubesLiteError } from "../errors.ts";
import type { Reason } from "../statemachines/vm-events.ts";
import { lastLines, toSafeText } from "../terminal/safe-text.ts";
import type { GuestRefusal } from "./guest-refusals.ts";

/** Nobody can be asked about an instance of a disposable that is gone. */
const statusRemedy = (vm: VmConfig): string =>
	vm.instanceOf === undefined ? `qubes-lite status ${vm.name}` : "qubes-lite ls";

/** For a request that was answered while the vm was up. */
export function justStopped(vm: VmConfig): QubesLiteError {
	return new QubesLiteError("NotRunning", `${vm.name} has just stopped`, { remedy: statusRemedy(vm) });
}

/** The vm ended under a session. */
export function endedError(vm: VmConfig, reason: Reason | null): QubesLiteError {
	return new QubesLiteError("NotRunning", `${vm.name} ended while the command ran: ${reason?.sentence ?? "stopped"}`, {
		remedy: statusRemedy(vm),
	});
}

export function bootTooSlow(vm: VmConfig, withinMs: number): QubesLiteError {
	const sentence = `${vm.name} was not ready within ${withinMs / 1000} s`;
	return new QubesLiteError("BootTimeout", sentence, { remedy: statusRemedy(vm) });
}

/** What a failed boot has left to look at. */
export interface BootRemains {
	readonly console: readonly string[];
	readonly refusal: GuestRefusal | null;
}

/** The machine refused a request. */
export function refusedError(vm: VmConfig, refusal: Reason, remains: BootRemains): QubesLiteError {
	const isBoot = refusal.code === "BootFailed" || refusal.code === "BootTimeout";
	const lines = [`${vm.name} ${isBoot ? "did not become ready" : "is not available"}: ${refusal.sentence}`];
	let { remedy } = refusal;
	if (isBoot && remains.refusal !== null) {
		lines.push(`an agent in it was refused: ${toSafeText(remains.refusal.why)}`);
		/** The guest's image is of another version of qubes-lite. */
		if (remains.refusal.code === "Unsupported") remedy ??= "qubes-lite image build";
	}
	if (isBoot && remains.console.length > 0) {
		lines.push("its console's last lines:", ...remains.console.map((line) => `  | ${line}`));
	}
	const code = refusal.code === "Stopped" ? "NotRunning" : refusal.code;
	return new QubesLiteError(code, lines.join("\n"), { remedy: remedy ?? statusRemedy(vm) });
}

/** A launch that could not even begin. */
export function launchFailure(error: QubesLiteError): Reason {
	return {
		code: error.code,
		/** It may quote what the vmm said. */
		sentence: toSafeText(error.message),
		...(error.remedy === undefined ? {} : { remedy: error.remedy }),
	};
}

/** Why a vmm that nobody told to end has ended; null for one that did so in good order. */
export function exitFailure(exit: VmmExit): Reason | null {
	const words = lastWords(exit.log);
	if (exit.lostHelper !== null) {
		return { code: "BootFailed", sentence: `its ${exit.lostHelper} ended or did not start${words}` };
	}
	if (exit.signal !== null) return { code: "BootFailed", sentence: `its vmm was ended by ${exit.signal}${words}` };
	if (exit.code === null) return { code: "BootFailed", sentence: `its vmm vanished${words}` };
	if (exit.code === 0) return null;
	return { code: "BootFailed", sentence: `its vmm ended with status ${exit.code}${words}` };
}

/** ": the last line that the vmm itself wrote", or nothing. */
function lastWords(log: string): string {
	const line = lastLines(log, 1)[0];
	return line === undefined ? "" : `: ${line}`;
}
