/** How a boot goes, and how it went, in people's words. */
import { type BootPhase, bootPhases, phaseWords } from "../protocol/boot-phases.ts";
import type { VmStatus } from "../protocol/broker-replies.ts";
import { formatTenths } from "../terminal/columns.ts";

type Boot = Pick<VmStatus, "phase" | "phases" | "bootMs" | "usualBootMs" | "dependsOn">;

const isPhase = (phase: string): phase is BootPhase => Object.hasOwn(phaseWords, phase);

/** "reached init", "waits for net"; null where it does not boot. */
export function formatReached({ phase, dependsOn }: Pick<Boot, "phase" | "dependsOn">): string | null {
	if (phase === "dependencies") return `waits for ${dependsOn.join(", ")}`;
	return phase === null ? null : `reached ${isPhase(phase) ? phaseWords[phase] : phase}`;
}

/** "reached init after 1.5 s; usually 2.6 s"; null where it does not boot. */
export function formatBooting(boot: Boot): string | null {
	const { phase, phases, usualBootMs } = boot;
	const reached = formatReached(boot);
	if (phase === null || reached === null) return null;
	if (phase === "dependencies") return reached;
	/** Of phases with one word the first is when that began. */
	const first = bootPhases.find((one) => isPhase(phase) && phaseWords[one] === phaseWords[phase] && one in phases);
	const after = first === undefined ? "" : ` after ${formatTenths(phases[first] ?? 0)}`;
	return `${reached}${after}${usualBootMs === null ? "" : `; usually ${formatTenths(usualBootMs)}`}`;
}

/** "2.6 s (kernel 1.4 s, init 0.3 s, agent 0.9 s)"; of one that has not been seen what to expect; null where nothing is known. */
export function formatBooted({ bootMs, phases, usualBootMs }: Boot): string | null {
	if (bootMs === null) return usualBootMs === null ? null : `usually ${formatTenths(usualBootMs)}`;
	const { init, agent } = phases;
	/** The console does not tell of each: then nobody knows whose the time was. */
	if (init === undefined || agent === undefined) return formatTenths(bootMs);
	const parts = { vmm: init, init: agent - init, agent: bootMs - agent };
	const words = Object.entries(parts).map(([phase, ms]) => `${phaseWords[phase as BootPhase]} ${formatTenths(ms)}`);
	return `${formatTenths(bootMs)} (${words.join(", ")})`;
}
