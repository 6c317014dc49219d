/** How far a boot has come, as the image's init scripts say on the console: `qubes-lite: phase <name>`. Guest-derived: only a hint. */
import { type BootPhase, bootPhases } from "../protocol/boot-phases.ts";

export function lastPhase(console: Buffer): BootPhase | undefined {
	const said = [...console.toString("latin1").matchAll(/qubes-lite: phase ([a-z]{1,8})/g)].map((match) => match[1]);
	return bootPhases.findLast((phase) => said.includes(phase));
}
