/** What a vm has in the host's menu: programs of the configuration, and others that its guest reports. */
import type { ProgramConfig } from "../config/programs.ts";
import type { VmConfig } from "../config/schema.ts";
import type { ReportedProgram } from "./report.ts";

export interface MenuProgram {
	readonly vm: string;
	readonly id: string;
	readonly name: string;
	readonly terminal: boolean;
	/** What runs in the guest. */
	readonly command: readonly string[];
	readonly categories: readonly string[];
	readonly source: "configuration" | "guest";
	/** Of a guest's. */
	readonly png?: Buffer;
	/** Of the configuration's: a file of the host. */
	readonly iconPath?: string;
}

/** Of our image's program that knows the guest's others. */
export const guestProgram = "qubes-lite-guest";

/** Which of two that have the same id is meant, the configuration decides. */
export function toMenuPrograms({ name: vm, programs }: VmConfig, reported: readonly ReportedProgram[]): MenuProgram[] {
	const configured = new Set(programs.map(({ id }) => id));
	return [
		...programs.map((program) => toConfigured(vm, program)),
		...reported.filter(({ id }) => !configured.has(id)).map((program) => toReported(vm, program)),
	];
}

function toConfigured(vm: string, { icon, ...program }: ProgramConfig): MenuProgram {
	return { vm, ...program, source: "configuration", ...(icon !== undefined && { iconPath: icon }) };
}

/** The guest supplies an id and no command: what it makes of its own id is its own affair. */
function toReported(vm: string, { id, name, terminal, icon }: ReportedProgram): MenuProgram {
	const command = [guestProgram, "launch", id];
	return {
		...{ vm, id, name, terminal, command, categories: [], source: "guest" },
		...(icon !== undefined && { png: icon }),
	};
}
