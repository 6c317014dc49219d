/** How far a boot has come: the words of the console, of messages and of JSON, and those that people are told. */

/** In order: the vmm runs; the guest's kernel handed over to init; its root is mounted; the agent starts. */
export const bootPhases = ["vmm", "init", "root", "agent"] as const;
export type BootPhase = (typeof bootPhases)[number];

/** Where a boot is; its vmm is started when the vms that it needs are there. */
export type BootStep = "dependencies" | BootPhase;

/** When each phase of a boot began, in ms since the start of the vmm. */
export type PhaseTimes = Readonly<Partial<Record<BootPhase, number>>>;

/** Who is at work in each. */
export const phaseWords: Readonly<Record<BootStep, string>> = {
	dependencies: "waiting for the vms that it depends on",
	vmm: "kernel",
	init: "init",
	root: "init",
	agent: "agent",
};
