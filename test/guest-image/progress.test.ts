import { describe, expect, it } from "vitest";
import { createProgress } from "../../guest-image/progress.ts";

function record(isLive: boolean) {
	let time = 0;
	let written = "";
	const progress = createProgress({
		isLive,
		now: () => time,
		write: (text) => {
			written += text;
		},
	});
	return { progress, pass: (ms: number) => (time += ms), written: () => written };
}

describe("progress", () => {
	it("writes one plain line per step into a pipe, without an escape byte", async () => {
		const { progress, pass, written } = record(false);
		await progress.step("root", async (note) => {
			note("1 %");
			pass(1234);
			note("141.8 MB");
		});
		expect(written()).toBe("root         1.2 s  141.8 MB\n");
	});

	it("leaves no half line behind a step that fails", async () => {
		const { progress, written } = record(true);
		const step = progress.step("root", () => Promise.reject(new Error("no")));
		await expect(step).rejects.toThrow("no");
		expect(written()).toBe("\r\x1b[K");
	});
});
