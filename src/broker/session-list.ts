/** Sessions in the words that every client sees: the guest's account of them, corrected by what the broker knows itself. */
import { type SessionStatus, sessionsListedMax } from "../protocol/broker-replies.ts";
import type { SessionFacts } from "../protocol/control.ts";
import { formatSessionId } from "../protocol/session-id.ts";
import { toSafeLine } from "./safe-line.ts";
import type { SessionBook } from "./session-book.ts";

/** Of one vm, in the order of their numbers. `boot` as in SessionId. */
export function toSessionList(
	vm: string,
	boot: string,
	facts: readonly SessionFacts[],
	book: SessionBook,
): SessionStatus[] {
	/** A guest that names one twice has one. */
	const sessions = new Map(facts.map((fact) => [fact.session, fact]));
	return [...sessions.values()]
		.sort((a, b) => a.session - b.session)
		.map((fact) => {
			const { session } = fact;
			return {
				id: formatSessionId({ vm, session, boot }),
				vm,
				session,
				command: toSafeLine(book.commandOf(session)?.name ?? fact.command),
				commandLine: book.commandOf(session)?.line ?? null,
				user: toSafeLine(fact.user),
				age: Math.floor(fact.ageMs / 1000),
				tty: fact.isTerminal,
				detached: fact.isDetached,
				client: book.clientOf(session) ?? (fact.hasClient ? 0 : null),
				state: toSafeLine(describeState(fact)),
				processes: fact.processes ?? null,
			};
		});
}

/** Of the 4 MiB of a reply; what else it says of each session takes less than the rest. */
const commandLinesMaxBytes = 1024 * 1024;

/** The lists of several vms as one, ordered by their names, as a reply has room for it: the last ones without their arguments. */
export function joinLists(lists: readonly (readonly SessionStatus[])[]): SessionStatus[] {
	let room = commandLinesMaxBytes;
	return lists
		.flat()
		.sort((a, b) => compare(a.vm, b.vm) || a.session - b.session)
		.slice(0, sessionsListedMax)
		.map((session) => {
			room -= Buffer.byteLength(JSON.stringify(session.commandLine));
			return room < 0 ? { ...session, commandLine: null } : session;
		});
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function describeState({ end, leftProcesses }: SessionFacts): string {
	if (end === null) return "running";
	if (leftProcesses) return "left processes";
	return "code" in end ? `exited ${end.code}` : `ended by ${end.signal}`;
}
