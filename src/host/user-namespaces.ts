/** Whether programs of an ordinary user can shut themselves into namespaces, as virtiofsd does, and which of the kernel's settings forbids it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { QubesLiteError } from "../errors.ts";

/** user_namespaces(7); Debian's kernels of before 11 and others have the second. */
const forbidding = { "user.max_user_namespaces": "10000", "kernel.unprivileged_userns_clone": "1" };

/** Ubuntu's since 23.10: only for programs whose profile says so. */
const appArmors = "kernel.apparmor_restrict_unprivileged_userns";

/** Throws BootFailed where `uid` can't. Root needs none. */
export function checkUserNamespaces(uid: number, sysctls = "/proc/sys"): void {
	if (uid === 0) return;
	for (const [setting, better] of Object.entries(forbidding)) {
		if (read(sysctls, setting) !== "0") continue;
		throw new QubesLiteError(
			"BootFailed",
			`virtiofsd, which shares directories, must shut itself into namespaces, and ${setting} is 0`,
			{ remedy: `sudo sysctl --write ${setting}=${better}` },
		);
	}
}

/** Whether AppArmor lets only programs that it knows do so: then one that was not installed by a package can't. */
export const isLeftToProfiles = (sysctls = "/proc/sys"): boolean => read(sysctls, appArmors) === "1";

/** What lifts that. */
export const withoutProfilesRemedy = `sudo sysctl --write ${appArmors}=0   # or a profile for virtiofsd with "userns,"`;

/** undefined where the kernel has no such setting. */
function read(sysctls: string, setting: string): string | undefined {
	try {
		return readFileSync(join(sysctls, setting.replace(".", "/")), "utf8").trim();
	} catch {
		return undefined;
	}
}
