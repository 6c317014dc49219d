/** What the desktop is told, by the broker's own process, over a real bus, to a small notification server. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../src/broker/clock.ts";
import { Desk } from "../../src/broker/notifications/desk.ts";
import { DesktopServer } from "../../src/broker/notifications/desktop-server.ts";
import type { Answer } from "../../src/broker/notifications/question.ts";
import { findUserBus } from "../../src/dbus/user-bus-place.ts";
import { nothingLeft, signalProcess } from "../e2e/harness.ts";
import { NotificationServer, type Notified } from "../fixtures/notification-server.ts";
import { FakeUser } from "./fake-user.ts";
import { InstalledBroker } from "./installed-broker.ts";
import { SessionBus } from "./session-bus.ts";

/** One that has failed three times is let be for a while: each test has others that fail. */
const failing = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
const vms = [
	{ id: 3, name: "slow" },
	{ id: 5, name: "shopping", idleTimeout: 4 },
	...failing.map((name, index) => ({ id: 7 + 2 * index, name })),
	{ id: 33, name: "resting", idleTimeout: 7 },
];
const names = vms.map(({ name }) => name);

let user: FakeUser;
let bus: SessionBus;
let server: NotificationServer | undefined;
const wasStarted = (): boolean => existsSync(join(user.directory, "started"));
const mayStart = (): string => join(user.directory, "may-start");

beforeAll(async () => {
	user = new FakeUser({ vms, supervisor: "direct", env: { QUBES_LITE_LOG: "debug" } });
	/** The bus can start one, which comes up only where a test lets it. */
	const script = `touch ${join(user.directory, "started")}; [ -e ${mayStart()} ] && exec sleep 5; exit 1`;
	bus = await SessionBus.start(user, { "org.freedesktop.Notifications": script });
});

afterEach(async () => {
	await server?.stop();
	server = undefined;
	for (const name of names) user.order(name, {});
	await user.sh(`qubes-lite stop --force ${names.join(" ")}`);
	/** Each broker counts for itself. */
	await user.endBrokers("SIGTERM");
	for (const name of names) rmSync(join(user.runtime, `${name}.log.txt`), { force: true });
	user.configure(vms);
});

afterAll(async () => {
	await bus.stop();
	expect(await user.leave(names)).toEqual(nothingLeft);
});

async function serve(options: Parameters<typeof NotificationServer.start>[1] = {}): Promise<NotificationServer> {
	server = await NotificationServer.start(bus.path, options);
	return server;
}

async function shown(desktop: NotificationServer, summary: string): Promise<Notified> {
	await user.until(`"${summary}" is shown`, () => desktop.summaries.includes(summary), 20_000);
	const found = desktop.open.find((notified) => notified.summary === summary);
	if (found === undefined) throw new Error("it is gone");
	return found;
}

/** A boot that takes more than 2 s is told, too: on a busy machine also where it is not meant to. */
const isOfBoot = ({ summary }: Notified): boolean => summary.startsWith("Starting ");

const openBesidesBoots = (desktop: NotificationServer): Notified[] => desktop.open.filter((one) => !isOfBoot(one));

function closedBesidesBoots(desktop: NotificationServer): number[] {
	const boots = desktop.notified.filter(isOfBoot).map(({ id }) => id);
	return desktop.closed.filter((id) => !boots.includes(id));
}

/** What opens files on this user's desktop. */
function installOpener(script: string): void {
	writeFileSync(join(user.fakes, "xdg-open"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

it("a server that the bus starts when there is something to show is shown it", async () => {
	rmSync(join(user.directory, "started"), { force: true });
	writeFileSync(mayStart(), "");
	user.order("shopping", { hello: "never" });
	const running = user.start("run-in-vm", ["shopping", "true"]);
	await user.until("it is started", wasStarted);
	const desktop = await serve();
	await shown(desktop, "Starting shopping…");
	user.order("shopping", {});
	expect((await running.done).status).toBe(0);
	rmSync(mayStart());
});

it("a slow boot is told with its progress, until the vm is there; a quick one is not", async () => {
	const desktop = await serve();
	const quick = await user.run("slow", "true");
	expect(quick.status).toBe(0);
	user.order("shopping", { helloDelayMs: 4_500, phaseDelayMs: 700 });
	const late = await user.run("shopping", "true");
	expect(late.status).toBe(0);
	const ofQuick = (): Notified[] => desktop.notified.filter(({ summary }) => summary === "Starting slow…");
	const closed = (): number[] => desktop.closed.filter((id) => !ofQuick().some((one) => one.id === id));
	await user.until("it is closed", () => closed().length === 1);
	/** On a busy machine it may have been slow. */
	if (quick.ms < 2_000) expect(ofQuick()).toEqual([]);
	const told = desktop.notified.filter(({ summary }) => summary === "Starting shopping…");
	const [first] = told;
	const news = desktop.notified.filter((one) => one.replaces === 0 && isOfBoot(one) && !ofQuick().includes(one));
	expect(news).toEqual([first]);
	expect(first).toMatchObject({
		...{ app: "qubes-lite", icon: "computer", replaces: 0, actions: [], expiresMs: 10_000 },
		body: expect.stringMatching(/^(kernel|init|agent), [2-4] s/),
		hints: { "desktop-entry": "qubes-lite", category: "device", urgency: 0 },
	});
	expect(told.length).toBeGreaterThanOrEqual(3);
	for (const update of told.slice(1)) expect(update.replaces).toBe(first?.id);
	/** The first comes 2 s after the start at the earliest, and the last one before the end. */
	expect(told.length - 1).toBeLessThanOrEqual((late.ms - 2_000) / 500 + 1);
	expect(closed()).toEqual([first?.id]);
	/** The second boot knows how long the first one took. It may be told at once where another broker tells it. */
	expect((await user.sh("qubes-lite stop --force shopping")).status).toBe(0);
	await user.endBrokers("SIGTERM");
	expect((await user.run("shopping", "true")).status).toBe(0);
	const again = desktop.notified.filter(({ summary }) => summary === "Starting shopping…").slice(told.length);
	expect(again[0]?.body).toMatch(/; usually \d+ s$/);
	expect(again.map(({ hints }) => hints.value)).toEqual(again.map(() => expect.any(Number)));
	const values = again.map(({ hints }) => Number(hints.value));
	expect(values.every((value, index) => value >= (values[index - 1] ?? 1) && value <= 99)).toBe(true);
});

it("a boot that fails is told in its vmm's words, escaped, and its log opens as a file", async () => {
	const opened = join(user.directory, "opened");
	installOpener(`cp -p "$1" ${opened}; echo "$1" >${opened}.path`);
	const desktop = await serve();
	const words = "qemu: <b>no & memory</b>\u202e\x1b[31m\x1b]0;owned\x07\n";
	user.order("a", { exitAtBoot: { words, status: 1 }, console: "Hello <i>\x1b[2J\n" });
	expect((await user.run("a", "true")).status).toBe(125);
	const failure = await shown(desktop, "a did not start");
	expect(failure).toMatchObject({
		body: expect.stringContaining("qemu: &lt;b&gt;no &amp; memory&lt;/b&gt;\uFFFD\uFFFD[31m\uFFFD]0;owned\uFFFD"),
		actions: ["log", "Show log"],
		hints: { urgency: 2 },
	});
	expect(failure.body).toMatch(/\nqubes-lite logs a$/);
	desktop.click(failure.id, "log");
	await user.until("it is opened", () => existsSync(`${opened}.path`));
	expect(readFileSync(`${opened}.path`, "utf8")).toBe(`${join(user.runtime, "a.log.txt")}\n`);
	expect(statSync(opened).mode & 0o777).toBe(0o600);
	const log = readFileSync(opened, "utf8");
	expect(log).toMatch(/^a did not start: /);
	expect(log).toContain("qemu: <b>no & memory</b>\uFFFD\uFFFD[31m");
	expect(log).toContain("Hello <i>\uFFFD[2J\n");
	expect(log).not.toMatch(/[\x1b\x07\u202e]/);
});

it("where nothing opens files, or can't, it says which command shows the log", async () => {
	const desktop = await serve({ capabilities: ["actions", "body"] });
	installOpener("exit 3");
	user.order("b", { exitAtBoot: { words: "a <b> & c\n", status: 1 } });
	expect((await user.run("b", "true")).status).toBe(125);
	const failure = await shown(desktop, "b did not start");
	/** This server shows what it is told, letter by letter. */
	expect(failure.body).toContain("a \u2039b\u203A \uFF06 c");
	desktop.click(failure.id, "log");
	expect((await shown(desktop, "The log of b")).body).toBe("Nothing opens it here. In a terminal: qubes-lite logs b");
});

it("a server without actions is offered none", async () => {
	const desktop = await serve({ capabilities: ["body"] });
	user.order("c", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("c", "true")).status).toBe(125);
	expect((await shown(desktop, "c did not start")).actions).toEqual([]);
});

it("a stop is told before it comes, and Keep running keeps the vm", async () => {
	const desktop = await serve();
	expect((await user.sh("qubes-lite start resting")).status).toBe(0);
	const stop = await shown(desktop, "resting stops in 7 s");
	expect(stop).toMatchObject({ body: "idle for 7 s", actions: ["keep", "Keep running"], hints: { urgency: 1 } });
	const stopsAt = Date.parse((await user.status("resting")).stopsAt ?? "");
	/** Only its server says what is clicked on. */
	await NotificationServer.pretend(bus.path, desktop.client, stop.id, "keep");
	await delay(1_000);
	expect(Date.parse((await user.status("resting")).stopsAt ?? "")).toBeLessThan(stopsAt + 500);
	desktop.click(stop.id, "keep");
	await user.until("it is taken away", () => desktop.closed.includes(stop.id));
	const later = Date.parse((await user.status("resting")).stopsAt ?? "");
	expect(later - stopsAt).toBeGreaterThanOrEqual(900);
	await delay(Math.max(0, stopsAt + 200 - Date.now()));
	expect(await user.stateOf("resting")).toBe("idle");
	await user.until("it stops in the end", async () => (await user.stateOf("resting")) === "stopped");
});

it("a question is answered by whoever sits there, or by nobody in time", async () => {
	const desktop = await serve();
	const place = findUserBus({ DBUS_SESSION_BUS_ADDRESS: `unix:path=${bus.path}` });
	const desk = new Desk({
		port: new DesktopServer(place, { debug: () => {} }),
		...{ clock: systemClock, now: () => performance.now(), isWanted: () => true },
	});
	const ask = (about: string, withinMs: number): Promise<Answer> =>
		desk.ask({
			...{ summary: `${about} asks`, body: ["to open <b>https://example.org/</b>"], withinMs },
			choices: [
				{ key: "allow", label: "Allow" },
				{ key: "deny", label: "Deny" },
			],
		});
	const answer = ask("shopping", 60_000);
	const question = await shown(desktop, "shopping asks");
	expect(question).toMatchObject({
		body: "to open &lt;b&gt;https://example.org/&lt;/b&gt;",
		actions: ["allow", "Allow", "deny", "Deny"],
		expiresMs: 60_000,
	});
	desktop.click(question.id, "deny");
	expect(await answer).toEqual({ kind: "chosen", key: "deny" });
	const nobody = { kind: "unanswered" };
	const closed = ask("banking", 60_000);
	desktop.dismiss((await shown(desktop, "banking asks")).id);
	expect(await closed).toEqual(nobody);
	expect(await ask("vault", 300)).toEqual(nobody);
	await user.until("no question is left", () => desktop.summaries.length === 0);
	/** Its server is gone before it is answered. */
	const unanswered = ask("disp", 60_000);
	await shown(desktop, "disp asks");
	await desktop.stop();
	expect(await unanswered).toEqual(nobody);
});

it("no button does what the policy forbids", async () => {
	const directory = join(user.directory, ".config/qubes-lite/policy.d");
	mkdirSync(directory, { recursive: true });
	writeFileSync(join(directory, "10.policy"), "start * @host shopping deny\n* * @host @anyvm allow\n", { mode: 0o600 });
	try {
		const desktop = await serve();
		expect((await user.run("shopping", "true")).status).toBe(0);
		expect((await shown(desktop, "shopping stops in 4 s")).actions).toEqual([]);
	} finally {
		rmSync(directory, { recursive: true });
	}
});

it("a broker that is told to leave takes away a stop that another one will announce, and that one does", async () => {
	const desktop = await serve();
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	const stop = await shown(desktop, "shopping stops in 4 s");
	await user.endBrokers("SIGTERM");
	await user.until("it is taken away", () => desktop.closed.includes(stop.id));
	await user.stateOf("shopping");
	expect((await shown(desktop, "shopping stops in 4 s")).id).not.toBe(stop.id);
});

it("a broker leaves when it is idle, and what has failed stays on the screen without what nobody would do", async () => {
	const desktop = await serve();
	user.order("d", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("d", "true")).status).toBe(125);
	const failure = await shown(desktop, "d did not start");
	await user.until("the broker has left", () => user.brokerPids().length === 0, 10_000);
	await user.until("it offers nothing", () => openBesidesBoots(desktop)[0]?.actions.length === 0, 5_000);
	const left = { id: failure.id, replaces: failure.id, summary: "d did not start" };
	expect(openBesidesBoots(desktop)).toMatchObject([left]);
	expect(closedBesidesBoots(desktop)).toEqual([]);
});

it("a configuration without notifications has none, from the moment on in which it is written", async () => {
	const desktop = await serve();
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	const stop = await shown(desktop, "shopping stops in 4 s");
	user.configure(vms, { notifications: false });
	await user.until("it is taken away", () => desktop.closed.includes(stop.id));
	const count = desktop.notified.length;
	user.order("e", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("e", "true")).status).toBe(125);
	expect((await user.sh("qubes-lite status --json e")).status).toBe(0);
	user.configure(vms, { notifications: true });
	user.order("f", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("f", "true")).status).toBe(125);
	await shown(desktop, "f did not start");
	const news = desktop.notified.slice(count).filter((one) => !isOfBoot(one));
	expect(news.map(({ summary }) => summary)).toEqual(["f did not start"]);
});

it("without a server nothing is different, and the log says so once", async () => {
	/** The broker of the first may have left before the second: each says it for itself. */
	const sayers = (): number[] =>
		user
			.log()
			.split("\n")
			.filter((line) => line.includes("notifications.absent"))
			.map((line) => JSON.parse(line).pid);
	const before = sayers().length;
	for (const vm of ["g", "h"]) {
		user.order(vm, { exitAtBoot: { words: "no\n", status: 1 } });
		const { status, stderr } = await user.run(vm, "true");
		expect([status, stderr]).toEqual([
			125,
			expect.stringMatching(new RegExp(`^run-in-vm: ${vm} did not become ready`)),
		]);
	}
	await user.until("it is said", () => sayers().length > before);
	expect(sayers()).toEqual([...new Set(sayers())]);
});

it("a server that never answers costs nobody anything", async () => {
	const desktop = await serve({ isDeaf: true });
	const beganAt = performance.now();
	user.order("i", { exitAtBoot: { words: "no\n", status: 1 } });
	const failed = await user.run("i", "true");
	expect(failed.status).toBe(125);
	user.order("shopping", { helloDelayMs: 2_500 });
	const { status, ms } = await user.run("shopping", "true");
	expect(status).toBe(0);
	expect(ms).toBeLessThan(7_400);
	/** Again after 5 s at the earliest. */
	expect(new Set(desktop.asked)).toEqual(new Set(["GetCapabilities"]));
	expect(desktop.asked.length).toBeLessThanOrEqual(1 + Math.floor((performance.now() - beganAt) / 5_000));
	expect((await user.sh("qubes-lite stop --force shopping")).status).toBe(0);
	await user.until("the broker leaves when it is idle", () => user.brokerPids().length === 0, 10_000);
});

it("a server that comes again is told what comes, and of nothing that its predecessor has shown", async () => {
	const first = await serve();
	expect((await user.sh("qubes-lite start shopping")).status).toBe(0);
	await shown(first, "shopping stops in 4 s");
	user.order("j", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("j", "true")).status).toBe(125);
	await shown(first, "j did not start");
	await first.stop();
	const second = await serve();
	user.order("k", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("k", "true")).status).toBe(125);
	await shown(second, "k did not start");
	await user.until("shopping has stopped", async () => (await user.stateOf("shopping")) === "stopped");
	const summaries = openBesidesBoots(second).map(({ summary }) => summary);
	expect([summaries, closedBesidesBoots(second)]).toEqual([["k did not start"], []]);
});

it("a bus that comes back is connected to again", async () => {
	await serve();
	user.order("l", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("l", "true")).status).toBe(125);
	await bus.stop();
	rmSync(bus.path, { force: true });
	bus = await SessionBus.start(user);
	const desktop = await serve();
	user.order("m", { exitAtBoot: { words: "no\n", status: 1 } });
	expect((await user.run("m", "true")).status).toBe(125);
	await shown(desktop, "m did not start");
});

it("a broker that is a service has the log opened outside its own restrictions, by what outlives the opener", async () => {
	const installed = await InstalledBroker.start({ vms: [{ id: 5, name: "shopping" }] });
	const { directory, fakes } = installed.user;
	const desktop = await NotificationServer.start(join(directory, "bus"));
	try {
		/** xdg-open ends, and the viewer that it has started does not. */
		const viewer = join(directory, "viewer");
		const script = `#!/bin/sh\nsleep 1000 & grep NoNewPrivs /proc/self/status >${viewer}; echo $! >>${viewer}; cp "$1" ${viewer}.text\n`;
		writeFileSync(join(fakes, "xdg-open"), script, { mode: 0o755 });
		installed.user.order("shopping", { exitAtBoot: { words: "no memory\n", status: 1 } });
		expect((await installed.user.run("shopping", "true")).status).toBe(125);
		await installed.user.until("it is shown", () => desktop.summaries.includes("shopping did not start"));
		desktop.click(openBesidesBoots(desktop)[0]?.id ?? 0, "log");
		await installed.user.until("it is opened", () => {
			const text = `${viewer}.text`;
			return existsSync(text) && readFileSync(text, "utf8").includes("no memory");
		});
		const [privileges = "", pid = ""] = readFileSync(viewer, "utf8").split("\n");
		expect(privileges).toMatch(/\t0$/);
		expect(Number(pid)).toBeGreaterThan(1);
		await delay(500);
		expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("sleep\n");
		signalProcess(Number(pid), "SIGKILL");
		expect(openBesidesBoots(desktop).map(({ summary }) => summary)).toEqual(["shopping did not start"]);
		rmSync(join(installed.user.runtime, "shopping.log.txt"));
	} finally {
		await desktop.stop();
		await installed.leave(["shopping"]);
	}
});
