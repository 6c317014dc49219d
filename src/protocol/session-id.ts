/**
 * What `run-in-vm -d` prints and `--attach` takes: "shopping.3.9f3c" is session 3 of the vm shopping in the boot whose
 * nonce begins with 9f3c. Session numbers begin anew with each boot, so an id without its boot could come to mean
 * another command; a person may leave the boot out.
 */
import { QubesLiteError } from "../errors.ts";

export interface SessionId {
	readonly vm: string;
	readonly session: number;
	readonly boot: string | null;
}

export const bootTagBytes = 2;

/** `nonce` as in the agent's hello. */
export const toBootTag = (nonce: string): string => nonce.slice(0, bootTagBytes * 2);

export const formatSessionId = ({ vm, session, boot }: SessionId): string =>
	boot === null ? `${vm}.${session}` : `${vm}.${session}.${boot}`;

/** Throws BadRequest. The vm's name is still to be checked. */
export function parseSessionId(word: string): SessionId {
	const match = /^([^.]{1,64})\.([1-9][0-9]{0,14})(?:\.([0-9a-f]{4}))?$/.exec(word);
	if (match === null) {
		throw new QubesLiteError(
			"BadRequest",
			`'${word.slice(0, 64)}' is not the id of a session, such as shopping.3.9f3c`,
			{
				remedy: "qubes-lite ps",
			},
		);
	}
	return { vm: match[1] ?? "", session: Number(match[2]), boot: match[3] ?? null };
}
