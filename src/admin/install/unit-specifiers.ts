/** What systemd puts into our units where they say %t, and makes of it. */
import type { Environment } from "../../config/find-config.ts";
import { QubesLiteError } from "../../errors.ts";

/**
 * Variables in a command line are replaced after the specifiers are (systemd.service(5), "Command lines"), so that lock and sockets would
 * be elsewhere. In other settings a `$` is a letter like any other. Throws Unsupported.
 */
export function checkUnitSpecifiers({ XDG_RUNTIME_DIR: base = "" }: Environment): void {
	if (!/\$[${]/.test(base)) return;
	throw new QubesLiteError(
		"Unsupported",
		`systemd would take "$$" and "\${" in XDG_RUNTIME_DIR for variables: ${base}`,
		{
			remedy: 'export XDG_RUNTIME_DIR="/run/user/$(id -u)"   # or log in through a session manager, which sets it',
		},
	);
}
