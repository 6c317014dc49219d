/** The policy holds for who calls by D-Bus as for who comes by the socket; in a broker that systemd has started. */
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker } from "./installed-broker.ts";
import { allowAll, policyVmNames, policyVms } from "./policy-user.ts";

describe.each(managerUids)("a policy of the user %s", (uid) => {
	let installed: InstalledBroker;
	let file: string;

	beforeAll(async () => {
		installed = await InstalledBroker.start({ vms: policyVms, ...(uid === undefined ? {} : { uid }) });
		const directory = join(installed.user.directory, ".config/qubes-lite/policy.d");
		mkdirSync(directory, { recursive: true, mode: 0o755 });
		file = join(directory, "10-mine.policy");
		write(allowAll);
		for (const path of [directory, file]) chownSync(path, uid ?? -1, uid ?? -1);
	});

	afterAll(async () => {
		write(allowAll);
		expect(await installed.leave(policyVmNames)).toEqual(nothingLeft);
	});

	const write = (text: string): void => writeFileSync(file, text, { mode: 0o644 });
	const call = (...words: string[]): Promise<Outcome> =>
		installed.manager.run("busctl", "--user", "call", "org.qubeslite.Broker1", ...words);
	const broker = ["/org/qubeslite", "org.qubeslite.Broker1"] as const;
	const ofVm = (vm: string, ...words: string[]) => call(`/org/qubeslite/vm/${vm}`, "org.qubeslite.VM1", ...words);
	const run = (vm: string, command: string) => ofVm(vm, "Run", "asa{sv}", "1", command, "0");

	it("is asked for each call, by its command and vm, and says which line it was", async () => {
		expect((await run("vault", "true")).status).toBe(0);
		write(`exec +true @host vault allow\nexec * @host vault deny\nstop * @host vault deny\n${allowAll}`);
		expect((await run("vault", "true")).status).toBe(0);
		for (const [denied, line] of [
			[run("vault", "sh"), "2 says: exec * @host vault deny"],
			[ofVm("vault", "Stop", "a{sv}", "0"), "3 says: stop * @host vault deny"],
		] as const) {
			const { status, stderr } = await denied;
			expect([status, stderr]).toEqual([1, expect.stringContaining(`the policy does not allow this: ${file}:${line}`)]);
		}
		expect((await run("shopping", "true")).status).toBe(0);
	});

	it("holds for what is read and told, and for sessions that the broker itself is connected to", async () => {
		write(allowAll);
		const started = await ofVm("vault", "Run", "asa{sv}", "2", "sleep", "1000", "1", "capture", "b", "true");
		const id = /"(.*)"/.exec(started.stdout)?.[1] ?? "";
		const signal = (name: string) => call(...broker, "Signal", "ssa{sv}", id, name, "0");
		write(`* * @host vault deny\nlist * @host @anyvm deny\n${allowAll}`);
		const properties = "org.freedesktop.DBus.Properties";
		const read = (vm: string) => call(`/org/qubeslite/vm/${vm}`, properties, "Get", "ss", "org.qubeslite.VM1", "State");
		const denied = {
			status: 1,
			stdout: "",
			stderr: expect.stringContaining(`the policy does not allow this: ${file}:`),
		};
		expect(await read("vault")).toMatchObject(denied);
		expect(await read("shopping")).toMatchObject({ status: 0 });
		const manager = "org.freedesktop.DBus.ObjectManager";
		expect(await call("/org/qubeslite", manager, "GetManagedObjects")).toMatchObject(denied);
		const introspectable = "org.freedesktop.DBus.Introspectable";
		const named = await call("/org/qubeslite/vm", introspectable, "Introspect");
		expect(named).toMatchObject({ status: 0, stdout: expect.not.stringMatching("vault|shopping") });
		const problem = await call("/org/qubeslite", properties, "Get", "ss", "org.qubeslite.Broker1", "PolicyProblem");
		expect(problem).toMatchObject({ status: 0, stdout: 'v s ""\n' });
		expect(await signal("SIGTERM")).toMatchObject(denied);
		expect(await call(...broker, "Wait", "sa{sv}", id, "0")).toMatchObject(denied);
		const monitor = installed.manager.begin("gdbus", "monitor", "--session", "-d", "org.qubeslite.Broker1");
		await installed.user.until("it listens", () => monitor.stdout().includes("is owned by"));
		write(`events * @host vault deny\n${allowAll}`);
		expect(await signal("SIGTERM")).toMatchObject({ status: 0 });
		expect((await call(...broker, "Wait", "sa{sv}", id, "0")).stdout).toContain('-1 "SIGTERM"');
		expect((await run("shopping", "true")).status).toBe(0);
		await installed.user.until("shopping's is told", () => monitor.stdout().includes("SessionEnded ('shopping."));
		expect(monitor.stdout()).not.toContain("vault");
		monitor.kill("SIGKILL");
		await monitor.done;
	});

	it("allows nothing with a bad line, by either way", async () => {
		write(`${allowAll}x\n`);
		const sentence = `it allows nothing until its mistake is mended: ${file}:2: is 'x'; expected `;
		for (const denied of [
			call("/org/qubeslite", "org.qubeslite.Broker1", "ListVMs", "a{sv}", "0"),
			run("vault", "true"),
			installed.user.sh("qubes-lite ls"),
		]) {
			const { status, stdout, stderr } = await denied;
			expect([status, stdout, stderr]).toEqual([1, "", expect.stringContaining(sentence)]);
		}
		write(allowAll);
		expect((await ofVm("vault", "Stop", "a{sv}", "0")).status).toBe(0);
	});
});
