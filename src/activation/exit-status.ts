/** A shim's exit status, as a shell gives it: the vmm's own, or 128 and the number of the signal that ended it. */
import { constants } from "node:os";
import type { VmmExit } from "./supervisor.ts";

const signalBase = 128;

/** Of the last signal, 64 (signal(7)): what is above is no vmm's end. */
export const statusMax = signalBase + 64;

/** Above `statusMax` it is a code; null where nobody has seen it. */
export function toCodeOrSignal(status: number | null): Pick<VmmExit, "code" | "signal"> {
	if (status === null || status <= signalBase || status > statusMax) return { code: status, signal: null };
	return { code: null, signal: toSignalName(status - signalBase) };
}

/** "SIGTERM"; "SIG40" for what has no name of its own. */
export function toSignalName(number: number): string {
	const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
	return name ?? `SIG${number}`;
}
