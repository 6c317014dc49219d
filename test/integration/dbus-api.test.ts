/** The broker's interfaces on a real user bus, used by strangers' tools: busctl, gdbus and GLib. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { BusCaller } from "./bus-caller.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker } from "./installed-broker.ts";

const vms = [
	{ id: 5, name: "shopping", idleTimeout: 60 },
	{ id: 7, name: "my-bank" },
	{ id: 15, name: "disp", disposable: true },
];
const names = ["shopping", "my-bank"];
const [broker, vm] = ["org.qubeslite.Broker1", "org.qubeslite.VM1"];
const root = "/org/qubeslite";
const [shopping, bank] = [`${root}/vm/shopping`, `${root}/vm/my_2dbank`];

describe.each(managerUids)("the broker on the bus, uid %s", (uid) => {
	let installed: InstalledBroker;
	const busctl = (...words: string[]): Promise<Outcome> => installed.manager.run("busctl", "--user", ...words);
	const onBroker = (...words: string[]) => busctl("--", "call", broker, root, broker, ...words);
	const on = (path: string, ...words: string[]) => busctl("--", "call", broker, path, vm, ...words);
	const answer = async (...words: string[]) =>
		JSON.parse((await busctl("--json=short", "--", "call", broker, root, ...words)).stdout).data;
	const property = async (name: string, path = shopping) =>
		(await busctl("get-property", broker, path, vm, name)).stdout.trim();
	const run = async (path: string, options: readonly string[], ...argv: string[]): Promise<string> => {
		const { stdout, stderr } = await on(path, "Run", "asa{sv}", String(argv.length), ...argv, ...options);
		return /^s "(.*)"\n$/.exec(stdout)?.[1] ?? stderr;
	};
	const captured = ["1", "capture", "b", "true"];
	const until = (what: string, look: () => Promise<boolean>) => installed.user.until(what, look, 20_000);

	beforeAll(async () => {
		installed = await InstalledBroker.start({ vms, ...(uid === undefined ? {} : { uid }) });
	});

	afterAll(async () => {
		expect(await installed.leave(names)).toEqual(nothingLeft);
	});

	describe("can be looked at", () => {
		it("as a tree, from a bus on which nobody has asked for it yet", async () => {
			await installed.settled();
			const { stdout } = await busctl("tree", "--list", broker);
			expect(stdout.trim().split("\n")).toEqual([
				...["/", "/org", root, `${root}/vm`, `${root}/vm/disp`, bank, shopping],
			]);
		});

		it("as the interfaces that the project's XML promises, word for word", async () => {
			for (const [path, name] of [
				[root, broker],
				[shopping, vm],
			] as const) {
				const live = await installed.manager.run("gdbus", "introspect", "--session", "--xml", "-d", broker, "-o", path);
				const ours = readFileSync(`docs/dbus/${name}.xml`, "utf8");
				const cut = (xml: string) => new RegExp(` <interface name="${name}">.*?</interface>\\n`, "s").exec(xml)?.[0];
				expect(cut(live.stdout)).toBe(cut(ours));
				const parsed = await installed.manager.run("gdbus", "introspect", "--session", "-d", broker, "-o", path);
				expect(parsed).toMatchObject({ status: 0, stderr: "" });
			}
		});

		it("as managed objects with all their properties", async () => {
			const [objects] = await answer("org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
			expect(Object.keys(objects).sort()).toEqual([`${root}/vm/disp`, bank, shopping].sort());
			expect(objects[bank][vm]).toMatchObject({
				Name: { type: "s", data: "my-bank" },
				Id: { type: "u", data: 7 },
				State: { type: "s", data: "stopped" },
				IdleSince: { type: "t", data: 0 },
				Leases: { type: "a(sst)", data: [] },
			});
		});

		it("as a list", async () => {
			expect((await onBroker("ListVMs", "a{sv}", "0")).stdout).toBe(
				`a(sous) 3 "shopping" "${shopping}" 5 "stopped" "my-bank" "${bank}" 7 "stopped" "disp" "${root}/vm/disp" 15 "stopped"\n`,
			);
			expect((await onBroker("GetVM", "sa{sv}", "my-bank", "0")).stdout).toBe(`o "${bank}"\n`);
		});
	});

	it("starts and stops vms, and tells of it by signals and changed properties", { timeout: 60_000 }, async () => {
		const monitor = installed.manager.begin("busctl", "--user", "--json=short", "monitor", broker);
		await until("it listens", async () => {
			await onBroker("GetVM", "sa{sv}", "shopping", "0");
			return monitor.stdout().includes("GetVM");
		});
		expect(await on(shopping, "Start", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		expect(await property("State")).toBe('s "idle"');
		const since = Number((await property("IdleSince")).slice(2)) / 1000;
		expect(Math.abs(Date.now() - since)).toBeLessThan(60_000);
		const stopAt = Number((await property("StopAt")).slice(2)) / 1000;
		expect(Math.abs(stopAt - since - 60_000)).toBeLessThan(200);
		expect(await on(shopping, "Restart", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		expect(await on(shopping, "Stop", "a{sv}", "0")).toMatchObject({ status: 0, stderr: "" });
		expect(await on(shopping, "Stop", "a{sv}", "1", "force", "b", "true")).toMatchObject({ status: 0, stderr: "" });
		expect(await property("State")).toBe('s "stopped"');
		expect(await property("Reason")).toBe('s "stopped by request"');
		const said = () =>
			monitor
				.stdout()
				.split("\n")
				.slice(0, -1)
				.filter((line) => line.startsWith("{"))
				.map((line) => JSON.parse(line))
				.filter(({ type, path }) => type === "signal" && path === shopping);
		const changes = () =>
			said()
				.filter(({ member }) => member === "StateChanged")
				.map(({ payload }) => payload.data);
		await until("its stop is told", async () => changes().at(-1)?.[1] === "stopped" && changes().length >= 7);
		monitor.kill("SIGKILL");
		const told = changes();
		expect(told[0]).toEqual(["stopped", "booting", ""]);
		expect(told.at(-1)).toEqual(["shutdown", "stopped", "stopped by request"]);
		for (const [index, [from]] of told.entries()) if (index > 0) expect(from).toBe(told[index - 1][1]);
		const properties = said().filter(({ member }) => member === "PropertiesChanged");
		const states = properties.flatMap(({ payload: { data } }) =>
			data[1].State === undefined ? [] : [data[1].State.data],
		);
		expect(states).toEqual(told.map(([, to]) => to));
		expect(properties.every(({ payload: { data } }) => data[0] === vm)).toBe(true);
	});

	describe("runs commands", () => {
		it("and tells their output and their end to who waits", async () => {
			const id = await run(shopping, captured, "sh", "-c", "echo out; echo error >&2; exit 3");
			expect(id).toMatch(/^shopping\.\d+\.[0-9a-f]{4}$/);
			const { stdout } = await busctl("--json=short", "--", "call", broker, root, broker, "Wait", "sa{sv}", id, "0");
			const [code, signal, output] = JSON.parse(stdout).data;
			expect([code, signal]).toEqual([3, ""]);
			const text = (bytes: number[]) => Buffer.from(bytes).toString();
			expect([text(output.stdout.data), text(output.stderr.data)]).toEqual(["out\n", "error\n"]);
			expect(output.stdoutLost).toEqual({ type: "t", data: 0 });
		});

		it("of which nobody kept the output, and knows their ends all the same", async () => {
			const id = await run(shopping, ["0"], "sh", "-c", "echo later; kill -KILL $$");
			await until(
				"it has ended",
				async () => !(await onBroker("ListSessions", "a{sv}", "0")).stdout.includes("running"),
			);
			expect((await onBroker("Wait", "sa{sv}", id, "0")).stdout).toMatch(/^isa\{sv\} -1 "SIGKILL" 4 "stdout" ay 6 /);
		});

		it("in a disposable, whose output outlives it", async () => {
			const { stdout } = await onBroker("RunDisposable", "sasa{sv}", "", "2", "echo", "gone", ...captured);
			const [, id = "", path] = /^so "(disp-[0-9a-f]{4}\.1\.[0-9a-f]{4})" "(.*)"\n$/.exec(stdout) ?? [];
			expect(path).toBe(`${root}/vm/${id.split(".")[0]?.replace("-", "_2d")}`);
			await until("it is gone", async () => (await onBroker("ListVMs", "a{sv}", "0")).stdout.startsWith("a(sous) 3 "));
			expect((await onBroker("Wait", "sa{sv}", id, "0")).stdout).toContain(
				'isa{sv} 0 "" 4 "stdout" ay 5 103 111 110 101 10 ',
			);
			expect((await onBroker("Wait", "sa{sv}", id, "0")).stderr).toContain("is gone, and what ran in it with it");
		});

		it("as a user, somewhere, with an environment, and ends them by a signal", async () => {
			const options = [
				"4",
				"user",
				"s",
				"root",
				"directory",
				"s",
				"/",
				"environment",
				"a{ss}",
				"1",
				"GREETING",
				"hi",
				"capture",
				"b",
				"true",
			];
			const marker = `${installed.user.directory}/has-said`;
			const words = `echo "$GREETING from $PWD"; : >${marker}; exec sleep 1000`;
			const id = await run(shopping, options, "sh", "-c", words);
			await until("it has spoken", async () => existsSync(marker));
			expect(await property("Sessions")).toBe(`as 1 "${id}"`);
			expect(await onBroker("Signal", "ssa{sv}", id, "SIGTERM", "0")).toMatchObject({ status: 0, stderr: "" });
			const { stdout } = await onBroker("Wait", "sa{sv}", id, "0");
			expect(stdout).toContain('isa{sv} -1 "SIGTERM" ');
			expect(stdout).toContain([..."hi from /\n"].map((letter) => letter.charCodeAt(0)).join(" "));
		});

		it("that run-in-vm runs are told of, too, with how they end", async () => {
			const monitor = installed.manager.begin("gdbus", "monitor", "--session", "-d", broker);
			await until("it listens", async () => monitor.stdout().includes("is owned by"));
			expect(await installed.user.run("shopping", "sh", "-c", "exit 7")).toMatchObject({ status: 7 });
			await until("the end is told", async () => monitor.stdout().includes("SessionEnded"));
			monitor.kill("SIGKILL");
			const [, started, ended] =
				/VM1\.SessionStarted \('(.*)', 'sh'\)\n[\s\S]*VM1\.SessionEnded \('(.*)', 7, ''\)/.exec(monitor.stdout()) ?? [];
			expect(started).toBe(ended);
		});

		it("of which somebody waits while another client still reads, or after it has left", {
			timeout: 60_000,
		}, async () => {
			const five = `${installed.user.fakes}/five`;
			/** More than a pipe holds, and less than a session's window. */
			writeFileSync(five, "#!/bin/sh\nhead -c 500000 /dev/zero\nexit 5\n", { mode: 0o755 });
			const go = `${installed.user.directory}/may-leave`;
			const wait = `{ until [ -e ${go} ]; do sleep 0.1; done; }`;
			const reader = installed.user.start("sh", ["-c", `run-in-vm shopping ${five} | ${wait}`]);
			const find = async () => {
				const { stdout } = await onBroker("ListSessions", "a{sv}", "1", "vm", "s", "shopping");
				return /"(shopping\.\d+\.[0-9a-f]{4})" "[^"]*" "five" /.exec(stdout)?.[1] ?? "";
			};
			let id = "";
			await until("it is there", async () => {
				id = await find();
				return id !== "";
			});
			expect((await onBroker("Wait", "sa{sv}", id, "0")).stdout).toContain('isa{sv} 5 "" ');
			writeFileSync(go, "");
			await reader.done;
			expect((await onBroker("Wait", "sa{sv}", id, "0")).stdout).toContain('isa{sv} 5 "" ');
		});

		it("whose vm ends under them, and says why nobody knows their end", async () => {
			const id = await run(bank, captured, "sleep", "1000");
			const waiting = onBroker("Wait", "sa{sv}", id, "0");
			expect(await on(bank, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
			const { stdout } = await waiting;
			expect(stdout).toContain('isa{sv} -1 "" ');
			expect(stdout).toMatch(/"reason" s ".*my-bank/);
		});

		it("whose vm ends under them while another client is connected, and says why here, too", async () => {
			const reader = installed.user.start("run-in-vm", ["my-bank", "sleep", "1000"]);
			let id = "";
			await until("it runs", async () => {
				const { stdout } = await onBroker("ListSessions", "a{sv}", "1", "vm", "s", "my-bank");
				id = /"(my-bank\.\d+\.[0-9a-f]{4})" "[^"]*" "sleep" "running"/.exec(stdout)?.[1] ?? "";
				return id !== "";
			});
			const waiting = onBroker("Wait", "sa{sv}", id, "0");
			/** It is told that the session is another's, and waits. */
			await delay(2_000);
			expect(await on(bank, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
			const { stdout } = await waiting;
			expect(stdout).toContain('isa{sv} -1 "" ');
			expect(stdout).toMatch(/"reason" s ".*my-bank.*" "remedy" s "/);
			expect((await reader.done).status).toBe(125);
		});

		it("that have ended, and refuses to signal them; their ends and outputs are told all the same", async () => {
			const ended = async (id: string) => {
				const { stdout } = await onBroker("ListSessions", "a{sv}", "0");
				return stdout.includes(`"${id}"`) && !stdout.includes("running");
			};
			const id = await run(shopping, ["0"], "sh", "-c", "echo out; exit 4");
			await until("it has ended", () => ended(id));
			for (let count = 0; count < 3; count++) {
				const { status, stderr } = await onBroker("Signal", "ssa{sv}", id, "SIGTERM", "0");
				expect([status, stderr]).toEqual([1, expect.stringContaining(`session ${id} has ended`)]);
			}
			expect((await onBroker("Wait", "sa{sv}", id, "0")).stdout).toMatch(
				/^isa\{sv\} 4 "" 4 "stdout" ay 4 111 117 116 10 /,
			);
			const marker = `${installed.user.directory}/has-said-out`;
			const sleeper = await run(shopping, ["0"], "sh", "-c", `echo out; : >${marker}; exec sleep 1000`);
			await until("it has spoken", async () => existsSync(marker));
			expect(await onBroker("Signal", "ssa{sv}", sleeper, "SIGTERM", "0")).toMatchObject({ status: 0 });
			await until("it has ended", async () => (await property("Sessions")) === "as 0");
			/** We are connected to it for a second more. */
			await delay(1_500);
			expect((await onBroker("Wait", "sa{sv}", sleeper, "0")).stdout).toMatch(
				/^isa\{sv\} -1 "SIGTERM" 4 "stdout" ay 4 111 117 116 10 /,
			);
		});

		it("once for each call, however many come at once to a vm that is stopped", { timeout: 60_000 }, async () => {
			expect(await on(bank, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
			const starts = installed.user.starts("my-bank");
			const calls = Array.from({ length: 50 }, (_, index) =>
				index % 2 === 0
					? run(bank, captured, "echo", String(index)).then(async (id) => {
							const [, , { stdout }] = await answer(broker, "Wait", "sa{sv}", id, "0");
							return Buffer.from(stdout.data).toString();
						})
					: installed.user.run("my-bank", "echo", String(index)).then(({ stdout }) => stdout),
			);
			expect(await Promise.all(calls)).toEqual(calls.map((_, index) => `${index}\n`));
			expect(installed.user.starts("my-bank")).toBe(starts + 1);
		});
	});

	describe("keeps a vm for who asks for it", () => {
		it("until they leave the bus", async () => {
			expect(await on(shopping, "Start", "a{sv}", "0")).toMatchObject({ status: 0 });
			const caller = new BusCaller(installed);
			expect(await caller.call(shopping, vm, "Inhibit", "('copying', @a{sv} {})")).toEqual([
				"ok",
				expect.stringMatching(/^\(uint32 \d+,\)$/),
			]);
			expect(await property("Leases")).toMatch(/^a\(sst\) 1 "inhibitor" ".*copying.*" \d+$/);
			expect(await property("State")).toBe('s "ready"');
			await caller.kill();
			await until("it is idle again", async () => (await property("State")) === 's "idle"');
			expect(await property("Leases")).toBe("a(sst) 0");
		});

		it("or say so, and only they", async () => {
			const [one, other] = [new BusCaller(installed), new BusCaller(installed)];
			const [, reply] = await one.call(shopping, vm, "Inhibit", "('x', @a{sv} {})");
			const number = /\d+(?=,)/.exec(String(reply))?.[0];
			const release = `(uint32 ${number}, @a{sv} {})`;
			expect(await other.call(shopping, vm, "Uninhibit", release)).toEqual([
				...["error", "org.qubeslite.Error.BadRequest", `you hold no inhibitor ${number}`],
			]);
			expect(await property("State")).toBe('s "ready"');
			expect(await one.call(shopping, vm, "Uninhibit", release)).toEqual(["ok", "()"]);
			await until("it is idle again", async () => (await property("State")) === 's "idle"');
			await Promise.all([one.kill(), other.kill()]);
		});
	});

	it("runs nothing for a caller that has left before its vm was there", { timeout: 60_000 }, async () => {
		expect(await on(shopping, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
		installed.user.order("shopping", { hello: "never" });
		const caller = new BusCaller(installed);
		const marker = `${installed.user.directory}/was-run`;
		await caller.send(shopping, vm, "Run", `(['touch', '${marker}'], @a{sv} {})`);
		await until("it boots", async () => (await property("State")) === 's "booting"');
		await caller.kill();
		await until("it is seen to leave", async () => (await property("Leases")) === "a(sst) 0");
		installed.user.order("shopping", {});
		await until("it is idle", async () => (await property("State")) === 's "idle"');
		expect((await onBroker("ListSessions", "a{sv}", "1", "vm", "s", "shopping")).stdout).toBe("a(soss) 0\n");
		expect(() => readFileSync(marker)).toThrow("ENOENT");
	});

	it("sets what can be set, and refuses to have properties written", async () => {
		expect(await on(shopping, "Start", "a{sv}", "0")).toMatchObject({ status: 0 });
		expect(await on(shopping, "Set", "a{sv}a{sv}", "1", "idleTimeout", "u", "600", "0")).toMatchObject({
			status: 0,
			stderr: "",
		});
		expect(await property("IdleTimeout")).toBe("u 600");
		for (const [name, type, value] of [
			["State", "s", "failed"],
			["IdleTimeout", "u", "1"],
			["Name", "s", "x"],
		] as const) {
			const before = await property(name);
			const { status, stderr } = await busctl("set-property", broker, shopping, vm, name, type, value);
			expect(status).toBe(1);
			expect(stderr).toContain(`${name} can't be set`);
			expect(await property(name)).toBe(before);
		}
	});

	it("restarts nothing that it must not start, and no disposable", async () => {
		const { stdout } = await onBroker("RunDisposable", "sasa{sv}", "", "2", "sleep", "1000", "0");
		const path = /"(\/org.*)"/.exec(stdout)?.[1] ?? "";
		expect((await on(path, "Restart", "a{sv}", "0")).stderr).toContain("is a disposable, of which there is no other");
		expect(await on(path, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
		await until("it is gone", async () => (await onBroker("ListVMs", "a{sv}", "0")).stdout.startsWith("a(sous) 3 "));
	});

	it("says what is wrong with the configuration, as long as it is", async () => {
		const read = async () => (await busctl("get-property", broker, root, broker, "ConfigProblem")).stdout;
		const good = readFileSync(installed.user.env.QUBES_LITE_CONFIG ?? "", "utf8");
		expect(await read()).toBe('s ""\n');
		installed.writeConfig("{");
		await until("it says so", async () => (await read()).includes("config.json"));
		installed.writeConfig(good);
		await until("it says nothing any more", async () => (await read()) === 's ""\n');
	});

	describe("refuses by name, and starts nothing:", () => {
		let caller: BusCaller;
		const starts = () => names.map((name) => installed.user.starts(name));
		const error = (code: string) => `org.qubeslite.Error.${code}`;

		beforeAll(() => {
			caller = new BusCaller(installed);
		});
		afterAll(() => caller.kill());

		it.each([
			[
				"a vm that there is not",
				root,
				broker,
				"GetVM",
				"('shoping', @a{sv} {})",
				error("NoSuchVm"),
				"did you mean 'shopping'?",
			],
			["a bad name", root, broker, "GetVM", "('../x', @a{sv} {})", error("BadName"), "is not a vm name"],
			[
				"a name of 1 MiB",
				root,
				broker,
				"GetVM",
				`('${"x".repeat(1 << 20)}', @a{sv} {})`,
				error("BadName"),
				"is not a vm name",
			],
			[
				"an object that there is not",
				`${root}/vm/nope`,
				vm,
				"Start",
				"(@a{sv} {},)",
				"org.freedesktop.DBus.Error.UnknownObject",
				"no object",
			],
			[
				"wrong types",
				shopping,
				vm,
				"Run",
				"('ls', @a{sv} {})",
				"org.freedesktop.DBus.Error.InvalidArgs",
				"takes 'asa{sv}', not 'sa{sv}'",
			],
			[
				"an option of another type",
				bank,
				vm,
				"Run",
				"(['ls'], {'user': <7>})",
				error("BadRequest"),
				"the option 'user' is not a string",
			],
			[
				"a relative directory",
				bank,
				vm,
				"Run",
				"(['ls'], {'directory': <'x'>})",
				error("BadRequest"),
				"not an absolute path",
			],
			["nothing to run", bank, vm, "Run", "(@as [], @a{sv} {})", error("BadRequest"), "no command"],
			[
				"words that are not UTF-8",
				bank,
				vm,
				"RunBytes",
				"([[byte 0x65], [0xff, 0xfe]], @a{sv} {})",
				error("BadRequest"),
				"word 1 of the command is not UTF-8",
			],
			[
				"a command that is too long",
				bank,
				vm,
				"Run",
				`(['echo', '${"x".repeat(4 << 20)}'], @a{sv} {})`,
				error("BadRequest"),
				"the limit is 4194304",
			],
			[
				"a call that is too long",
				bank,
				vm,
				"Run",
				`(['echo', '${"x".repeat(5 << 20)}'], @a{sv} {})`,
				"org.freedesktop.DBus.Error.LimitsExceeded",
				"more than",
			],
			[
				"a reason of 1 MiB",
				bank,
				vm,
				"Inhibit",
				`('${"x".repeat(1 << 20)}', @a{sv} {})`,
				error("BadRequest"),
				"the limit is 64",
			],
			["an unknown setting", bank, vm, "Set", "({'colour': <1>}, @a{sv} {})", error("BadRequest"), "colour"],
			[
				"what is no session",
				root,
				broker,
				"Wait",
				"('shopping', @a{sv} {})",
				error("BadRequest"),
				"is not the id of a session",
			],
			[
				"a session of another boot",
				root,
				broker,
				"Wait",
				"('shopping.1.0000', @a{sv} {})",
				error("NotRunning"),
				"earlier boot",
			],
			[
				"no signal",
				root,
				broker,
				"Signal",
				"('shopping.1', 'SIGSTOP', @a{sv} {})",
				error("BadRequest"),
				"no signal that can be sent",
			],
			[
				"a vm that must not be started",
				bank,
				vm,
				"Run",
				"(['ls'], {'noStart': <true>})",
				error("NotRunning"),
				"must not start it",
			],
		])("%s", async (_, path, name, method, args, errorName, words) => {
			expect(await on(bank, "Kill", "a{sv}", "0")).toMatchObject({ status: 0 });
			const before = starts();
			const answer = await caller.call(path, name, method, args);
			expect(answer.slice(0, 2)).toEqual(["error", errorName]);
			expect(answer[2]).toContain(words);
			expect(answer[2]).not.toMatch(/\.(cjs|ts|js):\d/);
			expect(starts()).toEqual(before);
		});

		it("a command that its guest has not", async () => {
			const [, name, text] = await caller.call(bank, vm, "Run", "(['/nonexistent'], @a{sv} {})");
			expect([name, text]).toEqual([error("BadRequest"), expect.stringContaining("/nonexistent")]);
		});

		it("but not options that it does not know", async () => {
			const options = "{'colour': <'red'>, '__proto__': <'x'>, 'constructor': <7>}";
			expect(await caller.call(bank, vm, "Run", `(['true'], ${options})`)).toEqual([
				"ok",
				expect.stringContaining("my-bank."),
			]);
		});
	});
});
