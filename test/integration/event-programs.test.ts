/** What status bars and programs make of `qubes-lite events --json --follow`: the lines of the README as they are written there. */
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { nothingLeft, type Running, signalProcess } from "../e2e/harness.ts";
import { problemsOfLine } from "../protocol/events-schema.ts";
import { FakeUser } from "./fake-user.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const [, section = ""] = readme.split("\n### For status bars and programs\n");
const blockOf = (language: string): string =>
	new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(section)?.[1] ?? "";

let user: FakeUser;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping", idleTimeout: 5 },
			{ id: 7, name: "banking" },
			{ id: 9, name: "broken" },
			{ id: 15, name: "disp", disposable: true },
		],
	});
});

let running: Running | undefined;

/** A bar ends its command with all that it has started. */
afterEach(async () => {
	for (const { pid, words } of user.processes()) if (words.includes("events --json")) signalProcess(pid, "SIGTERM");
	await running?.done;
	running = undefined;
	await user.sh("qubes-lite stop --force shopping banking");
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking", "broken", "disp"])).toEqual(nothingLeft);
});

/** As a bar runs what its configuration says. */
function start(command: string): Running {
	running = user.start("/bin/sh", ["-c", command]);
	return running;
}

const linesOf = (of: Running): string[] => of.stdout().split("\n").slice(0, -1);

it("waybar shows how many vms are up, and which", async () => {
	const { "custom/qubes": bar } = JSON.parse(blockOf("json"));
	expect(bar["return-type"]).toBe("json");
	const command = start(bar.exec);
	const last = (): { text?: string; tooltip?: string } => JSON.parse(linesOf(command).at(-1) ?? "{}");
	await user.until("it begins", () => last().text === "0 up");
	expect((await user.sh("qubes-lite start banking")).status).toBe(0);
	await user.until("banking is up", () => last().text === "1 up" && last().tooltip === "banking: idle");
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	await user.until("both are up", () => last().text === "2 up");
	const rest = "banking: idle,shopping: idle";
	await user.until("both rest", () => last().tooltip?.split("\n").sort().join() === rest);
	expect((await user.sh("qubes-lite stop banking shopping")).status).toBe(0);
	await user.until("none is up", () => last().text === "0 up");
	expect(last().tooltip).toBe("");
	/** Instances come and go, and leave nothing. */
	expect((await user.run("--disposable", "true")).status).toBe(0);
	const hasCome = () => linesOf(command).some((line) => /"1 up","tooltip":"disp-[0-9a-f]{4}: /.test(line));
	await user.until("it has come and gone", () => hasCome() && last().text === "0 up");
});

it("i3blocks shows what is about to stop, and nothing once it does not", async () => {
	const block = Object.fromEntries(
		blockOf("ini")
			.split("\n")
			.filter((line) => line.includes("="))
			.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
	);
	expect(block.interval).toBe("persist");
	const command = start(String(block.command));
	await user.until("it watches", () => user.countClients() === 1);
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	await user.until("it is about to stop", () => linesOf(command).includes("shopping stops"));
	expect((await user.run("shopping", "true")).status).toBe(0);
	await user.until(
		"that is averted",
		() => linesOf(command).lastIndexOf("") > linesOf(command).indexOf("shopping stops"),
	);
	await user.until("it has stopped", async () => (await user.stateOf("shopping")) === "stopped");
	await user.until("nothing is shown", () => linesOf(command).at(-1) === "");
});

it("whatever happens, each line is as docs/events.schema.json says", async () => {
	const command = start("exec qubes-lite events --json --follow");
	await user.until("it begins", () => linesOf(command).length >= 5);
	expect((await user.run("--disposable", "true")).status).toBe(0);
	user.order("broken", { exitAtBoot: { words: "no <b>\x1b[31m memory\n", status: 1 } });
	expect((await user.run("broken", "true")).status).toBe(125);
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	await user.until("shopping is about to stop", () => command.stdout().includes("stop-announced"));
	expect((await user.run("shopping", "true")).status).toBe(0);
	await user.endBrokers();
	await user.until("another broker tells", () => command.stdout().split('"type":"broker"').length === 3);
	await user.until("it stops", async () => (await user.stateOf("shopping")) === "stopped");
	await user.until("that is told", () => /"to":"stopped"[^\n]*\n$/.test(command.stdout()));
	const lines = linesOf(command);
	expect(lines.flatMap(problemsOfLine)).toEqual([]);
	const types = ["boot", "broker", "is", "state", "stop-announced", "stop-averted", "vm-added", "vm-gone"];
	expect([...new Set(lines.map((line) => JSON.parse(line).type))].sort()).toEqual(types);
});

it("-f is the same, and what follows without either", async () => {
	for (const words of ["--json -f", "--json", "-f"]) {
		const { stdout, stderr } = await user.sh(`qubes-lite events ${words} | head -n 1; echo done >&2`);
		expect([stdout.split("\n").length, stderr]).toEqual([2, "done\n"]);
	}
});
