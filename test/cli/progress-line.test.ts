import type { WriteStream } from "node:tty";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { formatProgress, formatTime, ProgressLine } from "../../src/cli/progress-line.ts";

const work = { task: "Starting", vms: ["shopping"] } as const;
const stream = (isTTY: boolean) => ({ isTTY, columns: 80, write: () => true }) as unknown as WriteStream;

describe("the progress line", () => {
	it("is for terminals, and for those who want one", () => {
		const line = ProgressLine.on(stream(true), work, false, { TERM: "xterm", NO_COLOR: "" });
		expect(line).not.toBeNull();
		line?.end();
	});

	it.each<[string, boolean, boolean, NodeJS.ProcessEnv]>([
		["in a pipe", false, false, {}],
		["with -q", true, true, {}],
		["with NO_COLOR", true, false, { NO_COLOR: "1" }],
		["on a dumb terminal", true, false, { TERM: "dumb" }],
	])("is not there %s", (_, isTTY, quiet, env) => {
		expect(ProgressLine.on(stream(isTTY), work, quiet, env)).toBeNull();
	});

	it.each([
		[[["shopping", "kernel"]], "Starting shopping… kernel 1.4 s"],
		[
			[
				["shopping", "kernel"],
				["vault", ""],
			],
			"Starting shopping (kernel), vault… 1.4 s",
		],
	] as const)("says of %j: %s", (vms, text) => {
		expect(formatProgress("Starting", vms, "1.4 s")).toBe(text);
	});

	it.each([
		[1449, null, "1.4 s"],
		[1449, 2600, "1.4 s of about 2.6 s"],
		[2600, 2600, "2.6 s of about 2.6 s"],
		[4100, 2600, "4.1 s (usually 2.6 s)"],
	])("says of %d ms where %s are usual: %s", (ms, expectedMs, text) => {
		expect(formatTime(ms, expectedMs)).toBe(text);
	});
});

describe("the progress line, as time goes by,", () => {
	const written: string[] = [];
	const terminal = Object.assign(stream(true), { write: (text: string) => written.push(text) > 0 });
	const start = (...vms: string[]) => ProgressLine.on(terminal, { task: "Starting", vms }, false, {});
	const shown = () => written.at(-1)?.replace("\r\x1b[2K", "");
	const frame = { phase: "vmm", elapsedMs: 0 };

	beforeEach(() => {
		vi.useFakeTimers();
	});
	afterEach(() => {
		vi.useRealTimers();
	});

	it("says what to expect, and that it takes longer", () => {
		const line = start("shopping");
		vi.advanceTimersByTime(1000);
		/** The broker has counted from an instant of its own. */
		line?.note({ ...frame, elapsedMs: 100, expectedMs: 1700 }, "shopping");
		vi.advanceTimersByTime(400);
		expect(shown()).toBe("Starting shopping… kernel 1.4 s of about 2.6 s");
		line?.note({ phase: "init", elapsedMs: 500, expectedMs: 1700 }, "shopping");
		vi.advanceTimersByTime(2700);
		expect(shown()).toBe("Starting shopping… init 4.1 s (usually 2.6 s)");
		line?.note({ phase: "ready", elapsedMs: 3200 }, "shopping");
		vi.advanceTimersByTime(100);
		expect(shown()).toBe("Starting shopping… reaching its agent 4.2 s");
		line?.end();
	});

	it("expects several when the last of them is, and only where each is known", () => {
		const line = start("shopping", "vault");
		line?.note({ ...frame, expectedMs: 2600 }, "shopping");
		vi.advanceTimersByTime(400);
		expect(shown()).toBe("Starting shopping (kernel), vault… 0.4 s");
		line?.note({ ...frame, expectedMs: 4600 }, "vault");
		vi.advanceTimersByTime(100);
		expect(shown()).toBe("Starting shopping (kernel), vault (kernel)… 0.5 s of about 5.0 s");
		line?.done("vault");
		vi.advanceTimersByTime(100);
		expect(shown()).toBe("Starting shopping… kernel 0.6 s of about 2.6 s");
		line?.end();
	});

	it("of a stop does not tell of a boot that it ends", () => {
		const line = ProgressLine.on(terminal, { task: "Stopping", vms: ["shopping"] }, false, {});
		line?.note({ ...frame, expectedMs: 2600 }, "shopping");
		vi.advanceTimersByTime(400);
		expect(shown()).toBe("Stopping shopping…  0.4 s");
		line?.end();
	});
});
