import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SessionCgroups } from "../../../src/guest/agent/cgroup.ts";

let base: string;
let events: string;

beforeEach(() => {
	base = mkdtempSync(join(tmpdir(), "ql-cgroup-"));
	events = join(base, "session-1/cgroup.events");
});

afterEach(() => {
	vi.useRealTimers();
	rmSync(base, { recursive: true });
});

const write = (populated: 0 | 1): void => writeFileSync(events, `populated ${populated}\nfrozen 0\n`);

describe("a cgroup", () => {
	it("is empty when the kernel says so, or when it is gone", () => {
		const cgroup = new SessionCgroups(base).create(1);
		expect(cgroup.isPopulated()).toBe(false);
		write(1);
		expect(cgroup.isPopulated()).toBe(true);
		write(0);
		expect(cgroup.isPopulated()).toBe(false);
	});

	it("is heard of when its last process is gone, once", async () => {
		const cgroup = new SessionCgroups(base).create(1);
		write(1);
		const onEmpty = vi.fn();
		cgroup.whenEmpty(onEmpty);
		expect(onEmpty).not.toHaveBeenCalled();
		write(0);
		await vi.waitFor(() => expect(onEmpty).toHaveBeenCalled());
		write(0);
		expect(onEmpty).toHaveBeenCalledTimes(1);
	});

	it("that can be neither read nor watched counts as populated, and is looked at again", () => {
		vi.useFakeTimers();
		const cgroup = new SessionCgroups(base).create(1);
		/** ELOOP, as EMFILE says nothing about its processes. */
		symlinkSync(events, events);
		const onEmpty = vi.fn();
		cgroup.whenEmpty(onEmpty);
		vi.advanceTimersByTime(5_000);
		expect(cgroup.isPopulated()).toBe(true);
		expect(onEmpty).not.toHaveBeenCalled();
		unlinkSync(events);
		write(0);
		vi.advanceTimersByTime(1_000);
		expect(onEmpty).toHaveBeenCalledTimes(1);
	});
});
