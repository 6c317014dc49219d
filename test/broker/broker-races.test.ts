/** What broker-model.test.ts has found, each as the shortest history that showed it. */
import { afterEach, describe, expect, test } from "vitest";
import type { VmConfig } from "../../src/config/schema.ts";
import { box, disp, net, shopping, web } from "./broker-histories.ts";
import { BrokerWorld } from "./broker-world.ts";
import { liveVmm } from "./fake-places.ts";
import { drained, NamedTurns } from "./turns.ts";

const worlds: BrokerWorld[] = [];

afterEach(() => {
	for (const world of worlds.splice(0)) world.close();
});

async function open(...vms: VmConfig[]): Promise<{ world: BrokerWorld; turns: NamedTurns }> {
	const turns = new NamedTurns();
	const world = new BrokerWorld(turns, vms);
	worlds.push(world);
	await world.open();
	return { world, turns };
}

/** An instance that is kept ready, and whose guest will say nothing when it is resumed. */
async function openDeaf(): Promise<{ world: BrokerWorld; member: string }> {
	const { world } = await open({ ...disp, preload: 1 });
	await world.pass(20_000, () => world.endAll());
	const member = world.registry.all().find((vm) => world.registry.isPreloaded(vm))?.config.name ?? "";
	const guest = liveVmm(world, member)?.guest;
	if (guest !== undefined) guest.isHung = true;
	return { world, member };
}

const stateOf = (world: BrokerWorld, vm: string): string => world.registry.find(vm).snapshot().state;

describe("what somebody else has started", () => {
	test("while its dependencies were waited for is taken in, and can be stopped", async () => {
		const { world } = await open(web, net);
		world.start("web");
		await world.startFromOutside("web");
		expect(stateOf(world, "web")).toBe("booting");
		world.stop("web", false);
		await drained();
		expect(stateOf(world, "web")).toBe("shutdown");
		await world.settle();
		world.rules.checkSettled();
		expect(liveVmm(world, "web")).toBeUndefined();
	});

	test("while a launch waited for a clean-up is taken in when that launch is called off", async () => {
		const { world, turns } = await open(shopping);
		world.start("shopping");
		await turns.next("start of shopping");
		liveVmm(world, "shopping")?.crash(1);
		await turns.next("the end of shopping is seen");
		await world.startFromOutside("shopping");
		world.stop("shopping", true);
		/** Beyond the bound of a SIGKILL: its vmm seems to be stuck. */
		await world.pass(20_000);
		expect(stateOf(world, "shopping")).toBe("failed");
		await world.endAll();
		expect(stateOf(world, "shopping")).toBe("idle");
		await world.settle();
		world.rules.checkSettled();
	});

	test("is not launched anew before both it and the one before it are cleaned up", async () => {
		const { world, turns } = await open(shopping);
		world.start("shopping");
		await turns.next("start of shopping");
		liveVmm(world, "shopping")?.crash(1);
		world.stop("shopping", true);
		const appears = world.startFromOutside("shopping");
		await turns.next("the end of shopping is seen");
		await appears;
		world.start("shopping");
		liveVmm(world, "shopping")?.crash(1);
		await turns.next("the end of shopping is seen");
		expect(turns.names.filter((name) => name === "logs are kept")).toHaveLength(1);
		await world.settle();
		world.rules.checkSettled();
	});

	test("and ends before our link to it listens is cleaned up once", async () => {
		const { world, turns } = await open(shopping);
		world.start("shopping");
		await turns.next("start of shopping");
		liveVmm(world, "shopping")?.crash(1);
		await turns.next("the end of shopping is seen");
		await world.startFromOutside("shopping");
		await turns.next("logs are kept");
		await turns.next("clean-up of shopping");
		await turns.next("start of shopping");
		world.stop("shopping", true);
		await turns.next("SIGKILL of shopping");
		await turns.next("the end of shopping is seen");
		await world.settle();
		world.rules.checkSettled();
	});
});

test("a boot that is tried again waits for what it needs, although that has ended since", async () => {
	const { world, turns } = await open(web, net);
	world.start("web");
	for (const what of ["start of net", "link of net", "agent of net", "start of web"]) await turns.next(what);
	liveVmm(world, "net")?.crash(1);
	await turns.next("the end of net is seen");
	liveVmm(world, "web")?.crash(1);
	await turns.next("the end of web is seen");
	await world.endAll();
	world.rules.check();
	expect(stateOf(world, "net")).toBe("ready");
	await world.settle();
	world.rules.checkSettled();
});

test("what an earlier broker has left holds what it needs, before its guest has said anything", async () => {
	const { world } = await open(web, net);
	world.start("web");
	await world.endAll();
	const guest = liveVmm(world, "web")?.guest;
	if (guest !== undefined) guest.isHung = true;
	await world.replace(false);
	world.rules.check();
	expect([...world.registry.find("net").snapshot().context.leases.keys()]).toEqual([`dependant:${web.id}`]);
});

test("what is up holds what it needs also where that is configured only now", async () => {
	const { world } = await open(web, net);
	world.start("web");
	await world.endAll();
	world.stop("net", true);
	await world.endAll();
	world.configure([web]);
	await drained();
	world.configure([web, net]);
	world.rules.check();
	expect([...world.registry.find("net").snapshot().context.leases.keys()]).toEqual([`dependant:${web.id}`]);
});

test("an instance that can't be paused is not made again and again", async () => {
	const { world } = await open({ ...disp, preload: 1 });
	world.refuses.pause = true;
	await world.pass(600_000, () => world.endAll());
	expect(world.vmms.length).toBeLessThan(10);
	await world.settle();
	world.rules.checkSettled();
});

test("an instance that is kept ready is given to one run only", async () => {
	const { world } = await open({ ...disp, preload: 1 });
	await world.pass(5_000, () => world.endAll());
	const member = world.registry.all().find((vm) => world.registry.isPreloaded(vm))?.config.name;
	const [first, second] = [1, 2].map(() => world.ask({ vm: "disp", disposable: true }));
	await world.endAll();
	expect(first?.ready?.vm).toBe(member);
	expect(second?.ready?.vm).not.toBe(member);
	await world.settle();
	world.rules.checkSettled();
});

test("a run whose kept instance says nothing when it is resumed is served by one that boots beside it", async () => {
	const { world, member } = await openDeaf();
	const client = world.ask({ vm: "disp", disposable: true });
	await world.pass(999, () => world.endAll());
	expect(client.ready).toBeUndefined();
	await world.pass(100, () => world.endAll());
	await world.endAll();
	expect(client.ready?.vm).not.toBe(member);
	expect(client.isGranted).toBe(true);
	/** It is told of the one that boots for it. */
	expect(client.progress.filter((line) => line.startsWith(`${client.ready?.vm} `))).not.toEqual([]);
	expect(client.progress).not.toContain(`${member} shutdown`);
	expect(liveVmm(world, member)).toBeUndefined();
	await world.settle();
	world.rules.checkSettled();
});

test("a run whose kept instance is only late boots none beside it for nothing once it has left", async () => {
	const { world } = await openDeaf();
	const client = world.ask({ vm: "disp", disposable: true });
	await world.pass(500, () => world.endAll());
	client.leave();
	await world.endAll();
	const boots = world.vmms.filter(({ vm }) => vm !== "disp").length;
	await world.pass(1_000, () => world.endAll());
	const refilled = world.registry.all().filter((vm) => world.registry.isPreloaded(vm)).length;
	expect(world.vmms.length).toBeLessThanOrEqual(boots + refilled);
	await world.settle();
	world.rules.checkSettled();
});

test("a run whose kept instance is stopped is refused, and is not served by another one", async () => {
	const { world, member } = await openDeaf();
	const client = world.ask({ vm: "disp", disposable: true });
	await world.pass(300, () => world.endAll());
	world.stop(member, true);
	await world.endAll();
	await world.pass(5_000, () => world.endAll());
	expect(client.outcome).toMatchObject({ code: "NotRunning" });
	expect(client.ready).toBeUndefined();
	await world.settle();
	world.rules.checkSettled();
});

test("a broker that leaves boots nothing beside a kept instance that says nothing", async () => {
	const { world } = await openDeaf();
	world.ask({ vm: "disp", disposable: true });
	await world.pass(500, () => world.endAll());
	const before = world.vmms.length;
	void world.registry.leave();
	await world.pass(1_000, () => world.endAll());
	expect(world.vmms.length).toBe(before);
});

const isTicket = (name: string): boolean => name.startsWith("ticket ");

/** Of all that is about to happen, what is no ticket on its way to an agent. */
async function endAllButTickets(turns: NamedTurns): Promise<void> {
	await drained();
	for (let name = turns.names.find((one) => !isTicket(one)); name !== undefined; await drained()) {
		await turns.next(name);
		name = turns.names.find((one) => !isTicket(one));
	}
}

test("a run whose agent goes away before it has its ticket is served when that is back", async () => {
	const { world, turns } = await open(shopping);
	const client = world.ask({ vm: "shopping" });
	await endAllButTickets(turns);
	expect(turns.names.filter(isTicket)).toHaveLength(1);
	liveVmm(world, "shopping")?.guest.cut();
	await world.pass(3_000, () => world.endAll());
	expect([client.outcome, client.isGranted]).toEqual(["waits", true]);
	expect(world.vmms).toHaveLength(1);
	await world.settle();
	world.rules.checkSettled();
});

test("a run that waits for what its vm needs goes on to the next boot when the guest powers off by itself", async () => {
	const { world, turns } = await open(web, net);
	world.start("web");
	await world.endAll();
	const first = world.ask({ vm: "web" });
	await drained();
	liveVmm(world, "net")?.crash(1);
	await turns.next("the end of net is seen");
	const second = world.ask({ vm: "web" });
	const guest = liveVmm(world, "web")?.guest;
	if (guest !== undefined) guest.isGoingDown = true;
	await drained();
	await turns.next(turns.names.find(isTicket));
	await world.pass(20_000, () => world.endAll());
	for (const client of [first, second]) expect([client.outcome, client.isGranted]).toEqual(["waits", true]);
	expect(world.vmms.filter(({ vm }) => vm === "web")).toHaveLength(2);
	await world.settle();
	world.rules.checkSettled();
});

test("an instance that powers off before it has its ticket is not booted again by its run", async () => {
	const { world, turns } = await open(disp);
	const client = world.ask({ vm: "disp", disposable: true });
	const endOthers = () => endAllButTickets(turns);
	await endOthers();
	expect(turns.names.filter(isTicket)).toHaveLength(1);
	liveVmm(world, client.ready?.vm ?? "")?.powerOff();
	await endOthers();
	await world.pass(3_000, endOthers);
	expect(client.outcome).toMatchObject({ message: expect.stringContaining("ended before") });
	expect(world.vmms.filter(({ isAlive }) => isAlive)).toEqual([]);
	world.rules.check();
});

test("a run that waits for what its vm needs is refused when that vm is stopped", async () => {
	const { world } = await open(web, net);
	world.start("web");
	await world.endAll();
	liveVmm(world, "net")?.crash(1);
	await world.endAll();
	const client = world.ask({ vm: "web" });
	await drained();
	world.stop("web", true);
	await world.endAll();
	expect(client.outcome).toMatchObject({ code: "NotRunning" });
	expect(stateOf(world, "web")).toBe("stopped");
	expect([...world.registry.find("web").snapshot().context.leases.keys()]).toEqual([]);
	await world.settle();
	world.rules.checkSettled();
});

test("a paused vm is resumed by the next broker also where there was no room to mark it so", async () => {
	const { world } = await open(box);
	world.start("box");
	await world.endAll();
	await world.pass(20_000, () => world.endAll());
	expect(liveVmm(world, "box")?.guest.isPaused).toBe(true);
	await world.replace(false);
	await world.endAll();
	expect(liveVmm(world, "box")?.guest.isPaused).toBe(false);
	await world.settle();
	world.rules.checkSettled();
});

test("an instance that ends while a run in it waits for another vm is not booted again by that run", async () => {
	const { world, turns } = await open(web, net);
	const first = world.ask({ vm: "web", disposable: true });
	await world.endAll();
	const instance = first.ready?.vm ?? "";
	liveVmm(world, "net")?.crash(1);
	await world.endAll();
	const client = world.ask({ vm: instance });
	await drained();
	expect(turns.names).toContain("start of net");
	liveVmm(world, instance)?.crash(1);
	first.leave();
	const ofInstance = (): string | undefined =>
		turns.names.find((name) => name.includes(instance) || name === "logs are kept");
	for (await drained(); ofInstance() !== undefined; ) await turns.next(ofInstance());
	expect(world.registry.all().some(({ config }) => config.name === instance)).toBe(false);
	await world.endAll();
	expect(client.outcome).toMatchObject({ code: "NotRunning" });
	expect(liveVmm(world, instance)).toBeUndefined();
	await world.settle();
	world.rules.checkSettled();
});

test("a disposable that a window alone keeps is kept by the next broker, whose display is asked before its guest has spoken", async () => {
	const { world } = await open(disp);
	const client = world.ask({ vm: "disp", disposable: true });
	await drained();
	const [name = ""] = world.registry.all().flatMap(({ config }) => (config.name === "disp" ? [] : [config.name]));
	world.windows.set(name, [{ id: 1, title: "Firefox", app: "firefox" }]);
	await world.endAll();
	client.leave();
	await world.endAll();
	expect([...world.registry.find(name).snapshot().context.leases.keys()]).toEqual(["window:1"]);
	await world.replace(false);
	/** The guest has said that it has nothing to do, and time goes on. */
	await world.pass(1);
	await world.endAll();
	await world.pass(10_000, () => world.endAll());
	expect([...world.registry.find(name).snapshot().context.leases.keys()]).toEqual(["window:1"]);
	expect(stateOf(world, name)).toBe("ready");
});
