/** The compositor that other tests look at: what they rely on. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Compositor } from "../e2e/compositor.ts";

const compositor = new Compositor();
beforeAll(() => compositor.start());
afterAll(() => compositor.stop());

test("A window comes into the tree with its title, has the keyboard, is in the picture, and leaves.", async () => {
	const words = ["--title=looked-at", "sh", "-c", 'read line; printf "\\033]2;%s\\007" "$line"; exec sleep 60'];
	const foot = spawn("foot", words, { env: { PATH: process.env.PATH, HOME: compositor.directory, ...compositor.env } });
	try {
		await compositor.until("its window is there", () => compositor.tree().length === 1);
		expect(compositor.tree()).toMatchObject([{ name: "looked-at", appId: "foot", pid: foot.pid, focused: true }]);
		await compositor.type("typed\n");
		await compositor.until("what was typed is its title", () => compositor.tree()[0]?.name === "typed");
		const picture = join(compositor.directory, "picture.png");
		compositor.screenshot(picture);
		const png = readFileSync(picture);
		expect([png.toString("latin1", 1, 4), png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual(["PNG", 800, 600]);
	} finally {
		foot.kill();
	}
	await compositor.until("its window is gone", () => compositor.tree().length === 0);
});

test("Nothing of it is left when it has stopped, and it may be stopped again.", async () => {
	const other = new Compositor();
	await other.start();
	await other.stop();
	await other.stop();
	expect(existsSync(other.directory)).toBe(false);
});
