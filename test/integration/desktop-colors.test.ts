/** `qubes-lite desktop colors`, by sway itself. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Compositor } from "../e2e/compositor.ts";
import { nothingLeft, TestUser } from "../e2e/harness.ts";

let user: TestUser;
beforeAll(() => {
	user = new TestUser({
		vms: [
			{ id: 5, name: "shopping", color: "green" },
			{ id: 7, name: "banking", color: "red" },
			{ id: 9, name: "other" },
		],
	});
});
afterAll(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

test("sway paints the title of a vm's window in the vm's colour, and no other", async () => {
	const { stdout, status } = await user.sh("qubes-lite desktop colors");
	expect([status, stdout.split("\n").length]).toEqual([0, 3]);
	const compositor = new Compositor({ config: `font pango:monospace 10\n${stdout}` });
	await compositor.start();
	const program = spawn("foot", ["--app-id", "qubes-lite.shopping.foot", "sh", "-c", "sleep 1000"], {
		env: { ...process.env, ...compositor.env },
		stdio: "ignore",
	});
	const ended = once(program, "exit");
	try {
		await compositor.until("its title is green", () => (compositor.colours().get("2e8b57") ?? 0) > 100);
		expect(compositor.colours().get("cc0000")).toBeUndefined();
	} finally {
		program.kill();
		await ended;
		await compositor.stop();
	}
});

test("where no vm has a colour, it says so", async () => {
	user.configure([{ id: 5, name: "shopping" }]);
	expect(await user.sh("qubes-lite desktop colors")).toMatchObject({
		...{ status: 0, stdout: "" },
		stderr: expect.stringContaining('no vm has a "color" in the configuration'),
	});
});
