import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DisplaySocket } from "../../src/display/display-socket.ts";
import { encodeWatch, fromDisplayLimits } from "../../src/protocol/display.ts";
import { FrameDecoder } from "../../src/protocol/frame.ts";

let directory: string;
let socket: DisplaySocket;
const told: (string | null)[] = [];

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-display-"));
	socket = new DisplaySocket({
		clipboard: { read: () => Promise.reject(new Error("nothing")), write: () => {} },
		state: () => ({ helper: 1, windows: [], cut: null }),
		told: (wayland) => told.push(wayland),
	});
	await socket.listen(join(directory, "display.sock"));
});
afterEach(() => {
	socket.close();
	told.splice(0);
	rmSync(directory, { recursive: true });
});

test("A broker may tell of its compositor as often as it likes, on one connection.", async () => {
	const warnings: Error[] = [];
	const warn = (warning: Error) => warnings.push(warning);
	process.on("warning", warn);
	const broker = connect(join(directory, "display.sock"));
	const decoder = new FrameDecoder(fromDisplayLimits);
	let states = 0;
	const all = new Promise<void>((resolve) => {
		broker.on("data", (chunk: Buffer) =>
			decoder.push(chunk, () => {
				states += 1;
				if (states === 30) resolve();
			}),
		);
	});
	for (let time = 0; time < 30; time++) broker.write(encodeWatch({ wayland: `wayland-${time}` }));
	await all;
	broker.destroy();
	process.off("warning", warn);
	expect(told).toHaveLength(30);
	expect(warnings).toEqual([]);
});
