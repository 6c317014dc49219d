/** How long boots have taken: known to the next broker, told to who waits, and a reason to wait longer. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEmulated } from "../../src/host/kvm.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { Terminal } from "../e2e/tmux.ts";
import { writeConfig } from "./broker-places.ts";
import { FakeUser } from "./fake-user.ts";

const vms = [
	{ id: 3, name: "fresh" },
	{ id: 5, name: "known" },
	{ id: 7, name: "slow", bootTimeout: 2 },
	{ id: 9, name: "broken", bootTimeout: 2 },
	{ id: 11, name: "panicky" },
	{ id: 13, name: "gone" },
	{ id: 15, name: "disp", disposable: true },
];
const names = vms.map(({ name }) => name);
const accelerator = isEmulated() ? "tcg" : "kvm";
let user: FakeUser;
const fileOf = (vm: string, folder = "boots") => join(user.state, folder, `${vm}.json`);
const boots = (vm: string) => JSON.parse(readFileSync(fileOf(vm), "utf8")).boots;

beforeAll(() => {
	user = new FakeUser({ vms });
	mkdirSync(join(user.state, "boots"), { recursive: true });
	const boot = (ms: number) => ({ at: 1, ms, phases: {}, accelerator });
	const write = (vm: string, ...ms: number[]) =>
		writeFileSync(fileOf(vm), JSON.stringify({ schema: 1, boots: ms.map(boot) }));
	write("known", 3_000);
	write("slow", 500, 4_000, 600);
	write("gone", 700);
	writeFileSync(fileOf("broken"), '{"schema":1,"boots":[{"at":1,"ms":1e9,');
});

afterAll(async () => {
	expect(await user.leave(names)).toEqual(nothingLeft);
});

describe("a boot", () => {
	it("is shown with where its time went, and the next broker knows what to expect", async () => {
		expect(await user.status("fresh")).toMatchObject({ bootMs: null, phases: {}, usualBootMs: null });
		user.order("fresh", { phaseDelayMs: 400, helloDelayMs: 4_000 });
		expect((await user.sh("qubes-lite start fresh")).status).toBe(0);
		const { bootMs, phases, usualBootMs } = await user.status("fresh");
		expect(phases).toEqual({ init: expect.any(Number), root: expect.any(Number), agent: expect.any(Number) });
		expect(bootMs).toBeGreaterThanOrEqual(phases.agent ?? 0);
		expect(usualBootMs).toBe(bootMs);
		expect((await user.sh("qubes-lite status fresh")).stdout).toMatch(
			/^ {2}boot +\d+\.\d s \(kernel \d+\.\d s, init \d+\.\d s, agent \d+\.\d s\)$/m,
		);
		expect(boots("fresh")).toEqual([{ at: expect.any(Number), ms: bootMs, phases, accelerator }]);
		await user.sh("qubes-lite stop fresh");
		await user.endBrokers();
		expect(await user.status("fresh")).toMatchObject({ bootMs: null, phases: {}, usualBootMs });
		expect((await user.sh("qubes-lite status fresh")).stdout).toMatch(/^ {2}boot +usually \d+\.\d s$/m);
	});

	it("that goes on is compared with those before", async () => {
		user.order("fresh", { phaseDelayMs: 10, hello: "never" });
		const starting = user.start("qubes-lite", ["start", "fresh"]);
		await user.until("its agent starts", async () => (await user.status("fresh")).phase === "agent");
		const reached = String.raw`reached agent after \d+\.\d s; usually \d+\.\d s$`;
		expect((await user.sh("qubes-lite status fresh")).stdout).toMatch(new RegExp(`^ {2}boot +${reached}`, "m"));
		expect((await user.sh("qubes-lite why fresh")).stdout).toMatch(
			new RegExp(String.raw`^boots since \d\d:\d\d, for \d+ s; ${reached}`, "m"),
		);
		user.order("fresh", {});
		await user.sh("qubes-lite stop --force fresh");
		await starting.done;
	});

	it("of an instance counts for what it is made from", async () => {
		expect((await user.run("--disposable=disp", "true")).status).toBe(0);
		await user.until("it is known", async () => (await user.status("disp")).usualBootMs !== null);
		expect(boots("disp")).toHaveLength(1);
		expect(readdirSync(join(user.state, "boots")).filter((name) => name.startsWith("disp"))).toEqual(["disp.json"]);
	});

	it("that came up only the second time is not counted: it took what failed before", async () => {
		const before = boots("fresh");
		user.order("fresh", { exitAtBoot: { words: "no room just now\n", status: 3 } }, {});
		expect((await user.sh("qubes-lite start fresh")).status).toBe(0);
		expect(boots("fresh")).toEqual(before);
		await user.sh("qubes-lite stop fresh");
	});

	it("that another broker has left half done is not counted: nobody saw how long it took", async () => {
		const before = boots("fresh");
		user.order("fresh", { hello: "never" });
		const starting = user.start("qubes-lite", ["start", "fresh"]);
		await user.until("it boots", async () => (await user.stateOf("fresh")) === "booting");
		await user.until("its vmm is there", async () => (await user.status("fresh")).pid !== null);
		await user.endBrokers();
		user.order("fresh", {});
		expect((await starting.done).status).toBe(0);
		expect(boots("fresh")).toEqual(before);
		await user.sh("qubes-lite stop fresh");
	});
});

describe("who waits at a terminal", () => {
	it("is told what to expect, and that it takes longer", async () => {
		const terminal = new Terminal(user);
		user.order("known", { helloDelayMs: 8_000 });
		terminal.type("run-in-vm known true; echo status-$?");
		await terminal.shows(/^Starting known… \w+ \d\.\d s of about 3\.\d s$/m);
		await terminal.shows(/^Starting known… \w+ \d+\.\d s \(usually 3\.\d s\)$/m);
		expect(await terminal.shows(/^status-0$/m)).not.toContain("Starting");
		terminal.close();
	});
});

describe("a boot that fails", () => {
	const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}\x1b]0;evil\x07`).join("\n");
	const shown = ["  | line 14\uFFFD]0;evil\uFFFD", "  | line 30\uFFFD]0;evil\uFFFD", "  | qubes-lite: phase agent"];
	const hint = isEmulated() ? '   # a larger "bootTimeout" may help: without KVM all is slow' : "";

	it("had twice the time of the slowest before it", async () => {
		user.order("slow", { hello: "never", console: `${lines}\n` });
		const { status, stderr } = await user.run("slow", "true");
		expect(status).toBe(124);
		expect(stderr).toContain("slow did not become ready: no hello within 8 s; reached agent\n");
		for (const line of shown) expect(stderr).toContain(`${line}\n`);
		expect(stderr).not.toContain("line 13");
		expect(stderr).toContain(`  → qubes-lite logs --console slow${hint}\n`);
		expect((await user.sh("qubes-lite why slow")).stdout).toMatch(
			/^failed at \d\d:\d\d: no hello within 8 s; reached agent\nits vmm is still up, for a look\n {2}→ qubes-lite logs --console slow/,
		);
		expect((await user.sh("qubes-lite logs --console slow")).stdout).toContain("line 30");
	});

	it("and comes up after all is the slowest from then on", async () => {
		user.order("slow", {});
		await user.until("it is healed", async () => (await user.stateOf("slow")) === "idle");
		expect(boots("slow")).toHaveLength(4);
		expect(boots("slow")[3].ms).toBeGreaterThanOrEqual(8_000);
	});

	it("has its own time where the history is broken", async () => {
		user.order("broken", { hello: "never", silent: true });
		const { stderr } = await user.run("broken", "true");
		expect(stderr).toContain("broken did not become ready: no hello within 2 s; reached kernel\n");
	});

	it("by its vmm's end shows the console, and so does who is refused after the third time", async () => {
		user.order("panicky", { console: `${lines}\n`, exitAtBoot: { words: "no such disk\n", status: 3 } });
		for (let time = 0; time < 3; time++) {
			const { status, stderr } = await user.run("panicky", "true");
			expect(status).toBe(125);
			expect(stderr).toContain("panicky did not become ready: its vmm ended with status 3: no such disk\n");
			expect(stderr).toContain("  | line 11\uFFFD]0;evil\uFFFD\n");
			expect(stderr).not.toContain("line 10\uFFFD");
			expect(stderr).toContain("  → qubes-lite logs panicky\n");
		}
		const { status, stderr } = await user.run("panicky", "true");
		expect(status).toBe(125);
		expect(stderr).toMatch(
			/^run-in-vm: panicky did not become ready: it has failed to boot 3 times in a row \(the last time: its vmm ended with status 3: no such disk\), and is let be for another \d+ s\n/,
		);
		expect(stderr).toContain("  | line 30\uFFFD]0;evil\uFFFD\n");
		expect(stderr).toContain("  → qubes-lite start panicky   # tries at once\n");
	});
});

describe("after three failed boots", () => {
	const letBe =
		/^run-in-vm: panicky did not become ready: it has failed to boot 3 times in a row \(the last time: its vmm ended with status 3: no such disk\), and is let be for another (\d+) s\n/;

	it("a vm is let be by the next broker, too, whether the one before was killed or left by itself", async () => {
		for (const vm of ["known", "slow", "broken"]) await user.sh(`qubes-lite stop --force ${vm}`);
		const starts = user.starts("panicky");
		const failedAt = JSON.parse(readFileSync(fileOf("panicky"), "utf8")).failed.at;
		await user.endBrokers();
		expect((await user.run("panicky", "true")).stderr).toMatch(letBe);
		await user.until("the broker has left", () => user.brokerPids().length === 0);
		const why = (await user.sh("qubes-lite why panicky")).stdout;
		expect(why).toMatch(/^stopped at \d\d:\d\d: its vmm ended with status 3: no such disk\n/);
		expect(why).toMatch(/^it has failed to boot again and again: runs don't boot it until \d\d:\d\d:\d\d$/m);
		const askedAt = Date.now();
		const { stderr } = await user.run("panicky", "true");
		const left = Number(letBe.exec(stderr)?.[1]);
		expect(left).toBeLessThanOrEqual(Math.ceil((failedAt + 30_000 - askedAt) / 1000) + 1);
		expect(user.starts("panicky")).toBe(starts);
	});

	it.each([
		["is bad", (text: string) => text.replace('"failed"', '"failed":7,"was"')],
		["is of the future", (text: string) => text.replace(/"at":\d+,"config"/, `"at":${Date.now() + 9e9},"config"`)],
		["is of a later version", (text: string) => text.replace('"schema":1', '"schema":2')],
	])("it boots at once where the file that says so %s", async (_, spoil) => {
		const text = readFileSync(fileOf("panicky"), "utf8");
		await user.endBrokers();
		const spoilt = spoil(text);
		expect(spoilt).not.toBe(text);
		writeFileSync(fileOf("panicky"), spoilt);
		const starts = user.starts("panicky");
		expect((await user.run("panicky", "true")).stderr).toContain("its vmm ended with status 3: no such disk\n");
		expect(user.starts("panicky")).toBeGreaterThan(starts);
		const log = readFileSync(join(user.state, "broker.log"), "utf8").split("\n");
		expect(log.filter((line) => line.includes('"state.ignored"') && line.includes("boots/panicky.json"))).not.toEqual(
			[],
		);
		await user.endBrokers();
		writeFileSync(fileOf("panicky"), text);
	});

	it("a start tries at once, and one that comes up is forgotten by the next broker, too", async () => {
		user.order("panicky", {});
		expect((await user.sh("qubes-lite start panicky && qubes-lite stop panicky")).status).toBe(0);
		await user.endBrokers();
		expect((await user.run("panicky", "true")).status).toBe(0);
		expect(JSON.parse(readFileSync(fileOf("panicky"), "utf8"))).not.toHaveProperty("failed");
	});
});

it("a vm that leaves the configuration is forgotten", async () => {
	expect((await user.sh("qubes-lite start gone && qubes-lite stop gone")).status).toBe(0);
	const files = () => [fileOf("gone"), fileOf("gone", "ends")].map((path) => existsSync(path));
	expect(files()).toEqual([true, true]);
	writeConfig(
		user,
		"auto",
		vms.filter(({ name }) => name !== "gone"),
	);
	expect((await user.sh("qubes-lite ls -q")).stdout).not.toContain("gone");
	await user.until("its files are gone", () => !files().includes(true));
	expect(existsSync(fileOf("known"))).toBe(true);
	writeConfig(user, "auto", vms);
});
