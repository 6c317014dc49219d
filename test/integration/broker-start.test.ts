/** A broker that is started in odd ways: it says why it does not serve, and what can't hurt it does not. */
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { nothingLeft, signalProcess } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

const bundle = fileURLToPath(new URL("../../dist/broker.cjs", import.meta.url));
let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping" }], env: { QUBES_LITE_BROKER_IDLE_MS: "5000" } });
});

afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

const start = (variables: string) => user.sh(`env ${variables} '${process.execPath}' '${bundle}'`);

it.each([
	["LISTEN_FDNAMES=control", 'a socket was passed that nobody here serves: "control"'],
	["LISTEN_FDNAMES=", 'a socket was passed that nobody here serves: ""'],
	["", "1 sockets were passed with 0 names (LISTEN_FDNAMES)"],
])("refuses a socket that is not its own: %s", async (names, why) => {
	const { status, stderr } = await user.sh(
		`export LISTEN_PID=$$ LISTEN_FDS=1 ${names}; exec '${process.execPath}' '${bundle}'`,
	);
	expect(status).toBe(1);
	expect(stderr).toContain(`qubes-lite: the service manager's sockets are not ours: ${why}\n`);
});

it.each([
	["nobody", "/nowhere/notify", ""],
	["nobody that a command reaches", "/nowhere/notify", "QUBES_LITE_NOTIFY=command"],
	["nobody, without the command", "/nowhere/notify", "QUBES_LITE_NOTIFY=command PATH=/nowhere"],
])("serves although %s listens to what it says", async (_, socket, more) => {
	const running = user.start("/bin/sh", [
		"-c",
		`exec env NOTIFY_SOCKET=${socket} ${more} '${process.execPath}' '${bundle}'`,
	]);
	await user.until("it serves", () => existsSync(join(user.runtime, "broker.sock")));
	expect(await user.sh("qubes-lite ls -q")).toMatchObject({ status: 0, stdout: "shopping\n" });
	expect(user.brokerPids()).toEqual([running.pid]);
	/** Where a command says it, it is known only when that has ended. */
	const notifyFailed = '"event":"notify.failed"';
	await user.until("nobody has listened", () => running.stderr().includes(notifyFailed));
	await user.endBrokers("SIGTERM");
	const { status, stderr } = await running.done;
	expect(status).toBe(0);
	expect(stderr.split(notifyFailed)).toHaveLength(2);
});

it("leaves a socket alone that somebody serves already", async () => {
	const path = join(user.runtime, "broker.sock");
	const server = createServer((socket) => socket.destroy());
	await new Promise<void>((resolve) => server.listen(path, resolve));
	const connected = new Promise((resolve) => server.once("connection", resolve));
	expect(await start("")).toMatchObject({ status: 0 });
	await connected;
	expect(existsSync(path)).toBe(true);
	await new Promise((resolve) => server.close(resolve));
});

it("ends where it can't make its socket, whatever it has opened before, and the next one serves", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	await user.endBrokers();
	const path = join(user.runtime, "broker.sock");
	await user.sh(`rm -f '${path}'; mkdir '${path}'`);
	expect(await start("")).toMatchObject({ status: 1, stderr: expect.stringContaining(path) });
	await user.sh(`rmdir '${path}'`);
	expect(await user.run("shopping", "echo", "same vm")).toMatchObject({ status: 0, stdout: "same vm\n" });
	expect(user.starts("shopping")).toBe(1);
});

it("leaves when its socket is removed, and the next client starts another", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	const first = user.brokerPid();
	await user.sh(`rm '${join(user.runtime, "broker.sock")}'`);
	await user.until("it has left", () => !user.brokerPids().includes(first), 10_000);
	expect(await user.run("shopping", "echo", "same vm")).toMatchObject({ status: 0, stdout: "same vm\n" });
	expect(user.starts("shopping")).toBe(1);
});

it("serves also where what an earlier vm has left takes a second to end, and nothing else is to be done", async () => {
	expect((await user.run("shopping", "true")).status).toBe(0);
	const shim = user.processes().find(({ words }) => words.includes("vm-shim.sh direct"))?.pid;
	signalProcess(shim, "SIGSTOP");
	await user.endBrokers();
	writeFileSync(join(user.runtime, "shopping/shim/exit"), "0 -\n");
	expect(await user.sh("qubes-lite ls -q")).toMatchObject({ status: 0, stdout: "shopping\n", stderr: "" });
	expect(user.processes().map(({ pid }) => pid)).not.toContain(shim);
});
