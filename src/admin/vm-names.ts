/** `qubes-lite completion --vms`: for shells that complete a name while somebody types. Starts and asks nobody. */
import { findConfig } from "../config/find-config.ts";

/** Prints one name on each line; of a configuration that is not good none, and no error: a prompt is no place for it. */
export async function printVmNames(): Promise<number> {
	try {
		const { config } = await findConfig(process.env);
		process.stdout.write(config.vms.map(({ name }) => `${name}\n`).join(""));
		return 0;
	} catch {
		return 1;
	}
}
