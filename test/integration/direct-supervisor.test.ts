import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { chown } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { vmFiles } from "../../src/launch-plan.ts";
import { createBootToken, createFakeVmHost, type FakeVmHost, until } from "../fakes/fake-vmm-host.ts";

let host: FakeVmHost;
beforeEach(() => {
	host = createFakeVmHost();
});
afterEach(async () => {
	try {
		await host.assertCensus();
	} finally {
		host.remove();
	}
});

function start(vmm: readonly string[], helpers?: readonly string[], supervisor = host.supervisor) {
	return supervisor.start(host.plan(vmm, helpers), createBootToken());
}

/** Starts, waits for the end, cleans up. */
async function run(vmm: readonly string[], helpers?: readonly string[], supervisor = host.supervisor) {
	const running = await start(vmm, helpers, supervisor);
	const exit = await running.exited;
	await running.cleanUp();
	return exit;
}

describe("a vmm's end", () => {
	it.each([0, 1, 3, 42, 126, 128, 193, 255])("is known exactly: exit status %i", async (code) => {
		expect(await run(["exit", String(code)])).toEqual({ code, signal: null, cause: null, lostHelper: null, log: "" });
	});

	it.each(["SIGHUP", "SIGABRT", "SIGKILL", "SIGSEGV", "SIGTERM"])("is known exactly: %s", async (signal) => {
		expect(await run(["die", signal])).toEqual({ code: null, signal, cause: null, lostHelper: null, log: "" });
	});

	it("is known when it kills its whole process group, as crosvm does", async () => {
		expect(await run(["complain", "bye", "kill-group"])).toMatchObject({ signal: "SIGKILL", log: "bye\n" });
	});

	it("comes with terminate()", async () => {
		const running = await start(["wait"]);
		running.terminate();
		expect(await running.exited).toMatchObject({ code: null, signal: "SIGTERM" });
		await running.cleanUp();
	});

	it("comes with kill() where terminate() is ignored", async () => {
		const running = await start(["stubborn", "say", "up", "wait"]);
		await until("the console says up", () => host.file(vmFiles.console).includes("up\n"));
		running.terminate();
		await until("it refuses", () => host.file(vmFiles.console).includes("no\n"));
		running.kill();
		expect(await running.exited).toMatchObject({ code: null, signal: "SIGKILL" });
		running.kill();
		running.terminate();
		await running.cleanUp();
	});

	it("doesn't wait for a child that it leaves behind with its console, which is ended", async () => {
		expect(await run(["stray", "exit", "5"])).toMatchObject({ code: 5 });
	});

	it("is told with the log, bounded", async () => {
		const { code, log } = await run(["complain", "x".repeat(9000), "complain", "the reason", "exit", "1"]);
		expect([code, log.length, log.slice(-13)]).toEqual([1, 4096, "x\nthe reason\n"]);
	});
});

describe("a start", () => {
	it("hands over every argument unchanged", async () => {
		const words = ["", "-n", "a'b\"c", "$HOME `x` \\", "two\nlines\n", "grüße 🐧", "*", "%s\\n"];
		const print = "console.log(JSON.stringify(process.argv.slice(1)))";
		const plan = host.plan([]);
		const vmm = { name: "node", argv: [process.execPath, "-e", print, "--", ...words] } as const;
		const running = await host.supervisor.start({ ...plan, vmm }, createBootToken());
		await running.exited;
		expect(JSON.parse(host.file(vmFiles.console))).toEqual(words);
		await running.cleanUp();
	});

	it("records when, for whom and what", async () => {
		const boot = createBootToken();
		const plan = host.plan(["exit", "0"]);
		const running = await host.supervisor.start(plan, boot);
		expect(running).toMatchObject({ vm: "shopping", boot, plan, startedAtUptimeMs: 12_345 });
		await running.exited;
		await running.cleanUp();
		await running.cleanUp();
	});

	it("tells of a program that isn't there with 127, of one that isn't executable with 126", async () => {
		const program = join(host.runtimeDirectory, "no program");
		const plan = { ...host.plan([]), vmm: { name: "none", argv: [program] } } as const;
		for (const code of [127, 126]) {
			const running = await host.supervisor.start(plan, createBootToken());
			expect(await running.exited).toMatchObject({ code, log: expect.stringContaining("no program") });
			await running.cleanUp();
			writeFileSync(program, "");
		}
		host.remove();
		mkdirSync(host.runtimeDirectory);
	});

	it("is refused while the vm runs or starts, and by the vm's next start not confused", async () => {
		const first = start(["wait"]);
		await expect(start(["wait"])).rejects.toMatchObject({ code: "Busy" });
		const running = await first;
		await expect(start(["wait"])).rejects.toMatchObject({ code: "Busy" });
		running.kill();
		await running.exited;
		const next = await start(["wait"]);
		await running.cleanUp();
		expect(existsSync(host.directory())).toBe(true);
		next.kill();
		await next.cleanUp();
		expect(existsSync(host.directory())).toBe(false);
	});

	it("keeps what others have made in the directory, and removes what is stale", async () => {
		mkdirSync(host.directory(), { mode: 0o700 });
		const path = join(host.directory(), "vsock_5001");
		const listener = createServer().listen(path);
		await until("the socket is there", () => existsSync(path));
		writeFileSync(join(host.directory(), "helper0.sock"), "in the way");
		const running = await start(["wait"], ["serve"]);
		expect(existsSync(path)).toBe(true);
		expect(statSync(join(host.directory(), "helper0.sock")).isSocket()).toBe(true);
		running.kill();
		await running.cleanUp();
		await new Promise((resolve) => listener.close(resolve));
	});

	it("gives nothing away, whatever the umask", async () => {
		const umask = process.umask(0);
		const running = await start(["say", "secret", "complain", "too", "wait"], ["serve"]).finally(() =>
			process.umask(umask),
		);
		await until("it has spoken", () => host.file(vmFiles.console) && host.file(vmFiles.log).includes("too"));
		for (const name of host.takeCensus().files) {
			expect(`${name} ${statSync(join(host.runtimeDirectory, String(name))).mode & 0o077}`).toBe(`${name} 0`);
		}
		running.kill();
		await running.cleanUp();
	});

	it.each(["a symlink", "a file", "open to others", "another user's"])(
		"is refused where its directory is %s",
		async (what) => {
			const elsewhere = join(host.runtimeDirectory, "elsewhere");
			let directory = host.directory();
			if (what === "a symlink") {
				mkdirSync(elsewhere, { mode: 0o700 });
				symlinkSync(elsewhere, directory);
			} else if (what === "a file") writeFileSync(directory, "");
			else if (what === "open to others") {
				mkdirSync(directory);
				chmodSync(directory, 0o750);
			} else if (process.getuid?.() === 0) {
				mkdirSync(directory, { mode: 0o700 });
				await chown(directory, 65534, 65534);
			} else directory = "/usr";
			const before = host.takeCensus();
			const refusal = host.supervisor.start({ ...host.plan(["wait"]), directory }, createBootToken());
			await expect(refusal).rejects.toMatchObject({ code: "BootFailed", message: expect.stringContaining(directory) });
			expect(host.takeCensus()).toEqual(before);
			host.remove();
			mkdirSync(host.runtimeDirectory);
		},
	);

	it.each(["spawned", "recorded"])("that fails when the shim is %s leaves nothing", async (failing) => {
		let fail = true;
		const supervisor = host.createSupervisor({
			onStep(step) {
				if (fail && step === failing) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
			},
		});
		const message = `Can't start shopping in ${host.directory()}: no space or no inode is left there (ENOSPC).`;
		await expect(start(["wait"], [], supervisor)).rejects.toMatchObject({ code: "BootFailed", message });
		await host.assertCensus();
		fail = false;
		expect(await run(["exit", "7"], [], supervisor)).toMatchObject({ code: 7 });
	});

	it("says which shell it could not run", async () => {
		const supervisor = host.createSupervisor({ shell: ["/nowhere/sh"] });
		await expect(start(["wait"], [], supervisor)).rejects.toMatchObject({ code: "BootFailed", message: /ENOENT/ });
	});

	it("says what a shell said that could not work", async () => {
		const supervisor = host.createSupervisor({ environment: { ...host.environment, PATH: "/nowhere" } });
		const failure = { code: "BootFailed", message: expect.stringContaining("mkfifo") };
		await expect(start(["wait"], [], supervisor)).rejects.toMatchObject(failure);
	});
});
