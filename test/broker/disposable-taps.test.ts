/** Which TAP of disposablePool an instance has, and who waits for one or is refused, in a broker without its sockets. */
import { afterEach, expect, test } from "vitest";
import type { VmConfig } from "../../src/config/schema.ts";
import { QubesLiteError } from "../../src/errors.ts";
import { disp, shopping } from "./broker-histories.ts";
import { BrokerWorld } from "./broker-world.ts";
import type { FakeClient } from "./fake-client.ts";
import { liveVmm } from "./fake-places.ts";
import { NamedTurns } from "./turns.ts";

const worlds: BrokerWorld[] = [];

afterEach(async () => {
	for (const world of worlds.splice(0)) {
		try {
			await world.settle();
			world.rules.checkSettled();
		} finally {
			world.close();
		}
	}
});

async function open(poolIds: readonly number[], ...vms: VmConfig[]): Promise<BrokerWorld> {
	const world = new BrokerWorld(new NamedTurns(), vms, poolIds);
	worlds.push(world);
	await world.open();
	return world;
}

/** So many at once; resolves when all have been answered that will be. */
async function run(world: BrokerWorld, vm: string, count = 1): Promise<FakeClient[]> {
	const clients = Array.from({ length: count }, () => world.ask({ vm, disposable: true }));
	await world.endAll();
	await world.pass(3_000, () => world.endAll());
	return clients;
}

const nameOf = (client: FakeClient | undefined): string => client?.ready?.vm ?? "";
/** The low byte of its name. */
const tapOf = (client: FakeClient | undefined): number => Number.parseInt(nameOf(client).slice(-2), 16);
const taps = (clients: readonly FakeClient[]): number[] => clients.map(tapOf).sort((a, b) => a - b);

test("instances have one each, and one more than there are is told who has them", async () => {
	const world = await open([101, 103], disp, shopping);
	const [first, second] = [...(await run(world, "disp")), ...(await run(world, "shopping"))];
	expect([first, second].map(tapOf)).toEqual([101, 103]);
	const [third] = await run(world, "disp");
	expect(third?.outcome).toBeInstanceOf(QubesLiteError);
	expect(third?.outcome).toMatchObject({
		code: "Limit",
		message: `all 2 TAPs of disposablePool are in use, by ${nameOf(first)}, ${nameOf(second)}`,
		remedy: `qubes-lite stop ${nameOf(first)}   # or add ids to disposablePool, and make their TAPs: qubes-lite host tap --print | sudo sh`,
	});
	first?.leave();
	await world.endAll();
	expect(taps(await run(world, "disp"))).toEqual([101]);
});

test("of two that ask at once for the last one is refused", async () => {
	const world = await open([101], disp);
	const clients = await run(world, "disp", 2);
	const refused = clients.filter(({ ready }) => ready === undefined);
	expect(refused).toHaveLength(1);
	const holder = nameOf(clients.find(({ ready }) => ready !== undefined));
	expect(refused[0]?.outcome).toMatchObject({
		code: "Limit",
		message: `the one TAP of disposablePool is in use, by ${holder}`,
	});
});

test("who comes while an instance ends has its TAP when nothing is left of it", async () => {
	const world = await open([101], disp);
	const [first] = await run(world, "disp");
	first?.leave();
	const [second] = await run(world, "disp");
	expect(nameOf(second)).not.toBe(nameOf(first));
	expect(tapOf(second)).toBe(101);
});

test("who leaves while they wait for one leaves it to who comes next", async () => {
	const world = await open([101], disp);
	const [first] = await run(world, "disp");
	const waiting = world.ask({ vm: "disp", disposable: true });
	waiting.leave();
	first?.leave();
	expect(taps(await run(world, "disp"))).toEqual([101]);
	expect(waiting.ready).toBeUndefined();
});

test("an instance that is kept ready makes room for whoever asks for another base", async () => {
	const world = await open([101], { ...disp, preload: 1 }, shopping);
	await world.pass(5_000, () => world.endAll());
	expect(world.vmms.filter(({ isAlive }) => isAlive)).toHaveLength(1);
	const [other] = await run(world, "shopping");
	expect(tapOf(other)).toBe(101);
	other?.leave();
});

test("an instance that is kept ready is whose who asks for its base, also with the pool's last TAP", async () => {
	const world = await open([101], { ...disp, preload: 1 });
	await world.pass(5_000, () => world.endAll());
	const member = world.registry.all().find((vm) => world.registry.isPreloaded(vm))?.config.name;
	expect(nameOf((await run(world, "disp"))[0])).toBe(member);
});

test("what belongs to another user is not given away, and is named", async () => {
	const world = await open([101, 103], disp);
	world.taps.set("ql-d101", "foreign");
	const [first, second] = [...(await run(world, "disp")), ...(await run(world, "disp"))];
	expect(tapOf(first)).toBe(103);
	expect(second?.outcome).toMatchObject({
		code: "Limit",
		message: `all 2 TAPs of disposablePool are in use, by ${nameOf(first)}, whoever owns ql-d101`,
	});
});

test("what somebody else has open is not given away, and is named", async () => {
	const world = await open([101, 103], disp);
	world.taps.set("ql-d101", "open");
	const [first, second] = [...(await run(world, "disp")), ...(await run(world, "disp"))];
	expect(tapOf(first)).toBe(103);
	expect(second?.outcome).toMatchObject({
		message: `all 2 TAPs of disposablePool are in use, by ${nameOf(first)}, whoever has ql-d101 open`,
	});
});

test("what is not there does not count; without any there is no limit, and an offline base needs none", async () => {
	const world = await open([101, 103], disp, { ...shopping, network: false });
	world.taps.set("ql-d103", "gone");
	expect((await run(world, "disp", 2)).map(({ ready }) => ready === undefined).sort()).toEqual([false, true]);
	expect((await run(world, "shopping", 2)).map((client) => tapOf(client) % 2)).toEqual([0, 0]);
});

test("a TAP that a broker has given away is not free for the next one, however the first has ended", async () => {
	const world = await open([101, 103], disp);
	const [first] = await run(world, "disp");
	await world.replace(false);
	expect(taps(await run(world, "disp"))).toEqual([103]);
	expect(liveVmm(world, nameOf(first))).toBeDefined();
});

test("an id that leaves the pool leaves its instance alone, and one that comes is there at once", async () => {
	const world = await open([101], disp);
	const [first] = await run(world, "disp");
	world.poolIds = [103];
	world.configure([disp]);
	expect(taps(await run(world, "disp"))).toEqual([103]);
	expect(liveVmm(world, nameOf(first))).toBeDefined();
	world.poolIds = [103, 105];
	world.configure([disp]);
	expect(taps(await run(world, "disp"))).toEqual([105]);
});

test("an instance that is kept ready with a TAP that has left the pool is replaced", async () => {
	const world = await open([101], { ...disp, preload: 1 });
	await world.pass(5_000, () => world.endAll());
	world.poolIds = [103];
	world.configure([{ ...disp, preload: 1 }]);
	await world.pass(20_000, () => world.endAll());
	expect(world.vmms.filter(({ isAlive }) => isAlive).map(({ plan }) => plan.id & 0xff)).toEqual([103]);
});
