/**
 * Leases: the named reasons why a vm may not be stopped (contracts: Idleness). A value, never changed in place.
 *
 * request   somebody waits for the vm              until answered
 * ticket    a session has been permitted           until the guest reports it open, the client is gone, or it expires
 * announced the guest has that ticket, too         as the guest reports
 * session   a command runs                         as the guest reports
 * cgroup    processes that outlive their command   as the guest reports
 * window    a window of its programs is open       as the host's end of its display reports
 * inhibitor somebody on the host asked for it      until they end it, or are gone
 * dependant another vm needs this one              until that one's vmm has ended
 */

export type LeaseKind =
	| "request"
	| "ticket"
	| "announced"
	| "session"
	| "cgroup"
	| "window"
	| "inhibitor"
	| "dependant";

/** Those that only the host knows of: no word of a guest's ends them, and no end of a vmm. */
const hostKinds: ReadonlySet<LeaseKind> = new Set(["request", "inhibitor", "dependant"]);
/** What the guest's agent has no say in. */
const unreported: ReadonlySet<LeaseKind> = new Set([...hostKinds, "window"]);

export interface Lease {
	readonly kind: LeaseKind;
	/** Request id (request, ticket, inhibitor), session number (announced, session, cgroup), the window's, or vm id (dependant). */
	readonly id: number;
	/** What a person would call it: the command's name, or the vm's. */
	readonly label: string;
	/** On the machine's clock, ms; of a request: when it was asked. */
	readonly since: number;
	/** Ticket: the session that it opens, once that is known. */
	readonly session?: number;
	/** Request: a session, an attachment to one (which boots nothing), or only that the vm is ready (`start`). */
	readonly wants?: "session" | "attachment" | "ready";
}

export type Leases = ReadonlyMap<string, Lease>;

/** The label of a session that the guest reports and nobody here has permitted, such as one from before a restart. */
export const unknownCommand = "a command";

export const noLeases: Leases = new Map();

const keyOf = (lease: Pick<Lease, "kind" | "id">): string => `${lease.kind}:${lease.id}`;

export function withLease(leases: Leases, lease: Lease): Leases {
	return new Map(leases).set(keyOf(lease), lease);
}

export function withoutLease(leases: Leases, kind: LeaseKind, id: number): Leases {
	const rest = new Map(leases);
	rest.delete(keyOf({ kind, id }));
	return rest;
}

export const leasesOf = (leases: Leases, kind: LeaseKind): Lease[] =>
	[...leases.values()].filter((lease) => lease.kind === kind);

export function hasLease(leases: Leases, kind: LeaseKind, id: number): boolean {
	return leases.has(keyOf({ kind, id }));
}

/** Is this request the only lease, and one for a session? */
export function isLastRun(leases: Leases, request: number): boolean {
	return leases.size === 1 && leases.get(keyOf({ kind: "request", id: request }))?.wants === "session";
}

/** Session numbers, each of which holds the vm. */
export interface GuestReport {
	readonly sessions: readonly number[];
	readonly cgroups: readonly number[];
	/** Announced, and not used yet. */
	readonly tickets?: readonly number[] | undefined;
}

/**
 * What the guest reports replaces what it reported before, and redeems the tickets of the sessions it lists. A lease
 * that goes on keeps its age and label; a session that the host never permitted is still a lease: unknown means busy.
 * A ticket that the guest has is a lease beside the host's own: it stays when the client leaves right after its start.
 */
export function withGuestReport(leases: Leases, report: GuestReport, now: number): Leases {
	const next = new Map<string, Lease>();
	const labels = new Map<number, string>();
	for (const lease of leases.values()) {
		const session = lease.kind === "ticket" ? lease.session : lease.id;
		if (unreported.has(lease.kind)) next.set(keyOf(lease), lease);
		else if (session !== undefined && lease.label !== unknownCommand) labels.set(session, lease.label);
	}
	const reported = new Set([...report.sessions, ...report.cgroups]);
	for (const ticket of leasesOf(leases, "ticket")) {
		if (ticket.session === undefined || !reported.has(ticket.session)) next.set(keyOf(ticket), ticket);
	}
	const add = (kind: "announced" | "session" | "cgroup", id: number): void => {
		const known = leases.get(keyOf({ kind, id }));
		next.set(keyOf({ kind, id }), known ?? { kind, id, label: labels.get(id) ?? unknownCommand, since: now });
	};
	for (const id of report.sessions) add("session", id);
	const living = new Set(report.sessions);
	for (const id of report.cgroups) if (!living.has(id)) add("cgroup", id);
	for (const id of report.tickets ?? []) if (!reported.has(id)) add("announced", id);
	return next;
}

/** Nobody waits for what a guest says, and withGuestReport would change nothing. */
export function isAsReported(leases: Leases, report: GuestReport): boolean {
	if ([...leases.values()].some(({ kind }) => kind === "request" || kind === "ticket")) return false;
	const next = withGuestReport(leases, report, 0);
	return next.size === leases.size && [...next].every(([key, lease]) => leases.get(key) === lease);
}

/** The windows that are open now, in the place of those before: one that stays keeps its age. */
export function withWindows(
	leases: Leases,
	windows: readonly { readonly id: number; readonly label: string }[],
	now: number,
): Leases {
	const next = new Map([...leases].filter(([, { kind }]) => kind !== "window"));
	for (const { id, label } of windows) {
		const lease: Lease = { kind: "window", id, label, since: now };
		next.set(keyOf(lease), { ...lease, since: leases.get(keyOf(lease))?.since ?? now });
	}
	return next;
}

/** Only what the host itself holds survives the end of a vmm. */
export function withoutGuest(leases: Leases): Leases {
	return new Map([...leases].filter(([, { kind }]) => hostKinds.has(kind)));
}

/** What is known of a session beside its lease. */
export interface SessionWords {
	/** The id that --attach takes. */
	readonly id: string;
	/** Of its cgroup, as its guest says; null where it has not said. */
	readonly processes: number | null;
}

/** "firefox (session shopping.3.9f3c, 2 processes)": the words of one lease, for ls, status, why and logs. */
export function describeLease(lease: Lease, { id, processes }: SessionWords): string {
	const count = processes === null ? "" : `, ${processes} ${processes === 1 ? "process" : "processes"}`;
	switch (lease.kind) {
		case "request":
			return lease.wants === "ready" ? "a start request" : `${lease.label}, which waits to run`;
		case "ticket":
		case "announced":
			return `${lease.label}, which is about to run`;
		case "session":
			return `${lease.label} (session ${id}${count})`;
		case "cgroup":
			return `what ${lease.label} left (session ${id} has ended${count})`;
		case "window":
			return `the window "${lease.label}"`;
		case "inhibitor":
			return `${lease.label} (inhibitor)`;
		case "dependant":
			return `${lease.label}, a vm that depends on it`;
	}
}
