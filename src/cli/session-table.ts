/** `qubes-lite ps` for people. A terminal that is too narrow cuts the command, which is last. */
import type { SessionStatus } from "../protocol/broker-replies.ts";
import { formatColumns, formatSeconds, type Look } from "../terminal/columns.ts";

export function formatSessions(sessions: readonly SessionStatus[], look: Look): string {
	const rows = sessions.map((session) => [
		session.id,
		session.user,
		formatSeconds(session.age * 1000),
		client(session),
		session.processes === null ? "?" : String(session.processes),
		session.state,
		session.commandLine ?? session.command,
	]);
	return formatColumns(["ID", "USER", "AGE", "CLIENT", "PROCESSES", "STATE", "COMMAND"], rows, look);
}

function client({ client: pid, detached }: SessionStatus): string {
	if (pid === null) return detached ? "detached" : "none";
	return pid === 0 ? "yes" : `pid ${pid}`;
}
