/**
 * What an image gives commands besides what every guest does: lines NAME=VALUE in /etc/qubes-lite/environment for everybody, and in
 * environment.<user> for one user. A guest whose programs are not where we expect them names its PATH there.
 */
import { readFileSync } from "node:fs";
import { agentPaths } from "./paths.ts";

/** Lines in files of the image itself; one that has more is damaged. */
const maxBytes = 64 * 1024;

/** Blank lines, and those that begin with #, say nothing; of a name that comes twice the last counts; what is no NAME=VALUE is passed over. */
export function parseEnvironment(text: string): Record<string, string> {
	const lines = text.split("\n").filter((line) => /^[A-Za-z_][A-Za-z0-9_]*=/.test(line) && !line.includes("\0"));
	return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/** Empty where there is no such file. */
export function imageEnvironment(user: string): Record<string, string> {
	return { ...read(agentPaths.environment), ...read(`${agentPaths.environment}.${user}`) };
}

function read(path: string): Record<string, string> {
	try {
		const text = readFileSync(path, "utf8");
		return text.length > maxBytes ? {} : parseEnvironment(text);
	} catch {
		return {};
	}
}
