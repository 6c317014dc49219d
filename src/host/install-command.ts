/** How packages are installed here, for remedies. */
import { findProgram } from "./programs.ts";

/** The packages that bring one thing, by the tool that installs them. */
export interface Packages {
	readonly apt: string;
	readonly dnf: string;
	readonly pacman: string;
	readonly zypper: string;
}

const commands = {
	apt: ["apt-get", "sudo apt-get install --yes --no-install-recommends"],
	dnf: ["dnf", "sudo dnf install --assumeyes"],
	pacman: ["pacman", "sudo pacman -S --noconfirm"],
	zypper: ["zypper", "sudo zypper --non-interactive install"],
} as const;

/** Debian's where the tool is none that we know: its names are the ones to search by. */
export function toInstallCommand(searchPath: string, packages: Packages): string {
	const tools = Object.keys(commands) as (keyof typeof commands)[];
	const tool = tools.find((name) => findProgram(searchPath, commands[name][0]) !== undefined) ?? "apt";
	return `${commands[tool][1]} ${packages[tool]}`;
}
