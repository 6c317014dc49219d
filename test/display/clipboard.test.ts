import { expect, test } from "vitest";
import { toClipboard } from "../../src/display/clipboard.ts";
import type { VmClipboard } from "../../src/wayland/clipboard.ts";

test("What a program has copied and does not give is refused with a sentence.", async () => {
	const silent = {
		types: () => ["text/plain"],
		read: (_type: string, _maxBytes: number, signal: AbortSignal) =>
			new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
	};
	const clipboard = toClipboard("shopping", silent as unknown as VmClipboard, 10);
	await expect(clipboard.read()).rejects.toMatchObject({
		code: "Unresponsive",
		message: "the program in shopping that has copied something does not give it",
		remedy: "copy it there once more",
	});
});
