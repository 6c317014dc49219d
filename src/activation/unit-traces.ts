/** What a vm's unit has in the runtime directory while it is up, for who can't or need not ask systemd. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "./process-identity.ts";
import { readVmmIdentity } from "./shim-records.ts";
import { shimDirectories } from "./shim-script.ts";

/** A helper may take 5 s, and a host be busy. */
const startsWithinMs = 60_000;

/** Whether a unit keeps the vm of `directory`, or is just about to. One that died with its user manager has left it behind. */
export function isUnitThere(directory: string): boolean {
	const stat = statSync(join(directory, shimDirectories.unit), { throwIfNoEntry: false });
	if (stat === undefined) return false;
	const vmm = readVmmIdentity(directory, "unit");
	return vmm === undefined ? Date.now() - stat.mtimeMs < startsWithinMs : isAlive(vmm);
}
