import { expect, it, vi } from "vitest";
import { type NotifyOptions, SdNotify, type Send, watchdogMs } from "../../src/activation/sd-notify.ts";

const pid = 42;

function notifier(env: NotifyOptions["env"], send?: Send) {
	const said: string[] = [];
	const failures: unknown[] = [];
	const openSend = vi.fn(() => send ?? (async (message: string) => void said.push(message)));
	const notify = new SdNotify({
		...{ env, pid, openSend },
		monotonicUs: () => 7_000_000n,
		failed: (cause) => failures.push(cause),
	});
	return { notify, said, failures, openSend };
}

it("says in order what it is told", async () => {
	const { notify, said } = notifier({ NOTIFY_SOCKET: "/run/notify" });
	notify.ready();
	notify.reloading();
	notify.ready();
	await notify.stopping();
	expect(said).toEqual(["READY=1", "RELOADING=1\nMONOTONIC_USEC=7000000", "READY=1", "STOPPING=1"]);
});

it.each([undefined, ""])("loads nothing where NOTIFY_SOCKET is %j", async (socket) => {
	const { notify, openSend } = notifier({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "1000" });
	notify.ready();
	notify.status("3 vms");
	await notify.stopping();
	expect(openSend).not.toHaveBeenCalled();
});

it("says a status that is the same once, and of several the last, on one line", async () => {
	const { notify, said } = notifier({ NOTIFY_SOCKET: "/run/notify" });
	notify.status("1 vm");
	notify.status("2\nvms");
	notify.status("3 \n\tvms");
	await notify.stopping();
	notify.status("3 vms");
	notify.status(`x${"y".repeat(999)}`);
	await notify.stopping();
	const notReady = "READY=1\nSTOPPING=1";
	expect(said).toEqual(["STATUS=3 vms", notReady, `STATUS=x${"y".repeat(255)}`, notReady]);
});

it("tells of the first failure only, and goes on", async () => {
	const send = vi.fn<Send>().mockRejectedValueOnce("a").mockRejectedValueOnce("b").mockResolvedValue();
	const { notify, failures } = notifier({ NOTIFY_SOCKET: "/run/notify" }, send);
	notify.ready();
	notify.status("3 vms");
	await notify.stopping();
	expect(failures).toEqual(["a"]);
	expect(send).toHaveBeenCalledTimes(3);
});

it("does not wait for long for a manager that takes in nothing", async () => {
	vi.useFakeTimers();
	const { notify } = notifier({ NOTIFY_SOCKET: "/run/notify" }, () => new Promise(() => {}));
	const stopped = vi.fn();
	void notify.stopping().then(stopped);
	await vi.advanceTimersByTimeAsync(999);
	expect(stopped).not.toHaveBeenCalled();
	await vi.advanceTimersByTimeAsync(1);
	expect(stopped).toHaveBeenCalled();
	vi.useRealTimers();
});

it("feeds the watchdog at half of its limit, from ready to the end", async () => {
	vi.useFakeTimers();
	const { notify, said } = notifier({ NOTIFY_SOCKET: "/run/notify", WATCHDOG_USEC: "2000000", WATCHDOG_PID: "42" });
	await vi.advanceTimersByTimeAsync(5_000);
	expect(said).toEqual([]);
	notify.ready();
	notify.ready();
	await vi.advanceTimersByTimeAsync(2_999);
	expect(said).toEqual(["READY=1", "READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
	await notify.stopping();
	await vi.advanceTimersByTimeAsync(5_000);
	expect(said.at(-1)).toBe("STOPPING=1");
	vi.useRealTimers();
});

it.each([
	["60000000", undefined, 30_000],
	["60000000", "42", 30_000],
	["1", "42", 1],
	["9999999999999999", "42", 2 ** 31 - 1],
	["60000000", "41", null],
	["60000000", "", null],
	["0", "42", null],
	["-1", "42", null],
	["soon", "42", null],
	["", "42", null],
	[undefined, "42", null],
])("with WATCHDOG_USEC=%s and WATCHDOG_PID=%s it beats every %s ms", (limit, watched, everyMs) => {
	expect(watchdogMs({ env: { WATCHDOG_USEC: limit, WATCHDOG_PID: watched }, pid })).toBe(everyMs);
});
