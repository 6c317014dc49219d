/** What programs on the bus may do to the broker, by mistake or to spite it: it stays there, serves the others, and says what is so. */
import { existsSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeMessage, messageType, toVariant } from "../../src/dbus/message-codec.ts";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { BusCaller } from "./bus-caller.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker } from "./installed-broker.ts";

const idleMs = 500;
const [broker, vm, root] = ["org.qubeslite.Broker1", "org.qubeslite.VM1", "/org/qubeslite"];
const [shopping, slow] = [`${root}/vm/shopping`, `${root}/vm/slow`];
const script = fileURLToPath(new URL("../fixtures/bus-raw.py", import.meta.url));
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const hello = {
	...{ type: messageType.call, destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" },
	...{ interface: "org.freedesktop.DBus", member: "Hello", signature: "", body: [] },
};

/** NO_REPLY_EXPECTED: a bus lets no two calls of one number wait for their answers. */
const flags = 1;

type Message = Omit<Parameters<typeof encodeMessage>[0], "serial">;

describe.each(managerUids)("the broker on a bus of rude programs, uid %s", (uid) => {
	let installed: InstalledBroker;
	const busctl = (...words: string[]): Promise<Outcome> => installed.manager.run("busctl", "--user", "--", ...words);
	const bus = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"] as const;
	const owner = async (): Promise<string> =>
		/"(.*)"/.exec((await busctl("call", ...bus, "GetNameOwner", "s", broker)).stdout)?.[1] ?? "";
	const onBroker = (...words: string[]) => busctl("call", broker, root, broker, ...words);
	const on = (path: string, ...words: string[]) => busctl("call", broker, path, vm, ...words);
	const run = async (options: readonly string[], ...argv: string[]): Promise<string> => {
		const { stdout, stderr } = await on(shopping, "Run", "asa{sv}", String(argv.length), ...argv, ...options);
		return /^s "(.*)"\n$/.exec(stdout)?.[1] ?? stderr;
	};
	const captured = ["1", "capture", "b", "true"];
	const wait = async (id: string) => {
		const words = ["--user", "--json=short", "--", "call", broker, root, broker, "Wait", "sa{sv}", id, "0"];
		const { stdout, stderr } = await installed.manager.run("busctl", ...words);
		if (stderr !== "") return stderr;
		const [code, signal, output] = JSON.parse(stdout).data;
		return { code, signal, text: Buffer.from(output.stdout.data).toString(), lost: output.stdoutLost.data };
	};
	/** A connection that says what it likes. */
	const begin = () => {
		const running = installed.manager.begin("/usr/bin/python3", script, toHex(hello));
		let asked = 0;
		const ask = async (...words: readonly unknown[]): Promise<void> => {
			running.stdin.write(`${JSON.stringify(words)}\n`);
			asked += 1;
			await installed.user.until("the bus has it", () => running.stdout().split("\n").length > asked);
		};
		const end = async (): Promise<void> => {
			running.kill("SIGKILL");
			await running.done;
		};
		return { ask, end };
	};
	const toHex = (message: Message): string => encodeMessage({ serial: 7, ...message }).toString("hex");
	const isIdle = async () => (await busctl("get-property", broker, shopping, vm, "State")).stdout === 's "idle"\n';

	beforeAll(async () => {
		const vms = [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "slow" },
		];
		const env = { QUBES_LITE_BROKER_IDLE_MS: String(idleMs) };
		installed = await InstalledBroker.start({ vms, env, ...(uid === undefined ? {} : { uid }) });
	});

	afterAll(async () => {
		expect(await installed.leave(["shopping", "slow"])).toEqual(nothingLeft);
	});

	it("holds a vm that does not run for as long as somebody asks for it, and leaves after that", async () => {
		const caller = new BusCaller(installed);
		const [, inhibitor] = await caller.call(shopping, vm, "Inhibit", "('x', @a{sv} {})");
		const number = /^\(uint32 (\d+),\)$/.exec(String(inhibitor))?.[1];
		const before = await owner();
		await delay(3 * idleMs);
		expect(await owner()).toBe(before);
		expect(await caller.call(shopping, vm, "Uninhibit", `(uint32 ${number}, @a{sv} {})`)).toEqual(["ok", "()"]);
		await installed.settled();
		await caller.kill();
	});

	it("stays on the bus, whatever signals, answers and errors come that it has not asked for", async () => {
		expect((await on(shopping, "Start", "a{sv}", "0")).status).toBe(0);
		const destination = await owner();
		const signal = { type: messageType.signal, path: "/a", interface: "a.b", member: "C", destination };
		const stranger = begin();
		const descriptor = (message: Message): string => {
			const bytes = encodeMessage({ serial: 7, ...message });
			bytes.write("h", bytes.lastIndexOf("u", bytes.length - bytes.readUInt32LE(4)));
			return bytes.toString("hex");
		};
		await stranger.ask("send", descriptor({ ...signal, signature: "u", body: [0] }), 0);
		const unasked = { destination, replySerial: 4711, signature: "u", body: [0] };
		await stranger.ask("send", descriptor({ ...unasked, type: messageType.error, errorName: "a.b.C" }), 0);
		await stranger.ask("send", toHex({ ...unasked, type: messageType.reply }), 0);
		const long = encodeMessage({ serial: 7, ...signal, signature: "ay", body: [Buffer.alloc(0)] });
		const bytes = 17 * 1024 * 1024;
		long.writeUInt32LE(bytes + 4, 4);
		long.writeUInt32LE(bytes, long.length - 4);
		await stranger.ask("send", long.toString("hex"), bytes);
		expect((await onBroker("ListVMs", "a{sv}", "0")).status).toBe(0);
		expect(await owner()).toBe(destination);
		await stranger.end();
	});

	it("serves the others while one asks for more than it ever gets, and forgets that one", async () => {
		installed.user.order("slow", { helloDelayMs: 600_000 });
		const [greedy, reader] = [begin(), new BusCaller(installed)];
		const call = { type: messageType.call, destination: broker, interface: vm, path: slow, flags };
		const options = { signature: "a{sv}", body: [{}] };
		await greedy.ask("sendTimes", toHex({ ...call, member: "Start", ...options }), 300);
		const command = { signature: "asa{sv}", body: [["true"], {}] };
		await greedy.ask("sendTimes", toHex({ ...call, member: "Run", ...command }), 1000);
		const list = { ...call, path: root, interface: broker, member: "ListVMs", ...options };
		await greedy.ask("sendTimes", toHex(list), 5000);
		expect(await reader.call(root, broker, "ListVMs", "(@a{sv} {},)")).toEqual(["ok", expect.any(String)]);
		expect(await reader.matchRules()).toBe(1);
		await greedy.end();
		expect((await on(slow, "Kill", "a{sv}", "0")).status).toBe(0);
		installed.user.order("slow", {});
		await reader.kill();
	});

	describe("tells of sessions what is so:", () => {
		it("to all who wait for the same at once, with what is lost of its output", async () => {
			const words = "head -c 1048570 /dev/zero | tr '\\0' x; sleep 0.5; printf 'the end'; exit 3";
			const id = await run(["0"], "sh", "-c", words);
			const kept = 256 * 1024;
			const ends = await Promise.all(numbers(3).map(() => wait(id)));
			for (const end of [...ends, await wait(id)]) {
				expect(end).toMatchObject({ code: 3, signal: "", lost: 1_048_577 - kept });
				expect(typeof end === "string" ? end : end.text.slice(-9)).toBe("xxthe end");
			}
		});

		it("no signal is lost, although each comes by a connection that nobody else has", async () => {
			const counts = `${installed.user.directory}/counts`;
			/** It notes each down, because one that comes before it has seen the one before would be the same to the kernel. */
			const counting = `import signal, time
n = 0
def count(*_):
    global n
    n += 1
    with open("${counts}", "a") as file: file.write(".")
signal.signal(signal.SIGUSR1, count)
signal.signal(signal.SIGTERM, lambda *_: (print(n, flush=True), exit(0)))
open("${counts}", "w").close()
print("ready", flush=True)
while True: time.sleep(10)`;
			const id = await run(["0"], "/usr/bin/python3", "-c", counting);
			await installed.user.until("it counts", () => existsSync(counts));
			const signal = (name: string) => onBroker("Signal", "ssa{sv}", id, name, "0");
			const counted = (count: number) => installed.user.until("it has counted", () => statSync(counts).size >= count);
			for (const index of numbers(5)) {
				expect(await signal("SIGUSR1")).toMatchObject({ status: 0 });
				await counted(index + 1);
			}
			const atOnce = [signal("SIGUSR1"), signal("SIGWINCH"), signal("SIGCONT")];
			expect(await Promise.all(atOnce)).toMatchObject(atOnce.map(() => ({ status: 0 })));
			await counted(6);
			expect(await signal("SIGTERM")).toMatchObject({ status: 0 });
			expect(await wait(id)).toMatchObject({ code: 0, text: "ready\n6\n" });
		});

		it("once each, also where its broker was killed meanwhile, and to the caller that its call came to nothing", async () => {
			const monitor = installed.manager.begin("gdbus", "monitor", "--session", "-d", broker);
			await installed.user.until("it listens", () => monitor.stdout().includes("is owned by"));
			/** All that goes to the broker. */
			const calls = installed.manager.begin("busctl", "--user", "--json=short", "monitor", broker);
			await installed.user.until("that one listens, too", async () => {
				await isIdle();
				return calls.stdout() !== "";
			});
			const go = `${installed.user.directory}/may-end`;
			const mayEnd = `until [ -e ${go} ]; do sleep 0.1; done`;
			const ids = [
				await run(captured, "sh", "-c", `${mayEnd}; echo a; exit 8`),
				await run(["0"], "sh", "-c", `${mayEnd}; exit 9`),
			];
			const waits = Promise.all(ids.map(wait));
			const foreground = installed.user.run("shopping", "sh", "-c", `${mayEnd}; exit 7`);
			await installed.user.until(
				"all have begun",
				() => (monitor.stdout().match(/SessionStarted/g)?.length ?? 0) === 3,
			);
			const asked = () => calls.stdout().match(/"member":"Wait"/g)?.length ?? 0;
			await installed.user.until("both wait", () => asked() === ids.length);
			calls.kill("SIGKILL");
			await calls.done;
			await installed.manager.run("kill", "-KILL", await installed.property("MainPID"));
			for (const answer of await waits) expect(answer).toContain("disconnected");
			expect((await onBroker("ListVMs", "a{sv}", "0")).status).toBe(0);
			writeFileSync(go, "");
			expect(await foreground).toMatchObject({ status: 7 });
			expect(await Promise.all(ids.map(wait))).toMatchObject([{ code: 8, text: "a\n" }, { code: 9 }]);
			/** Of an earlier session's end it may still have heard. */
			const heard = () => monitor.stdout().slice(monitor.stdout().indexOf("SessionStarted"));
			await installed.user.until("all ends are told", () => (heard().match(/SessionEnded/g)?.length ?? 0) >= 3);
			expect(monitor.stdout().match(/SessionStarted/g)).toHaveLength(3);
			const ends = [...heard().matchAll(/SessionEnded \('.*', (-?\d+), '(.*)'\)/g)];
			expect(ends.map(([, code, signal]) => `${code}${signal}`).sort()).toEqual(["7", "8", "9"]);
			monitor.kill("SIGKILL");
			await monitor.done;
			await installed.user.until("it is idle", isIdle);
		});
	});

	it("keeps the output of no more than 64 sessions, however many are asked for at once", async () => {
		const monitor = installed.manager.begin("gdbus", "monitor", "--session", "-d", broker);
		await installed.user.until("it listens", () => monitor.stdout().includes("is owned by"));
		const greedy = begin();
		const call = { type: messageType.call, destination: broker, interface: vm, path: shopping, member: "Run", flags };
		const body = [["true"], { capture: toVariant("b", true) }];
		await greedy.ask("sendTimes", toHex({ ...call, signature: "asa{sv}", body }), 100);
		const started = (): number => monitor.stdout().match(/SessionStarted/g)?.length ?? 0;
		await installed.user.until("they run", () => started() >= 64, 20_000);
		expect(await run(captured, "true")).toContain("64 sessions already");
		expect(started()).toBe(64);
		monitor.kill("SIGKILL");
		await Promise.all([greedy.end(), monitor.done]);
	});
});
