/** Signals that were ignored when we were started, as they are under nohup(1) and for a shell's background jobs. */
import { constants } from "node:os";
import { type SignalName, signalNames } from "../protocol/signals.ts";

/**
 * Node forgets them at its start. The launcher tells: sigignore of proc_pid_stat(5), a decimal number. None where nobody told.
 */
export function ignoredSignals(mask: string | undefined): SignalName[] {
	if (mask === undefined || !/^\d{1,10}$/.test(mask)) return [];
	return signalNames.filter((name) => ((Number(mask) >>> (constants.signals[name] - 1)) & 1) === 1);
}

export const ignoredAtStart: readonly SignalName[] = ignoredSignals(process.env.QUBES_LITE_IGNORED);
/** The launcher's word for us alone, not for what we start. */
delete process.env.QUBES_LITE_IGNORED;
