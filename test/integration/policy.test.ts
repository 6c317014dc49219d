/** Policy files, as a user writes them, and what the broker lets happen then. */
import { chmodSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { type FakeUser, managerUids } from "./fake-user.ts";
import { allowAll, PolicyUser, policyVmNames } from "./policy-user.ts";

describe.each(managerUids)("of a user with the uid %s", (uid) => {
	let mine: PolicyUser;
	let user: FakeUser;

	beforeAll(() => {
		mine = new PolicyUser(uid);
		user = mine.user;
	});

	afterAll(async () => {
		mine.forget();
		expect(await user.leave(policyVmNames)).toEqual(nothingLeft);
	});

	afterEach(() => mine.forget());

	const denied = (why: string, remedy: string): string =>
		`qubes-lite: the policy does not allow this: ${why}\n  → ${remedy}\n`;

	it("a rule holds from the next request on, for the vm that it names and what it says, until it is gone", async () => {
		expect((await user.sh("qubes-lite start shopping vault")).status).toBe(0);
		mine.write(`# Somebody is working in it.\nstop * @host vault deny\n${allowAll}`);
		const refused = {
			...{ status: 1, stdout: "" },
			stderr: denied(`${mine.file}:2 says: stop * @host vault deny`, "qubes-lite policy explain @host vault stop"),
		};
		expect(await user.sh("qubes-lite stop vault")).toMatchObject(refused);
		expect(await user.sh("qubes-lite kill vault")).toMatchObject({ status: 1 });
		expect(await user.stateOf("vault")).toBe("idle");
		expect(await user.sh("qubes-lite stop shopping")).toMatchObject({ status: 0, stderr: "" });
		expect(await user.sh("qubes-lite stop vault")).toMatchObject(refused);
		mine.write(allowAll);
		expect(await user.sh("qubes-lite stop vault")).toMatchObject({ status: 0, stderr: "" });
		const event = { source: "@host", target: "vault", service: "stop", rule: `${mine.file}:2` };
		const { level, ...first } = mine.logged("policy.denied")[0] ?? {};
		expect(first).toMatchObject(event);
		expect(level).toBe(30);
		expect(mine.logged("policy.denied")).toHaveLength(3);
	});

	it("what happens to a vm whose events are denied is not told to who asks for all vms' either", async () => {
		mine.write(`events * @host vault deny\n${allowAll}`);
		const watcher = user.start("qubes-lite", ["events", "--json"]);
		await user.until("it listens", () => watcher.stdout().includes("shopping"));
		expect(await user.sh("qubes-lite start vault && qubes-lite start shopping")).toMatchObject({ status: 0 });
		await user.until("shopping's is told", () => watcher.stdout().includes('"to":"idle"'));
		expect(watcher.stdout()).not.toContain("vault");
		mine.write(allowAll);
		await user.until("vault is told of", () => watcher.stdout().includes('"vm-added","vm":"vault"'));
		watcher.kill("SIGTERM");
		await watcher.done;
		expect(await user.sh("qubes-lite stop shopping vault")).toMatchObject({ status: 0 });
	});

	it("a bad line denies all, names itself, and starts nothing; once it is mended all is as before", async () => {
		expect((await user.run("shopping", "true")).status).toBe(0);
		const starts = policyVmNames.map((name) => user.starts(name));
		const brokers = user.brokerPids();
		mine.write(`${allowAll}exce * @host vault deny\n`);
		const stderr = denied(
			`it allows nothing until its mistake is mended: ${mine.file}:2: SERVICE is 'exce'; expected one of *, exec, attach, broker, list, sessions, status, console, start, stop, set, inhibit, events, open, clip; did you mean 'exec'?`,
			"qubes-lite policy lint",
		);
		for (const command of [
			"ls",
			"status",
			"status vault",
			"ps",
			"start vault",
			"stop shopping",
			"kill shopping",
			"why vault",
			"set shopping idleTimeout=1",
			"inhibit vault -- true",
			"console shopping",
			"events",
		]) {
			expect(await user.sh(`qubes-lite ${command}`), command).toMatchObject({ status: 1, stdout: "", stderr });
		}
		for (const words of [
			["vault", "true"],
			["shopping", "true"],
			["--disposable", "true"],
			["--attach", "shopping.1"],
		]) {
			expect(await user.run(...words), words.join(" ")).toMatchObject({
				...{ status: 125, stdout: "", stderr: stderr.replace("qubes-lite", "run-in-vm") },
			});
		}
		mine.write(allowAll);
		expect(policyVmNames.map((name) => user.starts(name))).toEqual(starts);
		expect(user.brokerPids()).toEqual(brokers);
		expect(await user.stateOf("shopping")).toBe("idle");
		expect((await user.run("vault", "true")).status).toBe(0);
	});

	it("what others may write to denies all", async () => {
		mine.write(allowAll);
		expect((await user.sh("qubes-lite ls -q")).status).toBe(0);
		chmodSync(mine.file, 0o666);
		expect((await user.sh("qubes-lite ls -q")).stderr).toBe(
			denied(
				`it allows nothing until its mistake is mended: ${mine.file}: may be written to by others than its owner (mode 0666); expected only its owner`,
				"qubes-lite policy lint",
			),
		);
		const { stdout } = await user.sh("qubes-lite policy lint | sed -n 's/^ *→ //p' | sh && qubes-lite ls -q");
		expect(stdout).toBe("banking\nshopping\nvault\ndisp\nwork\n");
	});
});

describe("a rule", () => {
	let mine: PolicyUser;
	let user: FakeUser;

	beforeAll(() => {
		mine = new PolicyUser();
		user = mine.user;
	});

	afterAll(async () => {
		mine.forget();
		expect(await user.leave(policyVmNames)).toEqual(nothingLeft);
	});

	const isDenied = (outcome: Outcome, line: number): void =>
		expect(outcome).toMatchObject({ status: 125, stderr: expect.stringContaining(` ${mine.file}:${line} says: `) });

	it("is for a command by its first word as it is typed", async () => {
		mine.write(`exec +true @host vault allow\nexec * @host vault deny\n${allowAll}`);
		expect((await user.run("vault", "true")).status).toBe(0);
		isDenied(await user.run("vault", "sh", "-c", "true"), 2);
		isDenied(await user.run("vault", "/bin/true"), 2);
		expect((await user.run("shopping", "sh", "-c", "true")).status).toBe(0);
	});

	it("is for instances that are made and those that run, by what they are instances of", async () => {
		mine.write(`exec * @host @dispvm:work deny\nstop * @host @dispvm deny\n${allowAll}`);
		isDenied(await user.run("--disposable=work", "true"), 1);
		expect((await user.run("--disposable", "true")).status).toBe(0);
		const { stdout } = await user.run("--disposable", "--detach", "sleep", "1000");
		const instance = stdout.slice(0, "disp-1a2b".length);
		expect(instance).toMatch(/^disp-[0-9a-f]{4}$/);
		const refused = await user.sh(`qubes-lite stop ${instance}`);
		expect(refused).toMatchObject({
			...{ status: 1, stderr: expect.stringContaining(`${mine.file}:2 says: stop * @host @dispvm deny\n`) },
		});
		const remedy = "qubes-lite policy explain @host @dispvm:disp stop";
		expect(refused.stderr).toContain(`→ ${remedy}\n`);
		expect((await user.sh(remedy)).stdout).toBe(`deny: ${mine.file}:2: stop * @host @dispvm deny\n`);
		/** The next broker knows it as well. */
		await user.endBrokers();
		expect((await user.sh(`qubes-lite stop ${instance}`)).status).toBe(1);
		mine.write(allowAll);
		expect((await user.sh(`qubes-lite stop ${instance}`)).status).toBe(0);
	});

	it("is for what is set", async () => {
		mine.write(`set +idleTimeout @host @anyvm deny\n${allowAll}`);
		expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
		expect((await user.sh("qubes-lite set shopping maxLifetime=3600")).status).toBe(0);
		const { status, stderr } = await user.sh("qubes-lite set shopping maxLifetime=60 idleTimeout=60");
		expect([status, stderr]).toEqual([1, expect.stringContaining("says: set +idleTimeout @host @anyvm deny\n")]);
		expect(await user.status("shopping")).toMatchObject({ set: { maxLifetime: 3600 } });
	});

	it("that denies lists hides the broker from nobody's doctor", async () => {
		mine.write(allowAll);
		expect((await user.sh("qubes-lite ls")).status).toBe(0);
		mine.write("* * @host @anyvm deny\n");
		const diagnosis = await mine.user.diagnose();
		expect(diagnosis.of("policy")).toMatchObject({
			...{ status: "WARN", remedy: "qubes-lite policy lint" },
			sentence: `${mine.file}:1: @host may not even list the vms (qubes-lite ls): ${mine.file}:1 denies it`,
		});
		expect(diagnosis.of("broker")).toMatchObject({
			...{ status: "PASS", sentence: expect.stringMatching(/ answers; the policy does not let it list the vms$/) },
		});
	});

	it("does not end what was granted before, also where the next broker would not grant it", async () => {
		mine.write(allowAll);
		const running = user.start("run-in-vm", ["shopping", "sh", "-c", "echo up; read word; echo $word"]);
		await user.until("it runs", () => running.stdout() === "up\n");
		mine.write("* * @host @anyvm deny\n");
		await user.endBrokers();
		/** Starts the next one, which the session's client tells that it is there, and is denied. */
		expect((await user.sh("qubes-lite ls")).status).toBe(1);
		await user.until("it has asked", () => mine.logged("policy.denied").some(({ service }) => service === "attach"));
		running.stdin.end("word\n");
		expect(await running.done).toMatchObject({ status: 0, stdout: "up\nword\n", stderr: "" });
	});
});
