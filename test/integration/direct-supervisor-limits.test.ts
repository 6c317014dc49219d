import { execFileSync } from "node:child_process";
import { chownSync, existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeVmHost, type FakeVmHost, until } from "../fakes/fake-vmm-host.ts";

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

const nobody = 65534;
const isRoot = process.getuid?.() === 0;
/** Runs a command as an ordinary user, whoever runs the tests. */
const asOrdinaryUser = isRoot ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : ["env"];

function startOrdinaryBroker() {
	if (isRoot) chownSync(host.runtimeDirectory, nobody, nobody);
	return host.startBroker(asOrdinaryUser);
}

/** A broker that sees a tiny file system of its own in place of the runtime directory; needs no root. */
function startBrokerOnTmpfs(mountOptions: string) {
	const mount = 'mount -t tmpfs -o "mode=700,$1" tmpfs "$0" && shift && exec "$@"';
	return host.startBroker(["unshare", "-rm", "sh", "-c", mount, host.runtimeDirectory, mountOptions]);
}

/** Sets a soft limit of the process `pid`, or lifts it to the hard one. Where root lacks CAP_SYS_RESOURCE only its own user may. */
function limit(pid: number, resource: "nproc" | "nofile", soft: number | "lifted"): void {
	const prlimit = (...args: string[]) => {
		const [file = "", ...words] = [...asOrdinaryUser, "prlimit", `--pid=${pid}`, ...args];
		return execFileSync(file, words, { encoding: "utf8" }).trim();
	};
	const value = soft === "lifted" ? prlimit(`--${resource}`, "--raw", "--noheadings", "--output=HARD") : soft;
	prlimit(`--${resource}=${value}:`);
}

describe("without root", () => {
	it("a vm starts, is adopted and ends all the same", async () => {
		const first = startOrdinaryBroker();
		const { uid } = await first.ask({ op: "start", vmm: ["wait", "exit", "42"], helpers: ["serve"] });
		expect(uid).not.toBe(0);
		await first.kill();
		const second = startOrdinaryBroker();
		expect(await second.ask({ op: "adopt" })).toEqual({ running: ["shopping"], ended: [] });
		await host.release();
		expect(await second.ask({ op: "exit" })).toMatchObject({ exit: { code: 42 } });
		await second.ask({ op: "cleanUp" });
	});

	it("what a killed shim leaves is found all the same", async () => {
		const broker = startOrdinaryBroker();
		await broker.ask({ op: "start", vmm: ["wait"], helpers: ["serve"] });
		process.kill(host.shimPid(), "SIGKILL");
		expect(await broker.ask({ op: "exit" })).toMatchObject({ exit: { code: null, signal: null } });
		await broker.ask({ op: "cleanUp" });
	});
});

describe("a full file system", () => {
	it("neither stops a guest that logs nor hides how it ended", async () => {
		const broker = startBrokerOnTmpfs("size=64k");
		await broker.ask({ op: "start", vmm: ["flood", String(4 * 1024 * 1024), "exit", "42"], helpers: ["serve"] });
		expect(await broker.ask({ op: "exit" })).toMatchObject({ exit: { code: 42, lostHelper: null } });
		await broker.ask({ op: "cleanUp" });
		expect(await broker.ask({ op: "list" })).toEqual({ files: [] });
	});

	it.each([
		["pages", "size=64k"],
		["files", "size=1m,nr_inodes=40"],
	] as const)("that has no %s left is named", async (what, mountOptions) => {
		const broker = startBrokerOnTmpfs(mountOptions);
		await broker.ask({ op: "fill", with: what, leave: 0 });
		expect(await broker.ask({ op: "start", vmm: ["exit", "0"] })).toEqual({
			error: {
				code: "BootFailed",
				message: `Can't start shopping in ${host.directory()}: no space or no inode is left there (ENOSPC).`,
				remedy: `df -h ${host.directory()}; df -i ${host.directory()}`,
			},
		});
	});

	it.each([
		["pages", "size=128k"],
		["files", "size=1m,nr_inodes=60"],
	] as const)("that has a few %s left is enough, or nothing has happened", async (what, mountOptions) => {
		const broker = startBrokerOnTmpfs(mountOptions);
		const outcomes = new Set<string>();
		for (let leave = 0; leave <= 16; leave++) {
			await broker.ask({ op: "fill", with: what, leave });
			const before = await broker.ask({ op: "list" });
			const { error } = await broker.ask({ op: "start", vmm: ["exit", "7"] });
			outcomes.add(error?.code ?? "started");
			if (error === undefined) {
				expect(await broker.ask({ op: "exit" })).toMatchObject({ exit: { code: 7, signal: null } });
				await broker.ask({ op: "cleanUp" });
			}
			expect(await broker.ask({ op: "list" })).toEqual(before);
			await broker.ask({ op: "free" });
		}
		expect([...outcomes]).toEqual(["BootFailed", "started"]);
	});
});

describe("a limit", () => {
	it("of processes is named, and all works again once it is lifted", async () => {
		const broker = startOrdinaryBroker();
		await broker.ask({ op: "start", vmm: ["exit", "0"] });
		await broker.ask({ op: "cleanUp" });
		limit(broker.pid, "nproc", 1);
		expect(await broker.ask({ op: "start", vmm: ["exit", "0"] })).toMatchObject({
			error: { code: "BootFailed", message: expect.stringContaining("limit of processes is reached (EAGAIN)") },
		});
		expect(await broker.ask({ op: "list" })).toEqual({ files: [] });
		limit(broker.pid, "nproc", "lifted");
		await broker.ask({ op: "start", vmm: ["exit", "7"] });
		expect(await broker.ask({ op: "exit" })).toMatchObject({ exit: { code: 7 } });
		await broker.ask({ op: "cleanUp" });
	});

	it("of open files is named, and is no reason to take a vm for dead", async () => {
		const broker = startOrdinaryBroker();
		await broker.ask({ op: "start", vmm: ["say", "up", "wait", "exit", "42"] });
		await until("the vmm speaks", () => host.file("console.log") !== "");
		limit(broker.pid, "nofile", 3);
		expect(await broker.ask({ op: "start", vmm: ["wait"] })).toMatchObject({
			error: { code: "BootFailed", message: expect.stringContaining("limit of open files is reached (EMFILE)") },
		});
		expect(host.file("console.log")).toBe("up\n");
		await host.release();
		await until("the shim has ended", () => existsSync(join(host.directory(), "shim/exit")));
		expect(await broker.ask({ op: "list" })).toMatchObject({ error: { code: "Internal" } });
		limit(broker.pid, "nofile", "lifted");
		expect(await broker.ask({ op: "exit" })).toMatchObject({ exit: { code: 42 } });
		await broker.ask({ op: "cleanUp" });
	});
});
