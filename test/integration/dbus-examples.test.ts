/** What README shows of D-Bus, and the examples, as they are written. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker } from "./installed-broker.ts";

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const vms = [
	{ id: 3, name: "banking" },
	{ id: 5, name: "shopping" },
	{ id: 7, name: "personal", network: false },
	{ id: 13, name: "vault", network: false },
	{ id: 15, name: "disp", disposable: true },
];

interface Step {
	readonly command: string;
	/** … stands for anything. */
	readonly output: string;
}

/** The console of the section. */
function readSteps(section: string): Step[] {
	const readme = readFileSync(at("README.md"), "utf8");
	const part = readme.slice(readme.indexOf(`\n## ${section}\n`)).split("\n## ")[1] ?? "";
	const [, console = ""] = /```console\n([\s\S]*?)```/.exec(part) ?? [];
	return console
		.split(/^\$ /m)
		.slice(1)
		.map((step) => ({ command: step.slice(0, step.indexOf("\n")), output: step.slice(step.indexOf("\n") + 1) }));
}

/** README's id of the session stands for whichever it was. */
const toPattern = (output: string): RegExp => {
	const pattern = output
		.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
		.replaceAll("…", "[\\s\\S]*")
		.replaceAll("9f3c", "[0-9a-f]{4}");
	return new RegExp(`^${pattern}$`);
};

describe.each(managerUids)("for strangers, uid %s:", (uid) => {
	let installed: InstalledBroker;
	const sh = (line: string): Promise<Outcome> => installed.manager.run("sh", "-c", line);

	beforeAll(async () => {
		installed = await InstalledBroker.start({ vms, ...(uid === undefined ? {} : { uid }) });
	});

	afterAll(async () => {
		expect(await installed.leave(["shopping"])).toEqual(nothingLeft);
	});

	it("README's lines do what it says", async () => {
		const steps = readSteps("D-Bus");
		expect(steps.length).toBeGreaterThan(6);
		let id = "shopping.1.9f3c";
		const waiting: (() => Promise<void>)[] = [];
		for (const { command, output } of steps) {
			const line = command.replace("shopping.1.9f3c", id);
			if (line.endsWith(" &")) {
				const running = installed.manager.begin("sh", "-c", `exec ${line.slice(0, -2)}`);
				await installed.user.until("it listens", () => running.stdout().includes("is owned by"));
				waiting.push(async () => {
					await installed.user.until(`${output} comes`, () => toPattern(output).test(running.stdout()));
					running.kill("SIGKILL");
					await running.done;
				});
				continue;
			}
			let { stdout, stderr } = await sh(line);
			/** A vm is idle a little after its last command's end is told. */
			if (output === 's "idle"\n') {
				await installed.user.until("it is idle", async () => {
					({ stdout, stderr } = await sh(line));
					return stdout === output;
				});
			}
			expect(stdout + stderr, line).toMatch(toPattern(output));
			id = /"(shopping\.\d+\.[0-9a-f]{4})"/.exec(stdout)?.[1] ?? id;
		}
		for (const wait of waiting) await wait();
	});

	it.each([
		["Python", `/usr/bin/python3 ${at("examples/run-by-dbus.py")}`],
		["TypeScript", `${process.execPath} ${at("examples/run-by-dbus.ts")}`],
	])("the example in %s runs a command, and has its exit status", async (_, program) => {
		const outcome = await sh(`${program} shopping sh -c 'echo here; echo there >&2; exit 3'`);
		expect(outcome).toMatchObject({ status: 3, stdout: "here\n", stderr: "there\n" });
		const { status, stdout, stderr } = await sh(`${program} shoping true`);
		expect([status, stdout, stderr]).toEqual([1, "", expect.stringContaining("did you mean 'shopping'?")]);
	});
});
