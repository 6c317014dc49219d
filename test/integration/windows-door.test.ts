/** The door by which a vm's programs come, while it is being closed. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WindowsDoor } from "../../src/display/windows-door.ts";
import type { DisplayNotice } from "../../src/protocol/display.ts";
import { VmDisplay } from "../../src/wayland/vm-display.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-door-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Where `waypipe` is one that listens when the file "go" is there, or is not the first. */
function installWaypipe(): void {
	const program = `
		const { createServer } = require("node:net");
		const path = process.argv[process.argv.indexOf("--socket") + 1];
		const listen = () => {
			if (path.endsWith("-1") && !require("node:fs").existsSync("${directory}/go")) return setTimeout(listen, 10);
			createServer((socket) => socket.resume()).listen(path);
		};
		listen();`;
	writeFileSync(join(directory, "waypipe.cjs"), program);
	const script = `#!/bin/sh\nexec '${process.execPath}' '${directory}/waypipe.cjs' "$@"\n`;
	writeFileSync(join(directory, "waypipe"), script, { mode: 0o755 });
}

/** One of the guest's programs, which says this; resolves when it is closed. */
async function come(bytes: Buffer): Promise<void> {
	const program = connect(join(directory, "vsock_6000"));
	program
		.on("error", () => {})
		.resume()
		.write(bytes);
	await once(program, "close");
}

test("has no more windows for a program that was being let in when another one broke a rule", async () => {
	installWaypipe();
	const display = new VmDisplay({ vm: "shopping", token: "0", windowsChanged: () => {} });
	const connections = vi.spyOn(display, "connect");
	const cuts: string[] = [];
	const asked = Promise.withResolvers<void>();
	const door = new WindowsDoor({
		...{ vm: "shopping", directory, searchPath: directory, display, isAllowed: true },
		compositor: {
			async open() {
				asked.resolve();
				return { socket: join(directory, "wayland-0") };
			},
			close: () => {},
		},
		tell: () => {},
		cut: (why) => cuts.push(why),
	});
	await door.listen(join(directory, "vsock_6000"));
	const first = come(Buffer.alloc(1));
	await asked.promise;
	await come(Buffer.alloc(64, 0xff));
	expect([cuts.length, connections.mock.calls.length]).toEqual([1, 1]);
	writeFileSync(join(directory, "go"), "");
	await first;
	await door.close();
	expect(connections.mock.calls).toHaveLength(1);
});

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
