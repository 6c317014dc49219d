/** wp_security_context_v1 against a compositor that has it (Debian 12's have not), which says what it is told. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CompositorDoor } from "../../src/display/compositor-door.ts";
import { until } from "../fakes/fake-vmm-host.ts";

const script = fileURLToPath(new URL("../fixtures/security-compositor.py", import.meta.url));

let directory: string;
let compositor: ChildProcess;
let said: object[];
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-context-"));
});
afterEach(async () => {
	await end();
	rmSync(directory, { recursive: true });
});

const socket = (): string => join(directory, "wayland-0");

async function start(...words: readonly string[]): Promise<void> {
	rmSync(socket(), { force: true });
	said = [];
	compositor = spawn("python3", [script, socket(), ...words], { stdio: ["ignore", "pipe", "inherit"] });
	if (compositor.stdout === null) throw new Error("it has no output");
	createInterface(compositor.stdout).on("line", (line) => said.push(JSON.parse(line)));
	await until("it listens", () => said.length === 1);
}

async function end(): Promise<void> {
	if (compositor.exitCode !== null || compositor.signalCode !== null) return;
	const exit = once(compositor, "exit");
	compositor.kill("SIGKILL");
	await exit;
}

const openDoor = (): CompositorDoor =>
	new CompositorDoor({
		vm: "shopping",
		path: join(directory, "wayland.sock"),
		find: async () => ({ socket: socket(), isByName: false }),
	});

async function come(path: string): Promise<void> {
	const client = connect(path);
	await once(client, "connect");
	client.destroy();
}

/** All that the compositor has said of contexts, once there is one. */
async function committed() {
	const find = () => said.filter((line) => "committed" in line);
	await until("it has a context", () => find().length > 0);
	return find();
}

const descriptors = (): number => readdirSync("/proc/self/fd").length;

test("a vm's programs come by a socket of its own, by which the compositor knows them, for as long as the door is open", async () => {
	await start();
	const before = descriptors();
	const door = openDoor();
	const opened = await door.open();
	expect(opened).toEqual({ socket: join(directory, "wayland.sock") });
	const context = { engine: "io.github.qubes-lite", app: "qubes-lite.shopping", instance: "shopping" };
	expect(await committed()).toEqual([{ committed: context }]);
	expect(await door.open()).toEqual(opened);

	await come(join(directory, "wayland.sock"));
	await until("it has come", () => said.some((line) => JSON.stringify(line).includes("by the context")));
	door.close();
	await until("it has ended", () => said.some((line) => "ended" in line));
	expect(await committed()).toHaveLength(1);
	expect(existsSync(join(directory, "wayland.sock"))).toBe(false);
	await until("no descriptor is left", () => descriptors() <= before);
});

test("the next compositor is asked anew", async () => {
	await start();
	const door = openDoor();
	await door.open();
	await end();
	await start();
	expect(await door.open()).toEqual({ socket: join(directory, "wayland.sock") });
	expect(await committed()).toHaveLength(1);
	door.close();
	await until("it has ended", () => said.some((line) => "ended" in line));
});

test("of a compositor that has no such thing the ordinary socket is used", async () => {
	await start("no");
	expect(await openDoor().open()).toEqual({ socket: socket() });
	expect(existsSync(join(directory, "wayland.sock"))).toBe(false);
});
