/** Ends of sessions, as programs on the bus are told of them. */
import { toVariant } from "../../dbus/message-codec.ts";
import type { CommandEnd } from "../../protocol/session.ts";
import type { RunEnd } from "./session-run.ts";

/** Its exit status and "", or -1 and the name of the signal that ended it; -1 and "" where nobody knows. */
export function toCodeAndSignal(end: CommandEnd | null): [code: number, signal: string] {
	if (end === null) return [-1, ""];
	return "code" in end ? [end.code, ""] : [-1, toSignalName(end)];
}

/** A guest may call it what it likes; D-Bus takes no NUL, and programs no surprise. */
const toSignalName = ({ signal, signalNumber }: Extract<CommandEnd, { readonly signal: string }>): string =>
	/^SIG[A-Z0-9]+([+-][0-9]+)?$/.test(signal) ? signal : `SIG${signalNumber}`;

/** What Wait returns: the end, the last of each output with how many bytes were before it, and why nobody knows the end. */
export function toEndReply({ end, problem, stdout, stderr }: RunEnd): readonly unknown[] {
	return [
		...toCodeAndSignal(end),
		{
			stdout: toVariant("ay", stdout.bytes),
			stderr: toVariant("ay", stderr.bytes),
			stdoutLost: toVariant("t", BigInt(stdout.lost)),
			stderrLost: toVariant("t", BigInt(stderr.lost)),
			...(problem !== null && {
				reason: toVariant("s", problem.message),
				remedy: toVariant("s", problem.remedy ?? ""),
			}),
		},
	];
}
