/**
 * What every hypervisor's driver owes, seen from outside: a user with vms of it, the real client, broker and supervisor. Runs on real guests,
 * or on a stand-in that keeps to the same rules. A driver's own test says how to look into its guests (VmmPlace), and calls this.
 */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { capabilities, type Hypervisor } from "../../src/config/hypervisor.ts";
import type { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";
import { nothingLeft, type TestUser } from "../e2e/harness.ts";

/** A user whose vms a hypervisor runs, and what can be seen of their guests. */
export interface VmmPlace {
	readonly user: TestUser;
	/** The words that the vmm of a running vm was started with, without its program. */
	argvOf(vm: string): readonly string[];
	/** How its control socket is spoken to. */
	controlOf(vm: string): ReturnType<typeof toVmmControl>;
	/** The vmm has its guest stand still. */
	standsStill(vm: string): Promise<boolean>;
	/** Network interfaces of the guest besides its loopback. */
	cardsOf(vm: string): Promise<number>;
	/** What the guest's disks are called, vda first, with "ro" behind those that can't be written. */
	disksOf(vm: string): Promise<string[]>;
	/** Its kernel panics; resolves when it has been told to. */
	panic(vm: string): Promise<void>;
	/** It reboots by itself; resolves when it has been told to. */
	reboot(vm: string): Promise<void>;
	/** Ends whatever the place is made of. */
	leave(): Promise<void>;
}

export interface VmmUnderTest {
	readonly hypervisor: Hypervisor;
	/** Of a configuration whose vms are all offline. */
	start(vms: readonly object[]): Promise<VmmPlace>;
}

const names = ["plain", "disks", "pausing", "rebooting", "disp"];

export function describeVmm({ hypervisor, start }: VmmUnderTest): void {
	const can = capabilities[hypervisor];
	let place: VmmPlace;
	let user: TestUser;
	let disk: (name: string) => string;

	const offline = { memory: 256, network: false };
	const vmsOf = (directory: string): object[] => [
		{ ...offline, id: 3, name: "plain" },
		{
			...{ ...offline, id: 5, name: "disks", kernelParams: ["loglevel=4"] },
			disks: [
				{ path: join(directory, "first.img"), id: "home" },
				{ path: join(directory, "a b,c=[d].img"), readOnly: true },
				join(directory, "third.img"),
			],
		},
		{ ...offline, id: 7, name: "pausing", idleTimeout: 1, idleAction: "pause" },
		{ ...offline, id: 9, name: "rebooting", rebootAction: can.tellsReboot ? "restart" : "stop" },
		{ ...offline, id: 15, name: "disp", disposable: true, preload: 1 },
	];

	beforeAll(async () => {
		/** Where the disks are is known only once there is a user: it is told of them then. */
		place = await start([{ ...offline, id: 3, name: "plain" }]);
		user = place.user;
		disk = (name) => join(user.directory, name);
		for (const name of ["first.img", "a b,c=[d].img", "third.img"]) {
			writeFileSync(disk(name), "");
			truncateSync(disk(name), 1024 * 1024);
		}
	});

	afterAll(async () => {
		const left = await user.leave(names);
		await place.leave();
		expect(left).toEqual(nothingLeft);
	});

	const configure = (...wanted: readonly string[]): void =>
		user.configure(vmsOf(user.directory).filter((vm) => wanted.includes((vm as { name: string }).name)));
	const stateOf = async (vm: string): Promise<string> => (await user.status(vm)).state;
	/** Never 0, which would be our own process group. */
	const vmmPid = async (vm: string): Promise<number> => {
		const { pid } = await user.status(vm);
		if (pid === null) throw new Error(`${vm} has no vmm`);
		return pid;
	};
	const until = (vm: string, state: string): Promise<void> =>
		user.until(`${vm} is ${state}`, async () => (await stateOf(vm)) === state);
	const why = async (vm: string): Promise<string> => (await user.sh(`qubes-lite why ${vm}`)).stdout;

	describe("a vm", () => {
		it("boots for a command, says hello, and runs it with its streams and its end", async () => {
			configure("plain");
			expect(await user.run("plain", "echo", "hi")).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
			expect(await user.sh("run-in-vm plain sh -c 'tr a-z A-Z; exit 7'", "abc\n")).toMatchObject({
				...{ status: 7, stdout: "ABC\n", stderr: "" },
			});
			expect((await user.run("plain", "sh", "-c", "kill -9 $$")).status).toBe(137);
			expect(await user.status("plain")).toMatchObject({ hypervisor, bootMs: expect.any(Number) });
		});

		it("is started by the words that --print-argv prints", async () => {
			const printed = await user.sh("qubes-lite start --print-argv --json plain");
			expect(JSON.parse(printed.stdout).vms[0]).toMatchObject({ vm: "plain", hypervisor });
			expect(JSON.parse(printed.stdout).vms[0].argv.slice(1)).toEqual(place.argvOf("plain"));
		});

		it("has no network card where it is offline", async () => {
			expect(await place.cardsOf("plain")).toBe(0);
		});

		it("has its disks in their order, by their ids, and some only to be read", async () => {
			configure("plain", "disks");
			expect((await user.run("disks", "true")).status).toBe(0);
			expect(await place.disksOf("disks")).toEqual(["root ro", "home", "disk1 ro", "disk2"]);
		});

		it("runs beside another one", async () => {
			const outcomes = await Promise.all(["plain", "disks"].map((vm) => user.run(vm, "sh", "-c", "sleep 1; echo up")));
			expect(outcomes.map(({ stdout }) => stdout)).toEqual(["up\n", "up\n"]);
			const pids = await Promise.all(["plain", "disks"].map(async (vm) => (await user.status(vm)).pid));
			expect(new Set(pids).size).toBe(2);
		});
	});

	describe("a vm that is paused when it is idle", () => {
		it("stands still, and goes on as the same for whoever comes", async () => {
			configure("plain", "disks", "pausing");
			expect((await user.run("pausing", "true")).status).toBe(0);
			await user.until("it is paused", async () => (await user.status("pausing")).flags.includes("paused"));
			await user.until("it stands still", () => place.standsStill("pausing"));
			const { pid } = await user.status("pausing");
			expect(await user.run("pausing", "echo", "on")).toMatchObject({ status: 0, stdout: "on\n" });
			expect((await user.status("pausing")).pid).toBe(pid);
		});

		it("is found by the next broker, and stops when it is asked to", async () => {
			await user.until("it is paused", async () => (await user.status("pausing")).flags.includes("paused"));
			await user.endBrokers();
			expect(await user.run("pausing", "echo", "again")).toMatchObject({ status: 0, stdout: "again\n" });
			expect((await user.sh("qubes-lite stop pausing")).status).toBe(0);
			expect(await why("pausing")).toMatch(/^stopped at \d\d:\d\d: stopped by request\n/);
		});
	});

	describe("the end of a vm", () => {
		it("is in good order when it is asked to stop, with its console kept and nothing else", async () => {
			expect((await user.sh("qubes-lite stop disks")).status).toBe(0);
			expect(await why("disks")).toMatch(/^stopped at \d\d:\d\d: stopped by request\n/);
			expect((await user.sh("qubes-lite logs --console disks")).stdout).toContain("qubes-lite: phase agent");
			expect(existsSync(join(user.runtime, "disks"))).toBe(false);
		});

		it("is its guest's own where the power button is pressed", async () => {
			await place.controlOf("plain").pressPowerButton();
			await until("plain", "stopped");
			expect(await why("plain")).toMatch(/^stopped at \d\d:\d\d: the guest powered off\n/);
		});

		it("is named where its vmm is killed, to who runs something, and the next one is as the first", async () => {
			const running = user.start("run-in-vm", ["plain", "sh", "-c", "echo up; sleep 1000"]);
			await user.until("it runs", () => running.stdout() === "up\n");
			process.kill(await vmmPid("plain"), "SIGKILL");
			expect(await running.done).toMatchObject({
				status: 125,
				stderr: expect.stringContaining("plain ended while the command ran: its vmm was ended by SIGKILL"),
			});
			expect(await user.run("plain", "echo", "again")).toMatchObject({ status: 0, stdout: "again\n" });
		});

		it("leaves nothing that is in the way, whoever was killed with it", async () => {
			const pid = await vmmPid("plain");
			for (const process_ of user.processes().filter(({ words }) => /broker\.cjs|vm-shim\.sh/.test(words)))
				process.kill(process_.pid, "SIGKILL");
			process.kill(pid, "SIGKILL");
			await user.until("all are gone", () => !user.processes().some(({ pid: one }) => one === pid));
			expect(readdirSync(join(user.runtime, "plain"))).toContain("vhost-vsock.sock");
			expect(await user.run("plain", "echo", "anew")).toMatchObject({ status: 0, stdout: "anew\n", stderr: "" });
		});

		it("is a failure by a panic, in the guest's own words", async () => {
			await until("plain", "idle");
			await place.panic("plain");
			await until("plain", "failed");
			expect(await why("plain")).toMatch(/^failed at \d\d:\d\d: its guest's kernel panicked: .*sysrq triggered crash/);
		});

		it("is what the configuration makes of a reboot", async () => {
			configure("plain", "rebooting");
			expect((await user.sh("qubes-lite start rebooting")).status).toBe(0);
			const { pid } = await user.status("rebooting");
			await place.reboot("rebooting");
			if (can.tellsReboot) {
				const isUpAgain = async (): Promise<boolean> => {
					const now = await user.status("rebooting");
					return now.state === "idle" && now.pid !== pid;
				};
				await user.until("it is up again", isUpAgain);
			} else {
				await until("rebooting", "stopped");
				expect(await why("rebooting")).toMatch(/^stopped at \d\d:\d\d: the guest powered off\n/);
			}
		});

		it("is at once by kill, and no failure", async () => {
			expect((await user.sh("qubes-lite start rebooting")).status).toBe(0);
			expect((await user.sh("qubes-lite kill rebooting")).status).toBe(0);
			expect(await stateOf("rebooting")).toBe("stopped");
			expect(user.vmmPids()).toEqual([]);
		});
	});

	describe("a disposable instance", () => {
		const kept = async (): Promise<number> => {
			const { vms } = JSON.parse((await user.sh("qubes-lite ls --all --json")).stdout);
			const isKept = (vm: { flags: string[] }): boolean =>
				vm.flags.includes("preloaded") && vm.flags.includes("paused");
			return vms.filter(isKept).length;
		};

		it("that was kept ready stands still until it is claimed, serves, and is gone", async () => {
			configure("disp");
			await user.sh("qubes-lite ls");
			await user.until("one is kept ready", async () => (await kept()) === 1, 120_000);
			expect(await user.run("--disposable=disp", "sh", "-c", "echo gone")).toMatchObject({
				status: 0,
				stdout: "gone\n",
			});
			await user.until("another is kept", async () => (await kept()) === 1, 120_000);
			configure("plain");
			await user.until("nothing is left of them", () =>
				readdirSync(user.runtime).every((name) => !name.startsWith("disp-")),
			);
		});
	});

	describe("what the driver can't do", () => {
		const refusals: [string, boolean, object, string][] = [
			["a GPU", can.gpu, { gpu: "virgl" }, 'vms[0].gpu is "virgl"; expected "auto" or "none": '],
			["a reboot", can.tellsReboot, { rebootAction: "restart" }, 'vms[0].rebootAction is "restart"; expected "stop": '],
		];

		it.each(refusals.filter(([, has]) => !has))(
			"%s is refused where it is written, by name",
			async (_what, _has, key, text) => {
				user.configure([{ ...offline, id: 3, name: "plain", ...key }]);
				const { status, stderr } = await user.sh("qubes-lite start --print-argv plain");
				expect(status).toBe(1);
				expect(stderr).toContain(`${text}${can.title}`);
				configure("plain");
			},
		);

		if (can.userNetwork) return;

		it("a network without a TAP is refused before anything is started", async () => {
			user.configure([{ id: 3, name: "plain", memory: 256 }]);
			const { status, stderr } = await user.run("plain", "true");
			expect({ status, stderr }).toEqual({
				status: 125,
				stderr: expect.stringContaining(`plain has a network, and for that ${can.title} needs the TAP ql-plain`),
			});
			configure("plain");
		});
	});
}

/** Words of a process, without those that run it. */
export const wordsOf = (pid: number): string[] => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
