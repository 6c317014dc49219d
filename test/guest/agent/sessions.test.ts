import { describe, expect, it } from "vitest";
import type { SessionProcesses } from "../../../src/guest/agent/cgroup.ts";
import { StartFailure } from "../../../src/guest/agent/command.ts";
import type { Connection } from "../../../src/guest/agent/connection.ts";
import { SessionNumbers } from "../../../src/guest/agent/session-numbers.ts";
import { clientsMax, Sessions } from "../../../src/guest/agent/sessions.ts";
import type { Exec } from "../../../src/protocol/exec.ts";

const exec: Exec = { argv: ["true"], env: {}, cwd: null, user: null, tty: null, detach: false };
const connection = { close: () => {} } as Connection;

/** Processes that begin when a command is started, and end when they are killed. */
class FakeProcesses implements SessionProcesses {
	state: "none" | "running" | "killed" = "none";
	isRemoved = false;
	#whenEmpty = (): void => {};

	inside<T>(fork: () => T): T {
		this.state = "running";
		return fork();
	}
	isPopulated(): boolean {
		return this.state !== "none";
	}
	count(): number {
		return this.state === "none" ? 0 : 1;
	}
	whenEmpty(onEmpty: () => void): void {
		this.#whenEmpty = onEmpty;
	}
	end(): void {}
	signal(): void {}
	kill(): void {
		if (this.state === "running") this.state = "killed";
	}
	remove(): void {
		this.isRemoved = true;
	}
	/** The kernel takes its time. */
	leave(): void {
		this.state = "none";
		this.#whenEmpty();
	}
}

function sessionsWith(processes: FakeProcesses, fail: () => never): Sessions {
	return new Sessions({
		cgroups: { left: () => [], create: () => processes },
		numbers: new SessionNumbers("/nonexistent/last-session"),
		startCommand: (_exec, within) => within.inside(fail),
		changed: () => {},
		knocked: () => {},
		log: () => {},
	});
}

function failureOf(act: () => unknown): string {
	try {
		act();
	} catch (cause) {
		return cause instanceof StartFailure ? `${cause.failure}: ${cause.message}` : String(cause);
	}
	return "it did not fail";
}

describe("a command whose start fails", () => {
	const fail = (): never => {
		throw new Error("no stream for its output");
	};

	it("after it was forked is killed, and holds the vm until it has ended", () => {
		const processes = new FakeProcesses();
		const sessions = sessionsWith(processes, fail);
		expect(failureOf(() => sessions.start(1, exec, 0))).toBe("Error: no stream for its output");
		expect(processes).toMatchObject({ state: "killed", isRemoved: false });
		expect(sessions.report()).toMatchObject({ sessions: [], cgroups: [1] });
		processes.leave();
		expect(processes.isRemoved).toBe(true);
		expect(sessions.report()).toMatchObject({ sessions: [], cgroups: [] });
	});

	it("before it was forked leaves nothing", () => {
		const processes = new FakeProcesses();
		const sessions = sessionsWith(processes, () => {
			processes.state = "none";
			throw new StartFailure("notFound", "no-such: not found in the guest");
		});
		expect(failureOf(() => sessions.start(1, exec, 0))).toBe("notFound: no-such: not found in the guest");
		expect(processes).toMatchObject({ state: "none", isRemoved: true });
		expect(sessions.report()).toMatchObject({ sessions: [], cgroups: [] });
		/** As a shell has it: who hears of ends need not know of failures. */
		expect(sessions.ends()).toEqual([{ session: 1, end: { code: 127 } }]);
	});
});

it("a client more than there may be hears that there are too many, whether it opens a session or comes back to one", () => {
	const sessions = sessionsWith(new FakeProcesses(), () => {
		throw new StartFailure("notFound", "it got as far as its start");
	});
	for (let id = 1; id <= clientsMax; id++) sessions.connected(id, connection);
	expect(failureOf(() => sessions.start(clientsMax, exec, 0))).toBe("notFound: it got as far as its start");
	sessions.connected(clientsMax + 1, connection);
	const tooMany = "limit: the guest has 256 sessions with a client already";
	expect(failureOf(() => sessions.start(clientsMax + 1, exec, 0))).toBe(tooMany);
	expect(failureOf(() => sessions.find({ session: 1, tty: null }))).toBe(tooMany);
	sessions.disconnected(1);
	expect(failureOf(() => sessions.start(clientsMax + 1, exec, 0))).toBe("notFound: it got as far as its start");
});

it("a number that has been announced is refused from then on, used or not, and so is a lower one", () => {
	const sessions = sessionsWith(new FakeProcesses(), () => {
		throw new Error("nothing is started here");
	});
	const announce = (session: number): boolean =>
		sessions.announce({ session, ticketHash: "0".repeat(64), execHash: "0".repeat(64), lifeMs: 10_000 });
	expect([announce(5), announce(5), announce(4), announce(6)]).toEqual([true, false, false, true]);
	sessions.clientGone(6);
	expect([announce(6), announce(7)]).toEqual([false, true]);
	expect(sessions.report()).toMatchObject({ tickets: [5, 7], lastSession: 7 });
	for (const session of [5, 7]) sessions.clientGone(session);
});
