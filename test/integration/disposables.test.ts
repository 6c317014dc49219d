/** Fresh instances of disposables: each run has one of its own, and nothing of it stays. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { instancesMax } from "../../src/broker/disposables.ts";
import type { BrokerRequest } from "../../src/protocol/broker.ts";
import type { VmStatus } from "../../src/protocol/broker-replies.ts";
import { encodeExec } from "../../src/protocol/exec.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { anyVm } from "../fakes/fake-guest-orders.ts";
import { FakeUser } from "./fake-user.ts";
import { Client } from "./frame-peer.ts";

const vms = [
	{ id: 3, name: "data", disks: ["/dev/null"] },
	{ id: 5, name: "shopping", memory: 512 },
	{ id: 7, name: "imageless", image: "/nonexistent" },
	{ id: 15, name: "disp", disposable: true },
];
const exec = encodeExec({ argv: ["/bin/sleep"], env: {}, cwd: null, user: null, tty: null, detach: false });

let user: FakeUser;

beforeAll(async () => {
	user = new FakeUser({ vms, env: { QUBES_LITE_BROKER_IDLE_MS: "5000" } });
	await startBroker();
});

afterEach(async () => {
	await user.until("no instance is left", async () => (await instances()).length === 0);
	expect(directories()).toEqual([]);
});

afterAll(async () => {
	expect(await user.leave(["shopping", "disp"])).toEqual(nothingLeft);
});

async function startBroker(): Promise<void> {
	expect((await user.sh("qubes-lite ls")).status).toBe(0);
}

/** A client that wants a run in a fresh instance of `vm`. */
function ask(vm: string, changes: Partial<Extract<BrokerRequest, { method: "run" }>> = {}): Promise<Client> {
	const request = { method: "run", vm, disposable: true, start: true, timeoutMs: 0, pid: process.pid } as const;
	return Client.ask(user, { ...request, ...changes }, exec);
}

async function instances(): Promise<VmStatus[]> {
	const list: { vms: VmStatus[] } = JSON.parse((await user.sh("qubes-lite ls --json")).stdout);
	return list.vms.filter(({ name }) => !vms.some((vm) => vm.name === name));
}

const directories = (): string[] => readdirSync(user.runtime).filter((name) => name.startsWith("disp-"));

describe("a run in a fresh instance", () => {
	it("has a name, an id and a directory of its own, beside others, and nothing of it stays", async () => {
		const clients = await Promise.all([ask("disp"), ask("shopping")]);
		const granted = await Promise.all(clients.map((client) => client.granted()));
		const names = granted.map(({ vm }) => vm);
		expect(new Set(names).size).toBe(2);
		for (const name of names) expect(name).toMatch(/^disp-[0-9a-f]{4}$/);
		expect(granted.map(({ session }) => session)).toEqual([1, 1]);
		const running = await instances();
		for (const { id, name } of running) expect(id).toBe(Number.parseInt(name.slice(-4), 16));
		expect(running.find(({ name }) => name === names[1])).toMatchObject({
			memoryMiB: 512,
			disposable: true,
			flags: [],
		});
		expect(directories().sort()).toEqual(names.toSorted());
		expect(await user.stateOf("shopping")).toBe("stopped");
		for (const client of clients) client.close();
	});

	it("without a base is one of disp", async () => {
		const client = await ask("");
		await client.granted();
		expect((await instances()).map(({ memoryMiB }) => memoryMiB)).toEqual([1024]);
		client.close();
	});

	it("can be asked about, run in and stopped by its name while it lives", async () => {
		const client = await ask("disp");
		const { vm } = await client.granted();
		expect(await user.status(vm)).toMatchObject({ name: vm, state: "ready" });
		const second = await ask(vm, { disposable: false, start: false });
		expect(await second.granted()).toMatchObject({ vm, session: 2 });
		expect((await user.sh(`qubes-lite stop ${vm}`)).status).toBe(0);
		expect(await client.refused()).toMatchObject({
			code: "NotRunning",
			message: `${vm} ended while the command ran: stopped by request`,
			remedy: "qubes-lite ls",
		});
		await user.until("it is gone", async () => (await instances()).length === 0);
		const late = await ask(vm, { disposable: false });
		expect(await late.refused()).toMatchObject({ code: "NoSuchVm" });
	});

	it("leaves no logs", async () => {
		const client = await ask("disp");
		const { vm } = await client.granted();
		client.close();
		await user.until("it is gone", async () => (await instances()).length === 0);
		expect(existsSync(join(user.state, "logs", `${vm}.console.log`))).toBe(false);
	});
});

describe("a client that is killed", () => {
	it("takes its instance with it while that boots", async () => {
		const client = await ask("disp");
		await user.until("it boots", () => directories().length === 1);
		client.close();
	});

	it("takes its instance with it before that has begun to boot", async () => {
		for (const client of await Promise.all(Array.from({ length: 5 }, () => ask("disp")))) client.close();
	});

	it("takes its instance with it after the grant", async () => {
		const client = await ask("disp");
		await client.granted();
		client.close();
	});
});

describe("a broker that is killed", () => {
	it("leaves an instance that the next one knows as such, and ends", async () => {
		const client = await ask("shopping");
		const { vm } = await client.granted();
		user.signalBrokers("SIGKILL");
		await client.closed;
		expect(directories()).toEqual([vm]);
		await startBroker();
		expect(user.log()).toContain(`"event":"vm.adopted","vm":"${vm}"`);
		for (const { flags, disposable } of await instances())
			expect({ flags, disposable }).toMatchObject({ disposable: true });
		await user.until("it is gone", async () => (await instances()).length === 0);
		expect(user.log()).toContain(`"event":"instance.gone","vm":"${vm}"`);
	});

	it("gives its instance to whoever it was made for, who asks again: there is one, and it is gone afterwards", async () => {
		const made = () => user.log().split('"event":"instance.created"').length - 1;
		/** Its broker is ended before the guest has heard of the command. */
		user.order(anyVm, { helloDelayMs: 1_000 });
		for (const signal of ["SIGTERM", "SIGKILL", "SIGTERM"] as const) {
			const before = made();
			const running = user.start("run-in-vm", ["--disposable=disp", "echo", "hi"]);
			await user.until("it boots", () => directories().length === 1 && user.vmmPids().length === 1);
			user.signalBrokers(signal);
			expect(await running.done).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
			expect(made()).toBe(before + 1);
			await user.until("it is gone", () => directories().length === 0);
		}
		user.order(anyVm, {});
	});

	it("ends no session in an instance, which keeps its name and its number", async () => {
		const running = user.start("run-in-vm", ["--disposable=shopping", "sleep", "1000"]);
		await user.until("the session is there", async () => (await instances())[0]?.sessions === 1);
		const [before] = await instances();
		user.signalBrokers("SIGKILL");
		await startBroker();
		await user.until("it is a lease again", async () => (await instances())[0]?.sessions === 1);
		expect((await instances())[0]).toMatchObject({ name: before?.name, id: before?.id, disposable: true, flags: [] });
		expect(`disp-${before?.id.toString(16).padStart(4, "0")}`).toBe(before?.name);
		const second = await ask("disp");
		await second.granted();
		expect(new Set((await instances()).map(({ id }) => id)).size).toBe(2);
		second.close();
		running.kill("SIGKILL");
		await running.done;
	});
});

describe("refused with words is", () => {
	const refusal = async (vm: string, changes = {}) => (await ask(vm, changes)).refused();

	it.each([
		[
			"a base that there is not",
			"shoping",
			{ code: "NoSuchVm", message: "there is no vm 'shoping'; did you mean 'shopping'?" },
		],
		[
			"a base with disks",
			"data",
			{ code: "Unsupported", message: "data has disks, which a disposable instance can't share with it" },
		],
		["a name that is none", "../x", { code: "BadName" }],
		[
			"a base that does not boot, and its instance is gone",
			"imageless",
			{ code: "BootFailed", remedy: expect.stringContaining('correct "image" of imageless') },
		],
	])("%s", async (_title, vm, expected) => {
		expect(await refusal(vm)).toMatchObject(expected);
	});

	it("a run that must not start what can't be there", async () => {
		expect(await refusal("disp", { start: false })).toMatchObject({ code: "BadRequest" });
	});

	it("bytes that are no command, and no instance is made for them", async () => {
		const request = { method: "run", vm: "", disposable: true, start: true, timeoutMs: 0, pid: 1 } as const;
		const client = await Client.ask(user, request, Buffer.from("garbage"));
		expect(await client.refused()).toMatchObject({ code: "BadRequest" });
		expect(await instances()).toEqual([]);
	});

	it("one more than there may be", async () => {
		/** So many that boot at once leave a busy machine no time to list them. */
		user.order(anyVm, { hello: "never" });
		const clients = await Promise.all(Array.from({ length: instancesMax }, () => ask("disp")));
		await user.until("they are there", async () => (await instances()).length === instancesMax);
		expect(await refusal("disp")).toMatchObject({
			code: "Limit",
			message: "32 instances of disposables run already, which is the limit",
		});
		for (const client of clients) client.close();
		user.order(anyVm, {});
	});
});
