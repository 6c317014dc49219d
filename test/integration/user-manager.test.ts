import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeUser, managerUids } from "./fake-user.ts";
import { UserManager } from "./user-manager.ts";

describe.each(managerUids)("the user manager of the tests, uid %s", (uid) => {
	let user: FakeUser;
	let manager: UserManager;

	beforeAll(async () => {
		user = new FakeUser({ hasManager: true, vms: [], ...(uid === undefined ? {} : { uid }) });
		manager = await UserManager.start(user, uid);
	});

	afterAll(async () => {
		await manager.stop();
		expect((await user.leave([])).processes).toEqual([]);
	});

	it("runs units, and keeps what they say in a journal", async () => {
		const outcome = await manager.run(
			"systemd-run",
			"--user",
			"--wait",
			"-p",
			"SyslogIdentifier=told",
			"sh",
			"-c",
			"id -u",
		);
		expect(outcome.stderr).toContain("Finished with result: success");
		await user.until("it is in the journal", () => manager.journal("told") === `${uid ?? process.getuid?.()}\n`);
	});
});
