/** The names of the configured vms, without a broker: asked of the program that reads the configuration. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** undefined where the configuration can't be read. */
export function configuredNames(): Promise<readonly string[] | undefined> {
	const admin = fileURLToPath(new URL("./admin.mjs", import.meta.url));
	return new Promise((resolve) => {
		execFile(process.execPath, [admin, "vm-names"], (error, stdout) =>
			resolve(error === null ? stdout.split("\n").filter((name) => name !== "") : undefined),
		);
	});
}
