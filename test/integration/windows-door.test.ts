/** The door by which a vm's programs come, while it is being closed. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WindowsDoor } from "../../src/display/windows-door.ts";
import type { DisplayNotice } from "../../src/protocol/display.ts";
import { VmDisplay } from "../../src/wayland/vm-display.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-door-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("starts nothing for a program that came just before, and has nothing to say of it", async () => {
	const asked = Promise.withResolvers<void>();
	const compositor = Promise.withResolvers<{ socket: string }>();
	const told: DisplayNotice[] = [];
	const door = new WindowsDoor({
		vm: "shopping",
		directory,
		/** There is no waypipe, which whoever looks for it tells. */
		searchPath: "",
		display: new VmDisplay({ vm: "shopping", token: "0", windowsChanged: () => {} }),
		compositor: {
			open: () => {
				asked.resolve();
				return compositor.promise;
			},
			close: () => {},
		},
		tell: (notice) => told.push(notice),
		isAllowed: true,
		cut: () => {},
	});
	await door.listen(join(directory, "vsock_6000"));
	const program = connect(join(directory, "vsock_6000"));
	program
		.on("error", () => {})
		.resume()
		.write("token");
	const gone = once(program, "close");
	await asked.promise;
	await door.close();
	await gone;
	compositor.resolve({ socket: join(directory, "wayland-0") });
	await setImmediate();
	expect(told).toEqual([]);
});
