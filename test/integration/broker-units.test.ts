/** The broker's units before a real systemd: what it says of them, and what it makes of odd paths in them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { fillBrokerUnit } from "../../src/activation/broker-units.ts";
import { brokerUnits } from "../../src/activation/unit-names.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { InstalledBroker, service, socket } from "./installed-broker.ts";

let broker: InstalledBroker;

beforeAll(async () => {
	broker = await InstalledBroker.start({ vms: [] });
});

afterAll(async () => {
	expect(await broker.leave([])).toEqual(nothingLeft);
});

it("systemd-analyze verify has nothing to say", async () => {
	const outcome = await broker.manager.run(
		"systemd-analyze",
		"--user",
		"verify",
		service,
		socket,
		brokerUnits.byBus,
		"qubes-lite.slice",
	);
	expect({ ...outcome, ms: 0 }).toMatchObject({ status: 0, stdout: "", stderr: "" });
});

it("each comes from units/, and none is left with a placeholder", async () => {
	const units = readdirSync(new URL("../../units", import.meta.url)).filter((name) => name.includes("."));
	expect(units.sort()).toEqual([brokerUnits.byBus, service, socket, "qubes-lite.slice"].sort());
	const { stdout } = await broker.manager.run("systemctl", "--user", "cat", ...units);
	const settings = stdout.split("\n").filter((line) => !line.startsWith("#"));
	expect(settings.join("\n")).not.toMatch(/@(flock|node|dist)@/);
	expect(settings).toContain("StartLimitIntervalSec=0");
	expect(settings).toContain("TriggerLimitIntervalSec=0");
});

it.each([
	"a b",
	"50%n %%",
	"$HOME $$ $MAINPID",
	`"q" 'q'`,
	"back\\slash \\n",
	"new\nline\ttab",
	"ünïcode ✓",
	"; # =-@:+!|",
])("a path with %j reaches the process as it is", async (odd) => {
	const directory = join(broker.user.directory, odd);
	mkdirSync(directory, { recursive: true });
	const isProgramPath = !/[\p{Cc}"'\\]/u.test(odd);
	const program = join(isProgramPath ? directory : broker.user.directory, "flock");
	const seen = join(broker.user.directory, "seen");
	writeFileSync(program, `#!/bin/sh\nprintf '%s\\0' "$0" "$@" >'${seen}.new'; mv '${seen}.new' '${seen}'\n`, {
		mode: 0o755,
	});
	const template = "[Service]\nType=oneshot\nExecStart=@flock@ %% @node@ @dist@/broker.cjs\n";
	const unit = fillBrokerUnit(template, { flock: program, node: join(directory, "node"), dist: directory });
	writeFileSync(join(broker.user.directory, ".config/systemd/user/odd.service"), unit);
	await broker.systemctl("daemon-reload");
	await broker.systemctl("start", "odd.service");
	expect(readFileSync(seen, "utf8").split("\0")).toEqual([
		program,
		"%",
		join(directory, "node"),
		join(directory, "broker.cjs"),
		"",
	]);
});
