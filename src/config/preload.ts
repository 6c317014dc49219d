/** Whether the instances that are to be kept ready fit the host. Its own memory is looked at where they run, not where units are made. */
import { QubesLiteError } from "../errors.ts";
import type { Config } from "./schema.ts";

/** What is left is for the host itself, and for vms that somebody has asked for. */
const shareOfHost = 0.5;

/** Throws BadRequest where they would take more than half of the host's memory. `path`: the file that says so. */
export function checkPreload(
	{ config, path }: { readonly config: Config; readonly path: string | undefined },
	hostMemoryMiB: number,
): void {
	const loaded = config.vms.filter(({ preload }) => preload > 0);
	const neededMiB = loaded.reduce((sum, { preload, memoryMiB }) => sum + preload * memoryMiB, 0);
	const mostMiB = Math.floor(hostMemoryMiB * shareOfHost);
	if (neededMiB <= mostMiB) return;
	const parts = loaded.map(({ name, preload, memoryMiB }) => `${preload} × ${memoryMiB} MiB of ${name}`);
	throw new QubesLiteError(
		"BadRequest",
		`the instances to preload take ${neededMiB} MiB (${parts.join(", ")}), and half of this host's memory is ${mostMiB} MiB`,
		{ remedy: `lower "preload" or "memory" in ${path ?? "the configuration"}` },
	);
}
