/** Real guests on real TAPs, in a network that the test makes: instances that share a pool of two, each with its own address. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { canMakeTaps, TapHost } from "../integration/tap-host.ts";
import { UserManager } from "../integration/user-manager.ts";
import { isSoak } from "../rounds.ts";
import { type Running, TestUser } from "./harness.ts";

const disp = { id: 15, name: "disp", memory: 256, disposable: true };
const other = { id: 5, name: "other", memory: 256 };

/** host-tap.test.ts has guests of "direct" on TAPs; what else may differ there is looked at with fake vmms (test/integration). */
const supervisors = isSoak ? ["systemd", "direct"] : ["systemd"];

describe.runIf(canMakeTaps).each(supervisors)("a pool of two TAPs, with instances kept by %s", (supervisor) => {
	let host: TapHost;
	let user: TestUser;
	let manager: UserManager | undefined;
	const sessions: Running[] = [];

	beforeAll(async () => {
		host = await TapHost.start({ "ql-d101": 101, "ql-d103": 103 });
		user = new TestUser({
			...{ vms: [disp, other], supervisor, within: host.within, hasManager: supervisor === "systemd" },
			config: { disposablePool: { ids: [101, 103] } },
		});
		if (supervisor === "systemd") manager = await UserManager.start(user);
	});

	afterEach(() => {
		for (const running of sessions.splice(0)) running.kill("SIGKILL");
	});

	afterAll(async () => {
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		await manager?.stop();
		expect((await user.leave([])).processes).toEqual([]);
		await host.stop();
	});

	/** Says its address, and whether its gateway answers; then waits for a line. */
	const script =
		"ip -4 -o addr show vm0 | sed 's/.*inet \\([^ /]*\\).*/\\1/'; ping -c 1 -w 10 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p') >/dev/null && echo reached; read -r line";
	const begin = (base: string): Running => {
		const running = user.start("run-in-vm", ["-u", "root", `--disposable=${base}`, "sh", "-c", script]);
		sessions.push(running);
		return running;
	};
	const said = async (running: Running): Promise<string> => {
		await user.until("it has said all", () => running.stdout().split("\n").length === 3, 120_000);
		return running.stdout();
	};
	const end = async (running: Running): Promise<void> => {
		running.stdin.end("\n");
		expect(await running.done).toMatchObject({ status: 0 });
	};

	it("gives two at once an address each, by which they reach their gateway, and a third none", async () => {
		const both = [begin("disp"), begin("disp")] as const;
		const answers = await Promise.all(both.map(said));
		expect(answers.sort()).toEqual(["172.16.200.101\nreached\n", "172.16.200.103\nreached\n"]);
		expect(await user.run("--disposable", "true")).toMatchObject({
			status: 125,
			stderr: expect.stringMatching(/all 2 TAPs of disposablePool are in use, by disp-..6[57], disp-..6[57]\n/),
		});
		const free = both[0].stdout();
		await end(both[0]);
		const third = begin("other");
		expect(await said(third)).toBe(free);
		await Promise.all([end(both[1]), end(third)]);
	});

	/** What follows is the broker's alone (test/broker/disposable-taps.test.ts). */
	if (supervisor === "systemd") return;

	it("has room for one who asks for another base, where instances are kept ready by all of it", async () => {
		user.configure([{ ...disp, preload: 2 }, other]);
		const kept = async () => (await user.sh("qubes-lite ls --all")).stdout.split("paused").length - 1;
		await user.until("both are ready", async () => (await kept()) === 2, 120_000);
		const asked = begin("other");
		expect(await said(asked)).toMatch(/^172\.16\.200\.10[13]\nreached\n$/);
		const claimed = begin("disp");
		expect(await said(claimed)).toMatch(/^172\.16\.200\.10[13]\nreached\n$/);
		user.configure([disp, other]);
		await Promise.all([end(asked), end(claimed)]);
	});
});
