/** What a broker that takes over must find out about what runs: the bounds of an instance, and whether a guest is paused. */
import { readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { anyVm } from "../fakes/fake-guest-orders.ts";
import { FakeUser } from "./fake-user.ts";

const shutdown = { ask: 1, powerButton: 1, terminate: 1, kill: 5 };
const disp = { id: 15, name: "disp", disposable: true, maxLifetime: 3600, shutdown };
const vms = [{ id: 5, name: "shopping", idleTimeout: 600 }, disp];

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({ vms });
});

afterAll(async () => {
	expect(await user.leave(["shopping", "disp"])).toEqual(nothingLeft);
});

async function killBroker(): Promise<void> {
	user.signalBrokers("SIGKILL");
	await user.until("that broker is gone", () => user.brokerPids().length === 0);
}

describe("an instance of an earlier broker's", () => {
	it.each<[string, (instance: string) => void]>([
		[
			"the configuration has another base now",
			() => user.configure([vms[0] ?? {}, { ...disp, maxLifetime: 7200, shutdown: {} }]),
		],
		["the configuration has its base no more", () => user.configure(vms.slice(0, 1))],
		["nobody could write them down", (instance) => rmSync(join(user.runtime, instance, "instance.json"))],
	])("has its maxLifetime and the bounds of its shutdown where %s", async (_, change) => {
		user.configure(vms);
		user.order(anyVm, { ignoresPowerOff: true, ignoresSigterm: true });
		const { status, stderr } = await user.sh("run-in-vm -d --disposable sleep 1000");
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		const [instance = ""] = readdirSync(user.runtime).filter((name) => name.startsWith("disp-"));
		expect(await user.status(instance)).toMatchObject({ maxLifetime: 3600 });
		await killBroker();
		change(instance);
		expect(await user.status(instance)).toMatchObject({ state: "ready", maxLifetime: 3600 });
		const { ms } = await user.sh(`qubes-lite stop ${instance}`);
		/** Without them it would be asked for 30 s. */
		expect(ms).toBeLessThan(15_000);
		user.order(anyVm, {});
	});

	it("ends when its life is over", async () => {
		user.configure([vms[0] ?? {}, { ...disp, maxLifetime: 8 }]);
		expect((await user.sh("run-in-vm -d --disposable sleep 1000")).status).toBe(0);
		const instances = (): string[] => readdirSync(user.runtime).filter((name) => name.startsWith("disp-"));
		expect(instances()).toHaveLength(1);
		await killBroker();
		await user.sh("qubes-lite ls");
		await user.until("it is gone", () => instances().length === 0);
		user.configure(vms);
	});
});

/** In the place of QEMU's control socket: `answer` says what to a command, or nothing. */
async function control(answer: (command: string) => object | undefined): Promise<{ server: Server; heard: string[] }> {
	const path = join(user.runtime, "shopping/qmp.sock");
	rmSync(path, { force: true });
	const heard: string[] = [];
	const server = createServer((socket) => {
		socket.on("error", () => {});
		socket.write('{"QMP":{}}\n');
		socket.setEncoding("utf8").on("data", (text: string) => {
			for (const line of text.trim().split("\n")) {
				const { execute, id } = JSON.parse(line);
				heard.push(execute);
				const reply = execute === "qmp_capabilities" ? {} : answer(execute);
				if (reply !== undefined) socket.write(`${JSON.stringify({ return: reply, id })}\n`);
			}
		});
	});
	await new Promise<void>((resolve) => server.listen(path, resolve));
	return { server, heard };
}

describe("a vm that no mark says was paused", () => {
	it("is resumed where its vmm says that it is", async () => {
		expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
		const { server, heard } = await control(() => ({ status: "paused" }));
		await killBroker();
		expect((await user.run("shopping", "true")).status).toBe(0);
		expect(heard).toContain("cont");
		server.close();
	});

	it("is left alone where its vmm says that it runs, or says nothing, which keeps no other vm waiting", async () => {
		for (const [answer, command] of [
			[() => ({ status: "running" }), "query-status"],
			[() => undefined, "query-status"],
		] as const) {
			const { server, heard } = await control(answer);
			await killBroker();
			const { status, ms } = await user.sh("qubes-lite ls");
			expect(status).toBe(0);
			expect(ms).toBeLessThan(5_000);
			expect((await user.run("shopping", "true")).status).toBe(0);
			expect(heard).toContain(command);
			expect(heard).not.toContain("cont");
			server.close();
		}
		await user.sh("qubes-lite stop --force shopping");
	});
});
