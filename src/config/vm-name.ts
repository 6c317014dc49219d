/** Names of vms: checked by this one function at every entrance (file, command line, D-Bus, socket), so refused alike. */
import { QubesLiteError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { formatName } from "./format-value.ts";

/** 12 characters, because the TAP is `ql-<name>` and an interface's name has at most 15 bytes (IFNAMSIZ, netdevice(7)). */
const namePattern = /^[a-z][a-z0-9-]{0,11}$/;

/** What a name is, to end a sentence that begins with "expected". */
export const vmNameRule = "1 to 12 characters of a-z, 0-9 and '-', the first a letter";

export function isVmName(value: string): boolean {
	return namePattern.test(value);
}

const instancePattern = /^disp-[0-9a-f]{4}$/;

/** The name of an instance of a disposable, which no configured vm may have. */
export function isInstanceName(name: string): boolean {
	return instancePattern.test(name);
}

/** `untrusted` as a vm's name; whether such a vm exists is another question. Throws BadName. */
export function parseVmName(untrusted: unknown): string {
	if (typeof untrusted === "string" && isVmName(untrusted)) return untrusted;
	const shown = typeof untrusted === "string" ? formatName(untrusted) : `of type ${typeof untrusted}`;
	throw new QubesLiteError("BadName", `${shown} is not a vm name: expected ${vmNameRule}`, {
		remedy: "list the vms with: qubes-lite ls",
	});
}

/** More names than this make an unreadable remedy; `qubes-lite ls` has them all. */
const maxListed = 20;

/** The error for a name, already parsed, that none of the `known` vms has. */
export function noSuchVm(name: string, known: readonly string[]): QubesLiteError {
	if (isInstanceName(name)) {
		return new QubesLiteError("NoSuchVm", `the disposable instance ${name} is gone, and what ran in it with it`, {
			remedy: "qubes-lite ls",
		});
	}
	const nearest = nearestName(name, known);
	const hint = nearest === undefined ? "" : `; did you mean '${nearest}'?`;
	const listed = known.slice(0, maxListed).join(", ") + (known.length > maxListed ? ", … (qubes-lite ls)" : "");
	return new QubesLiteError("NoSuchVm", `there is no vm ${formatName(name)}${hint}`, {
		remedy: known.length === 0 ? "configure a vm first" : `choose one of the configured vms: ${listed}`,
	});
}
