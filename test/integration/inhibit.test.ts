/** `qubes-lite inhibit`: a command on the host keeps a vm from stopping by idleness, and nothing of it outlives the command. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callBroker } from "../../src/cli/broker-client.ts";
import { encodeRequest } from "../../src/protocol/broker.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { FakeUser } from "./fake-user.ts";

let user: FakeUser;
const kept = (label: string): string => `${label} (inhibitor)`;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping", idleTimeout: 1 },
			{ id: 7, name: "banking" },
			{ id: 15, name: "disp", disposable: true },
		],
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking", "disp"])).toEqual(nothingLeft);
});

/** A command that says that it runs, and ends with its input. */
const untilEof = ["sh", "-c", "echo up; read -r line; exit 3"];

async function start(vm: string, ...words: string[]) {
	const running = user.start("qubes-lite", ["inhibit", ...words, vm, "--", ...untilEof]);
	await user.until("the command runs", () => running.stdout() === "up\n");
	return running;
}

it("keeps an idle vm up for as long as the command runs, and says who does", { timeout: 60_000 }, async () => {
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	/** So that it is not idle before somebody keeps it. */
	const session = user.start("run-in-vm", ["shopping", "cat"]);
	await user.until("it is used", async () => (await user.status("shopping")).sessions === 1);
	const running = await start("shopping", "--why", "a long\tcopy");
	session.stdin.end();
	await session.done;
	await user.until("it is used no more", async () => (await user.leases("shopping")).length === 1);
	const since = Date.now();
	await user.until("its idleTimeout is over twice", () => Date.now() - since > 2_500);
	expect(await user.status("shopping")).toMatchObject({ state: "ready", stopsAt: null });
	expect(await user.leases("shopping")).toEqual([kept("a long\uFFFDcopy")]);
	const second = await start("shopping");
	expect((await user.sh("qubes-lite why shopping")).stdout).toContain("kept by sh (inhibitor), since ");
	running.stdin.end();
	expect(await running.done).toMatchObject({ status: 3, stderr: "" });
	await user.until("the first is released", async () => (await user.leases("shopping")).join() === kept("sh"));
	second.stdin.end();
	await second.done;
	await user.until("it has stopped", async () => (await user.stateOf("shopping")) === "stopped");
	expect(await user.status("shopping")).toMatchObject({ reason: "idle for 1 s" });
});

it("boots nothing, and holds from the start on", async () => {
	const running = await start("shopping");
	expect(await user.status("shopping")).toMatchObject({ state: "stopped", leases: [{ kind: "inhibitor" }] });
	expect((await user.run("shopping", "true")).status).toBe(0);
	await user.until("its session is over", async () => (await user.leases("shopping")).join() === kept("sh"));
	running.stdin.end();
	const { stderr } = await running.done;
	expect(stderr).toBe("qubes-lite: shopping is not running; it is kept from when it starts\n");
});

it("ends as the command does", async () => {
	const text = join(user.directory, "text");
	writeFileSync(text, "no program");
	chmodSync(text, 0o644);
	const run = (command: string) =>
		user.sh(`qubes-lite inhibit banking -- ${command} 2>&1 | grep -v 'not running'; exit 0`);
	for (const [command, status] of [
		["true", 0],
		["sh -c 'exit 255'", 255],
		["sh -c 'kill -9 $$'", 137],
		["sh -c 'kill -15 $$'", 143],
		["no-such", 127],
		["/etc", 126],
		[text, 126],
	] as const) {
		expect((await user.sh(`qubes-lite inhibit banking -- ${command}`)).status, command).toBe(status);
	}
	expect((await run("no-such")).stdout).toBe("qubes-lite: no-such: not found on this host\n");
	expect((await run("/etc")).stdout).toBe("qubes-lite: /etc: not executable on this host\n");
	expect((await run("printf '%s|' '' --why 'a b'")).stdout).toBe("|--why|a b|\n");
});

it("runs nothing where it can't hold, and wants a command", async () => {
	const gone = await user.sh("qubes-lite inhibit shoping -- echo ran");
	expect(gone).toMatchObject({ status: 1, stdout: "" });
	expect(gone.stderr).toContain("did you mean 'shopping'?");
	for (const words of ["shopping", "shopping echo", "shopping --"]) {
		const outcome = await user.sh(`qubes-lite inhibit ${words}`);
		expect(outcome).toMatchObject({ status: 2, stdout: "" });
		expect(outcome.stderr).toContain("which command? It stands behind --");
	}
});

it("passes TERM on, and lets the command decide what INT from the keys ends", async () => {
	const words = ["sh", "-c", 'trap "exit 7" TERM; trap "" INT; echo up; while :; do sleep 0.05; done'];
	const running = user.start("qubes-lite", ["inhibit", "banking", "--", ...words]);
	await user.until("the command runs", () => running.stdout() === "up\n");
	running.kill("SIGINT");
	running.kill("SIGQUIT");
	expect(await user.leases("banking")).toEqual([kept("sh")]);
	running.kill("SIGTERM");
	expect((await running.done).status).toBe(7);
});

it("ends as the command does that Ctrl-C of a terminal ends", async () => {
	const words = ["inhibit", "banking", "--", "sh", "-c", "echo up; exec sleep 60"];
	const running = spawn("qubes-lite", words, { env: user.env, stdio: ["ignore", "pipe", "ignore"], detached: true });
	await once(running.stdout, "data");
	process.kill(-(running.pid ?? Number.NaN), "SIGINT");
	expect(await once(running, "exit")).toEqual([130, null]);
});

it("lets go of the vm when its client is killed", async () => {
	const running = await start("banking");
	expect(await user.leases("banking")).toEqual([kept("sh")]);
	running.kill("SIGKILL");
	await user.until("it is released", async () => (await user.leases("banking")).length === 0);
	running.stdin.end();
	await running.done;
});

it("holds on under the next broker, also a disposable that nobody uses", { timeout: 60_000 }, async () => {
	const holders = [await start("shopping"), await start("disp")];
	for (const vm of ["shopping", "disp"]) expect((await user.run(vm, "true")).status).toBe(0);
	const starts = ["shopping", "disp"].map((vm) => user.starts(vm));
	await user.endBrokers();
	for (const vm of ["shopping", "disp"]) {
		await user.until(`${vm} is held again`, async () => (await user.leases(vm)).includes(kept("sh")));
		await user.until("only by its own", async () => (await user.leases(vm)).join() === kept("sh"));
		expect(await user.stateOf(vm)).toBe("ready");
	}
	expect(["shopping", "disp"].map((vm) => user.starts(vm))).toEqual(starts);
	for (const holder of holders) holder.stdin.end();
	for (const holder of holders) expect((await holder.done).status).toBe(3);
	for (const vm of ["shopping", "disp"]) {
		await user.until(`${vm} has stopped`, async () => (await user.stateOf(vm)) === "stopped");
	}
});

it("has a limit for each vm, and keeps the broker", async () => {
	const request = encodeRequest({ method: "inhibit", vm: "banking", label: "x", pid: process.pid });
	const release = await user.keepBroker();
	const sockets = await Promise.all(
		Array.from({ length: 64 }, async () => {
			const socket = await user.connect("broker.sock");
			socket.write(request);
			await new Promise((resolve) => socket.once("data", resolve));
			return socket;
		}),
	);
	await release();
	await expect(callBroker(user.env, request)).rejects.toMatchObject({
		code: "Limit",
		message: "banking is kept by 64 inhibitors already, which is the limit",
	});
	const before = user.brokerPids();
	for (const socket of sockets.slice(1)) socket.destroy();
	await user.until("one is left", async () => (await user.leases("banking")).length === 1);
	/** Three times as long as a broker stays that nobody needs. */
	await new Promise((resolve) => setTimeout(resolve, 1_500));
	expect(user.brokerPids()).toEqual(before);
	for (const socket of sockets) socket.destroy();
});

it("keeps ignored what was ignored at its start, and so does its command: nohup, and a shell's background jobs", async () => {
	const command =
		"grep SigIgn /proc/self/status; env | grep -c QUBES_LITE_IGNORED; echo up; until [ -e go ]; do sleep 0.1; done; echo over";
	const { status, stdout, stderr } = await user.sh(
		[
			`cd ${user.directory}; trap '' HUP INT`,
			`qubes-lite inhibit banking -- sh -c '${command}' >said & until grep -qs '^up' said; do sleep 0.1; done`,
			"kill -HUP $!; kill -INT $!; sleep 0.3; : >go; wait $!; status=$?; cat said; exit $status",
		].join("; "),
	);
	expect({ status, stderr }).toMatchObject({ status: 0 });
	expect(stdout).toMatch(/^SigIgn:\t0*[0-9a-f]*[37bf]\n0\nup\nover\n$/);
	for (const [word, ending, sentence] of [
		["no-such", 127, "no-such: not found on this host"],
		["/etc", 126, "/etc: not executable on this host"],
		["'exit 9'", 127, "exit 9: not found on this host"],
	] as const) {
		const outcome = await user.sh(`trap '' HUP; qubes-lite inhibit banking -- ${word}`);
		expect(outcome.status).toBe(ending);
		expect(outcome.stderr).toContain(`qubes-lite: ${sentence}\n`);
	}
	const words = await user.sh("trap '' HUP; qubes-lite inhibit banking -- printf '%s|' -c 'a b' '$x'");
	expect(words.stdout).toBe("-c|a b|$x|");
});
