/** The sockets that a service manager hands to us: sd_listen_fds(3), the receiving end. */
import { QubesLiteError } from "../errors.ts";
import { brokerUnits } from "./unit-names.ts";

/** SD_LISTEN_FDS_START of sd_listen_fds(3). */
const firstFd = 3;
/** Far more than a unit can have; a number beyond it is no count. */
const fdsMax = 1024;

const variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] as const;

type ListenEnvironment = Partial<Record<(typeof variables)[number], string | undefined>>;

/**
 * The number of the one descriptor that is named `name` (FileDescriptorName= in the socket unit), or null where none was
 * passed to the process `pid`. Throws Unsupported for anything else: a descriptor that nobody serves leaves its clients hanging.
 */
export function parseListenFds(env: ListenEnvironment, name: string, pid: number): number | null {
	if (env.LISTEN_PID === undefined || env.LISTEN_FDS === undefined) return null;
	/** They were meant for an ancestor of ours, which has left them in its environment. */
	if (wholeNumber("LISTEN_PID", env.LISTEN_PID, 2 ** 31) !== pid) return null;
	const count = wholeNumber("LISTEN_FDS", env.LISTEN_FDS, fdsMax);
	if (count === 0) return null;
	const names = env.LISTEN_FDNAMES?.split(":") ?? [];
	if (names.length !== count) {
		throw refusal(`${count} sockets were passed with ${names.length} names (LISTEN_FDNAMES)`);
	}
	const strangers = names.filter((passed) => passed !== name).map((passed) => JSON.stringify(passed));
	if (strangers.length > 0) throw refusal(`a socket was passed that nobody here serves: ${strangers.join(", ")}`);
	if (count > 1) throw refusal(`${count} sockets named "${name}" were passed, where one is served`);
	return firstFd;
}

/** The same of this process, whose children must not take the sockets for theirs: the variables are gone afterwards. */
export function takeListenFds(name: string): number | null {
	try {
		return parseListenFds(process.env, name, process.pid);
	} finally {
		for (const variable of variables) delete process.env[variable];
	}
}

function wholeNumber(variable: string, value: string, max: number): number {
	const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
	if (number <= max) return number;
	throw refusal(`${variable} is ${JSON.stringify(value.slice(0, 64))}, which is no number of it`);
}

const refusal = (why: string): QubesLiteError =>
	new QubesLiteError("Unsupported", `the service manager's sockets are not ours: ${why}`, {
		remedy: `systemctl --user cat ${brokerUnits.socket}`,
	});
