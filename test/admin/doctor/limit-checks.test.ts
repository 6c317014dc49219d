import { describe, expect, it } from "vitest";
import { judgeClocks, judgeMemory, judgeOpenFiles } from "../../../src/admin/doctor/limit-checks.ts";

const builtAt = Date.UTC(2026, 5, 1);
const sane = { now: Date.UTC(2026, 5, 2), builtAt, boottimeMs: 90_000, monotonicMs: 90_000 };

describe("the clock", () => {
	it("passes, and says how long the machine slept", () => {
		expect(judgeClocks(sane)).toEqual({ status: "PASS", sentence: "2026-06-02", remedy: null });
		expect(judgeClocks({ ...sane, boottimeMs: 150_000 }).sentence).toBe(
			"2026-06-02; since its boot this machine slept for 60 s",
		);
	});

	it("is too early or too late for a program that was built", () => {
		const remedy = "sudo timedatectl set-ntp true";
		expect(judgeClocks({ ...sane, now: 0 })).toMatchObject({ status: "WARN", remedy });
		expect(judgeClocks({ ...sane, now: Date.UTC(2090, 0, 1) })).toMatchObject({ status: "WARN", remedy });
	});

	it("since the boot can't be behind the one that stops while the machine sleeps", () => {
		expect(judgeClocks({ ...sane, boottimeMs: 10_000 }).status).toBe("WARN");
		expect(judgeClocks({ ...sane, boottimeMs: Number.NaN }).status).toBe("WARN");
		expect(judgeClocks({ ...sane, boottimeMs: 89_990 }).status).toBe("PASS");
	});
});

describe("the memory of vms", () => {
	const vms = [
		{ name: "shopping", memoryMiB: 65_536 },
		{ name: "vault", memoryMiB: 1024 },
	];

	it("beyond the host's is a warning with figures", () => {
		expect(judgeMemory(vms, 24_105.4, "vi config.json")).toEqual({
			status: "WARN",
			sentence: "this machine has 24105 MiB, but shopping 65536 MiB",
			remedy: "vi config.json",
		});
		expect(judgeMemory(vms.slice(1), 24_105, "").status).toBe("PASS");
	});
});

describe("the limit of open files", () => {
	const limits = (hard: string) =>
		`Limit  Soft Limit  Hard Limit  Units\nMax open files            64      ${hard}      files\n`;

	it.each([
		["unlimited", "PASS"],
		["1048576", "PASS"],
		["512", "PASS"],
		["511", "WARN"],
		["64", "WARN"],
		["63", "FAIL"],
	])("is the hard one, as node raises the other: %s is %s", (hard, status) => {
		expect(judgeOpenFiles(limits(hard)).status).toBe(status);
	});
});
