/** The compositor that other tests look at: what they rely on. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Compositor } from "../e2e/compositor.ts";
import { Pointer } from "../e2e/pointer.ts";

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

test("A pointer that is plugged in reaches the window that is under it.", async () => {
	const environment = { PATH: process.env.PATH, HOME: compositor.directory, ...compositor.env };
	const feet: ChildProcess[] = [];
	const pointer = await Pointer.plug(compositor);
	try {
		for (const title of ["left", "right"]) {
			feet.push(spawn("foot", [`--title=${title}`, "sleep", "60"], { env: environment }));
			await compositor.until(`${title} is there`, () => compositor.tree().some(({ name }) => name === title));
		}
		const focused = (): string | null | undefined => compositor.tree().find((window) => window.focused)?.name;
		expect(focused()).toBe("right");
		pointer.move(100, 300);
		pointer.press();
		pointer.release();
		await compositor.until("left has the keyboard", () => focused() === "left");
	} finally {
		pointer.unplug();
		for (const foot of feet) foot.kill();
	}
	await compositor.until("they are gone", () => compositor.tree().length === 0);
});

test("Nothing of it is left when it has stopped, and it may be stopped again.", async () => {
	const other = new Compositor();
	await other.start();
	await other.stop();
	await other.stop();
	expect(existsSync(other.directory)).toBe(false);
});
