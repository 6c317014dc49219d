import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	describeLease,
	hasLease,
	isLastRun,
	type Lease,
	type Leases,
	leasesOf,
	noLeases,
	withGuestReport,
	withLease,
	withoutGuest,
	withoutLease,
} from "../../src/statemachines/leases.ts";

const run: Lease = { kind: "request", id: 1, label: "firefox", since: 10, wants: "session" };
const start: Lease = { kind: "request", id: 2, label: "start", since: 10, wants: "ready" };
const ticket: Lease = { kind: "ticket", id: 3, label: "gimp", since: 20, session: 30 };
const ungranted: Lease = { kind: "ticket", id: 4, label: "mpv", since: 20 };
const session: Lease = { kind: "session", id: 40, label: "xterm", since: 30 };

const leasesWith = (...leases: Lease[]): Leases => leases.reduce(withLease, noLeases);
const keysOf = (leases: Leases): string[] => [...leases.keys()];

describe("leases are a value", () => {
	test("that an addition or a removal leaves as it was", () => {
		const one = leasesWith(run);
		const two = withLease(one, ticket);
		expect(keysOf(one)).toEqual(["request:1"]);
		expect(keysOf(two)).toEqual(["request:1", "ticket:3"]);
		expect(keysOf(withoutLease(two, "request", 1))).toEqual(["ticket:3"]);
		expect(keysOf(two)).toEqual(["request:1", "ticket:3"]);
		expect(noLeases.size).toBe(0);
	});

	test("in which kind and id together name a lease", () => {
		const leases = leasesWith(run, { ...ticket, id: 1 });
		expect(hasLease(leases, "request", 1)).toBe(true);
		expect(hasLease(leases, "ticket", 1)).toBe(true);
		expect(hasLease(leases, "session", 1)).toBe(false);
		expect(leasesOf(leases, "ticket")).toEqual([{ ...ticket, id: 1 }]);
	});

	test("of which only those that wait for an answer outlive a vmm", () => {
		expect(keysOf(withoutGuest(leasesWith(run, start, ticket, session)))).toEqual(["request:1", "request:2"]);
	});
});

describe("the last run", () => {
	test("is the only lease, and wants a session", () => {
		expect(isLastRun(leasesWith(run), 1)).toBe(true);
		expect(isLastRun(leasesWith(run), 9)).toBe(false);
		expect(isLastRun(leasesWith(run, start), 1)).toBe(false);
		expect(isLastRun(leasesWith(start), 2)).toBe(false);
		expect(isLastRun(leasesWith(ticket), 3)).toBe(false);
		expect(isLastRun(noLeases, 1)).toBe(false);
	});
});

describe("what the guest reports", () => {
	const report = (sessions: number[], cgroups: number[] = []) => ({ sessions, cgroups });

	test("replaces what it reported before, and leaves requests alone", () => {
		const leases = leasesWith(run, session);
		expect(keysOf(withGuestReport(leases, report([]), 99))).toEqual(["request:1"]);
		expect(keysOf(withGuestReport(leases, report([41], [42]), 99))).toEqual(["request:1", "session:41", "cgroup:42"]);
	});

	test("redeems the ticket of a session that it lists, with its label, and no other ticket", () => {
		const next = withGuestReport(leasesWith(ticket, ungranted), report([30]), 99);
		expect(keysOf(next)).toEqual(["ticket:4", "session:30"]);
		expect(next.get("session:30")).toEqual({ kind: "session", id: 30, label: "gimp", since: 99 });
	});

	test("redeems the ticket of a command so short that only its processes are left", () => {
		const next = withGuestReport(leasesWith(ticket), report([], [30]), 99);
		expect([...next.values()]).toEqual([{ kind: "cgroup", id: 30, label: "gimp", since: 99 }]);
	});

	test("keeps the age of a session that goes on, and the label of one whose processes stay", () => {
		const first = withGuestReport(leasesWith(session), report([40]), 99);
		expect(first.get("session:40")).toEqual(session);
		const second = withGuestReport(first, report([], [40]), 120);
		expect([...second.values()]).toEqual([{ kind: "cgroup", id: 40, label: "xterm", since: 120 }]);
		const third = withGuestReport(second, report([], [40]), 140);
		expect(third).toEqual(second);
	});

	test("that the host never permitted is a lease all the same: unknown means busy", () => {
		const next = withGuestReport(noLeases, report([666]), 99);
		expect([...next.values()]).toEqual([{ kind: "session", id: 666, label: "a command", since: 99 }]);
	});

	test("that it has a ticket is a lease beside the host's own, until it says so no more", () => {
		const both = withGuestReport(leasesWith(ticket), { ...report([]), tickets: [30] }, 99);
		expect([...both.values()]).toEqual([ticket, { kind: "announced", id: 30, label: "gimp", since: 99 }]);
		const left = withoutLease(both, "ticket", 3);
		expect(keysOf(withGuestReport(left, { ...report([]), tickets: [30] }, 120))).toEqual(["announced:30"]);
		expect([...withGuestReport(left, report([30]), 120).values()]).toEqual([
			{ kind: "session", id: 30, label: "gimp", since: 120 },
		]);
		expect(withGuestReport(left, report([]), 120)).toEqual(noLeases);
	});

	test("of a ticket before the host knows its number takes nothing from its label", () => {
		const early = withGuestReport(leasesWith(ungranted), { ...report([]), tickets: [31] }, 99);
		const granted = withLease(early, { ...ungranted, session: 31 });
		expect(withGuestReport(granted, report([31]), 120).get("session:31")?.label).toBe("mpv");
	});

	test("twice, as a session and as its cgroup, is one lease: the session", () => {
		expect(keysOf(withGuestReport(noLeases, report([5, 5], [5]), 99))).toEqual(["session:5"]);
	});

	test("is exactly what holds the vm, whatever was before", () => {
		const ids = fc.uniqueArray(fc.integer({ min: 1, max: 6 }));
		const someLeases = fc
			.array(
				fc.record(
					{
						kind: fc.constantFrom("request", "ticket", "session", "cgroup" as const),
						id: fc.integer({ min: 1, max: 6 }),
						label: fc.constant("x"),
						since: fc.constant(0),
						session: fc.integer({ min: 1, max: 6 }),
					},
					{ requiredKeys: ["kind", "id", "label", "since"] },
				),
			)
			.map((leases) => leasesWith(...leases));
		fc.assert(
			fc.property(someLeases, ids, ids, (leases, sessions, cgroups) => {
				const next = withGuestReport(leases, { sessions, cgroups }, 1);
				expect(new Set(leasesOf(next, "session").map(({ id }) => id))).toEqual(new Set(sessions));
				expect(leasesOf(next, "request")).toEqual(leasesOf(leases, "request"));
				const held = new Set([...leasesOf(next, "session"), ...leasesOf(next, "cgroup")].map(({ id }) => id));
				expect(held).toEqual(new Set([...sessions, ...cgroups]));
				for (const open of leasesOf(next, "ticket")) expect(held.has(open.session ?? 0)).toBe(false);
				expect(withGuestReport(next, { sessions, cgroups }, 2)).toEqual(next);
			}),
		);
	});
});

test.each([
	[start, "a start request"],
	[run, "firefox, which waits to run"],
	[ticket, "gimp, which is about to run"],
	[{ ...session, kind: "announced" }, "xterm, which is about to run"],
	[session, "xterm (session shopping.40.9f3c)"],
	[{ ...session, kind: "cgroup" }, "what xterm left (session shopping.40.9f3c has ended)"],
	[{ kind: "window", id: 1, label: "[shopping] Maps", since: 0 }, 'the window "[shopping] Maps"'],
	[{ kind: "inhibitor", id: 1, label: "rsync", since: 0 }, "rsync (inhibitor)"],
	[{ kind: "dependant", id: 7, label: "work", since: 0 }, "work, a vm that depends on it"],
] as const)("a lease is described in words: %#", (lease, words) => {
	expect(describeLease(lease, { id: "shopping.40.9f3c", processes: null })).toBe(words);
});

test("of a session it is said how many processes it has, where that is known", () => {
	const of = (processes: number) => describeLease(session, { id: "shopping.40.9f3c", processes });
	expect(of(1)).toBe("xterm (session shopping.40.9f3c, 1 process)");
	expect(of(2)).toBe("xterm (session shopping.40.9f3c, 2 processes)");
});

test("what the host holds outlives what the guest says, and the guest", () => {
	const inhibitor: Lease = { kind: "inhibitor", id: 1, label: "rsync", since: 0 };
	const dependant: Lease = { kind: "dependant", id: 7, label: "work", since: 0 };
	const held = ["inhibitor:1", "dependant:7"];
	expect(keysOf(withGuestReport(leasesWith(inhibitor, dependant, session), { sessions: [], cgroups: [] }, 9))).toEqual(
		held,
	);
	expect(keysOf(withoutGuest(leasesWith(inhibitor, dependant, session)))).toEqual(held);
});
