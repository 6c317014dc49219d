/** A vm's memoryMax: that it reaches systemd, and where the user manager has the memory controller, that it is enforced, with its reason. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeUser, managerUids } from "./fake-user.ts";
import { UserManager } from "./user-manager.ts";

const memoryMaxMiB = 384;

/** A test's manager is in a cgroup below the root of the one hierarchy: it has what that hands down. */
function hasMemoryController(): boolean {
	try {
		return readFileSync("/sys/fs/cgroup/cgroup.subtree_control", "utf8").split(/\s/).includes("memory");
	} catch {
		return false;
	}
}
const isEnforced = hasMemoryController();

describe.each(managerUids)("memoryMax, uid %s", (uid) => {
	let user: FakeUser;
	let manager: UserManager;

	beforeAll(async () => {
		const vms = [{ id: 5, name: "shopping", memory: 128, memoryMax: memoryMaxMiB }];
		user = new FakeUser({ hasManager: true, vms, ...(uid === undefined ? {} : { uid }) });
		manager = await UserManager.start(user, uid);
	});

	afterAll(async () => {
		await user.sh("qubes-lite stop --force shopping");
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		await manager.stop();
		expect((await user.leave([])).processes).toEqual([]);
	});

	const title = isEnforced
		? "ends a vm that uses more, and says so to who waits and in its status"
		: "is read back as MemoryMax; that it is enforced is NOT tested here, where cgroups hand down no memory controller";

	it(title, { timeout: 180_000 }, async () => {
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		const properties = await manager.show("qubes-lite-shopping.service", "MemoryMax", "ControlGroup");
		expect(properties.MemoryMax).toBe(String(memoryMaxMiB * 1024 * 1024));
		if (!isEnforced) return;

		expect(readFileSync(`/sys/fs/cgroup${properties.ControlGroup}/memory.max`, "utf8")).toBe(
			`${memoryMaxMiB * 1024 * 1024}\n`,
		);
		/** tail keeps all of a line without an end; a fake guest's commands are in the unit's cgroup. */
		const hungry = "head -c 1G /dev/zero | tail";
		const sentence = "used more memory than it may (MemoryMax of its unit, or the host's)";
		const { status, stderr } = await user.run("shopping", "sh", "-c", hungry);
		expect({ status, stderr }).toMatchObject({ status: 125, stderr: expect.stringContaining(sentence) });
		expect((await user.status("shopping")).reason).toContain(sentence);
		expect((await manager.show("qubes-lite-shopping.service", "Result")).Result).toBe("oom-kill");
	});
});
