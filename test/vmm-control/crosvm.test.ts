/** A program in crosvm's place, which notes what it is told and answers as crosvm's own client does (src/main.rs, vms_request). */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { toVmmControl } from "../../src/vmm-control/to-vmm-control.ts";

const directory = mkdtempSync(join(tmpdir(), "crosvm-control-"));
const program = join(directory, "crosvm");
const path = join(directory, "control.sock");
const told = join(directory, "told");
afterAll(() => rmSync(directory, { recursive: true }));

/** What it does after it has noted what it was told. */
function answer(script: string): void {
	writeFileSync(program, `#!/bin/sh\necho "$*" >>'${told}'\n${script}\n`);
	chmodSync(program, 0o755);
}

const control = () => toVmmControl({ kind: "crosvm", path, program });
const lines = (): string[] => readFileSync(told, "utf8").split("\n").slice(0, -1);

beforeEach(() => {
	writeFileSync(told, "");
	answer("exit 0");
});

describe("crosvm", () => {
	it("is told by itself, at its vm's socket", async () => {
		const crosvm = control();
		await crosvm.pressPowerButton();
		await crosvm.pause();
		await crosvm.resume();
		expect(lines()).toEqual([`powerbtn ${path}`, `suspend ${path}`, `resume ${path}`]);
	});

	it("ends, and takes memory from its guest, when it is told to", async () => {
		const crosvm = control();
		await crosvm.takeMemory(256 * 2 ** 20);
		await crosvm.stop();
		expect(lines()).toEqual([`balloon 268435456 ${path}`, `stop ${path}`]);
	});

	it("says what its guest has of memory", async () => {
		answer(`echo '{"BalloonStats":{"stats":{"available_memory":1000,"swap_in":null},"balloon_actual":7}}'`);
		expect(await control().memory()).toEqual({ takenBytes: 7, availableBytes: 1000 });
		answer(`echo '{"BalloonStats":{"stats":{},"balloon_actual":0}}'`);
		expect(await control().memory()).toEqual({ takenBytes: 0, availableBytes: null });
	});

	it.each([
		...["", "{}", '{"Err":107}'],
		...["-1", "18446744073709551615"].map(
			(bytes) => `{"BalloonStats":{"stats":{"available_memory":${bytes}},"balloon_actual":0}}`,
		),
	])("says nothing of it that could be understood: %s", async (text) => {
		answer(`echo '${text}'`);
		await expect(control().memory()).rejects.toMatchObject({
			code: "Internal",
			message: "the vmm says nothing of its guest's memory that could be understood",
		});
	});

	it("is told one thing after the other, also when the first takes its time", async () => {
		answer(`[ "$1" != suspend ] || sleep 0.2\necho done-$1 >>${told}`);
		const crosvm = control();
		await Promise.all([crosvm.pause(), crosvm.resume()]);
		expect(lines()).toEqual([`suspend ${path}`, "done-suspend", `resume ${path}`, "done-resume"]);
	});

	it("can't be asked whether its guest stands still: it goes on, and then it does not", async () => {
		expect(await control().isPaused()).toBe(false);
		expect(lines()).toEqual([`resume ${path}`]);
	});

	it.each([
		["No such file or directory (os error 2)"],
		["Connection refused (os error 111)"],
		["Connection reset by peer (os error 104)"],
	])("is not there: %s", async (why) => {
		answer(`echo "failed to connect to socket at '\\"${path}\\"': ${why}" >&2; exit 1`);
		await expect(control().pause()).rejects.toMatchObject({ code: "NotRunning", message: `no vmm serves ${path}` });
	});

	it("went away in the middle", async () => {
		answer("echo 'failed to recv response from socket: tube was disconnected' >&2; exit 1");
		await expect(control().pause()).rejects.toMatchObject({ code: "NotRunning" });
	});

	it("says that it can't, and its words go no further than as plain ones", async () => {
		answer("printf 'unexpected response: error: Operation not supported\\033[2J (os error 95)\\n'; exit 1");
		await expect(control().pressPowerButton()).rejects.toMatchObject({
			code: "Internal",
			message: "the vmm refused powerbtn: Operation not supported?[2J (os error 95)",
		});
	});

	it("says why it can't before it says that it could not", async () => {
		const log = "[2026-11-30T04:14:01.797570328+00:00 ERROR crosvm] exiting with error 1: balloon subcommand failed";
		answer(`echo '${log}' >&2
			[ "$RUST_BACKTRACE" = 0 ] || echo '  14: _start' >&2
			echo 'unexpected response: error: Transport endpoint is not connected (os error 107)'; exit 1`);
		await expect(control().takeMemory(0)).rejects.toMatchObject({
			code: "Internal",
			message: "the vmm refused balloon: Transport endpoint is not connected (os error 107)",
		});
	});

	it("does not answer, which is bounded, and the next one is told all the same", async () => {
		answer('[ "$1" = resume ] || exec sleep 60');
		const crosvm = control();
		const paused = crosvm.pause();
		const resumed = crosvm.resume();
		await expect(paused).rejects.toMatchObject({
			code: "Unresponsive",
			message: "the vmm did not answer suspend within 2 s",
		});
		await resumed;
	});

	it("has been taken away while its vm runs", async () => {
		rmSync(program);
		await expect(control().pause()).rejects.toMatchObject({
			code: "Internal",
			message: `${program} can't be run: ENOENT`,
		});
	});

	it("floods, which is cut", async () => {
		answer("yes; exit 1");
		await expect(control().pause()).rejects.toMatchObject({ code: "Internal" });
	});
});
