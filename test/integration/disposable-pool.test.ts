/** Instances that share a pool of TAPs, which the test makes in a network of its own: the real broker and shim, and a fake vmm. */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Running } from "../e2e/harness.ts";
import { anyVm } from "../fakes/fake-guest-orders.ts";
import { isSoak } from "../rounds.ts";
import { FakeUser } from "./fake-user.ts";
import { canMakeTaps, TapHost } from "./tap-host.ts";
import { UserManager } from "./user-manager.ts";

const vms = [
	{ id: 5, name: "shopping", memory: 512 },
	{ id: 13, name: "vault", network: false },
	{ id: 15, name: "disp", disposable: true },
];
const pool = (...ids: number[]) => ({ disposablePool: { ids } });

/** Real guests kept by systemd share one in test/e2e/disposable-pool.test.ts. */
const supervisors = isSoak ? ["direct", "systemd"] : ["direct"];

describe.runIf(canMakeTaps).each(supervisors)("a pool of two TAPs, with instances kept by %s", (supervisor) => {
	let host: TapHost;
	let user: FakeUser;
	let manager: UserManager | undefined;
	const sessions: Running[] = [];

	beforeAll(async () => {
		host = await TapHost.start({ "ql-d101": 101, "ql-d103": 103, "ql-d107": 107 });
		user = new FakeUser({
			...{ vms, supervisor, within: host.within, hasManager: supervisor === "systemd", config: pool(101, 103, 105) },
			env: { QUBES_LITE_BROKER_IDLE_MS: "5000" },
		});
		if (supervisor === "systemd") manager = await UserManager.start(user);
	});

	afterEach(async () => {
		for (const running of sessions.splice(0)) running.kill("SIGKILL");
		await user.until("no instance is left", () => directories().length === 0);
		user.configure(vms);
	});

	afterAll(async () => {
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		await manager?.stop();
		expect((await user.leave([])).processes).toEqual([]);
		await host.stop();
	});

	const directories = (): string[] =>
		readdirSync(user.directory).includes("qubes-lite")
			? readdirSync(user.runtime).filter((name) => name.startsWith("disp-"))
			: [];

	/** A session in a fresh instance of `base`, and the name of that. */
	async function begin(base: string): Promise<{ running: Running; name: string }> {
		const running = user.start("run-in-vm", [`--disposable=${base}`, "sh", "-c", "echo up; read -r line"]);
		sessions.push(running);
		const before = directories();
		await user.until("it is up", () => running.stdout() === "up\n");
		return { running, name: directories().find((name) => !before.includes(name)) ?? "" };
	}

	async function end({ running, name }: { running: Running; name: string }): Promise<void> {
		running.stdin.end("\n");
		expect(await running.done).toMatchObject({ status: 0 });
		await user.until("it is gone", () => !directories().includes(name));
	}

	/** What QEMU is told of an instance's network and address. */
	function networkOf(name: string) {
		const words = readFileSync(`/proc/${user.vmmPid(name)}/cmdline`, "utf8").split("\0");
		const after = (flag: string) => words[words.indexOf(flag) + 1] ?? "";
		return {
			netdev: after("-netdev"),
			mac: words.find((word) => word.startsWith("virtio-net"))?.match(/mac=([^,]*)/)?.[1],
			addresses: /ifname=.*?(?= qubeslite| root=)/.exec(after("-append"))?.[0],
		};
	}

	const withTap = (id: number) => {
		const mac = `02:51:4c:00:00:${id.toString(16)}`;
		return {
			netdev: `tap,id=net,ifname=ql-d${id},script=no,downscript=no`,
			mac,
			addresses: `ifname=vm0:${mac} ip=172.16.200.${id}::172.16.200.${id - 1}:255.255.255.254::vm0:none`,
		};
	};

	it("gives each its own, refuses a third by name, and gives away again what is left", async () => {
		const [first, second] = [await begin("disp"), await begin("shopping")];
		expect(networkOf(first.name)).toEqual(withTap(101));
		expect(networkOf(second.name)).toEqual(withTap(103));
		const { status, stderr } = await user.run("--disposable", "true");
		expect({ status, lines: stderr.split("\n") }).toMatchObject({
			status: 125,
			lines: [
				`run-in-vm: all 2 TAPs of disposablePool are in use, by ${first.name}, ${second.name}`,
				expect.stringContaining(`qubes-lite stop ${first.name}   # or add ids to disposablePool`),
				"",
			],
		});
		await end(first);
		const third = await begin("shopping");
		expect(networkOf(third.name)).toEqual(withTap(101));
	});

	it("serves one run after the other, also where there is but one TAP", async () => {
		user.configure(vms, pool(103));
		const words = [1, 2, 3].map((round) => `run-in-vm --disposable echo ${round}`).join(" && ");
		expect(await user.sh(words)).toMatchObject({ status: 0, stdout: "1\n2\n3\n", stderr: "" });
	});

	it("makes who comes while an instance ends wait for its TAP, no longer than they want, and not if they leave", async () => {
		user.configure(vms, pool(103));
		user.order(anyVm, { powerOffDelayMs: 12_500 });
		const made = user.log().split('"event":"instance.created"').length;
		const first = await begin("disp");
		first.running.stdin.end("\n");
		expect(await first.running.done).toMatchObject({ status: 0 });
		const leaves = user.start("run-in-vm", ["--disposable", "echo", "left"]);
		const impatient = await user.run("--timeout", "1", "--disposable", "true");
		expect(impatient).toMatchObject({
			status: 124,
			stderr: expect.stringMatching(/no TAP of disposablePool has become free within 1 s\n.*qubes-lite ls --all/),
		});
		leaves.kill("SIGTERM");
		expect(await leaves.done).toMatchObject({ stdout: "" });
		expect(directories()).toEqual([first.name]);
		user.order(anyVm, {});
		expect(await user.run("--disposable", "echo", "hi")).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
		expect(user.log().split('"event":"instance.created"').length - made).toBe(2);
	});

	it("never gives one to two of many who ask at once", async () => {
		const words = ["--disposable", "sh", "-c", "echo up; read -r line"];
		const runs = Array.from({ length: 6 }, () => user.start("run-in-vm", words));
		sessions.push(...runs);
		const statuses: (number | null)[] = [];
		for (const { done } of runs) void done.then(({ status }) => statuses.push(status));
		const up = () => runs.filter((running) => running.stdout() === "up\n").length;
		await user.until("all are up or refused", () => up() + statuses.length === runs.length);
		expect(statuses).toEqual([125, 125, 125, 125]);
		expect(
			directories()
				.map((name) => networkOf(name).netdev)
				.sort(),
		).toEqual([withTap(101).netdev, withTap(103).netdev]);
	});

	it("gives none to a base without a network, which is no reason to refuse it", async () => {
		const all = [await begin("vault"), await begin("vault"), await begin("vault")];
		expect(all.map(({ name }) => networkOf(name).mac)).toEqual([undefined, undefined, undefined]);
	});

	it("is as it was for the next broker, whose instances have others", async () => {
		const first = await begin("disp");
		user.signalBrokers("SIGKILL");
		const second = await begin("disp");
		expect([first, second].map(({ name }) => networkOf(name).netdev)).toEqual([
			withTap(101).netdev,
			withTap(103).netdev,
		]);
		expect(await user.run("--disposable", "true")).toMatchObject({
			status: 125,
			stderr: expect.stringContaining(first.name),
		});
	});

	it("may change: what leaves it is left alone, what comes is there at once, without any all is as without a pool", async () => {
		const first = await begin("disp");
		user.configure(vms, pool(107));
		const second = await begin("disp");
		expect(networkOf(second.name)).toEqual(withTap(107));
		user.configure(vms, {});
		const third = await begin("disp");
		expect(networkOf(third.name).netdev).toContain("user,id=net,net=172.16.200.15/24");
		await end(first);
	});
});
