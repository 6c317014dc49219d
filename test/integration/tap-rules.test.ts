/**
 * What the rules of `qubes-lite host tap --print` let through, in networks of the test's own. In the place of guests there are
 * networks behind veth devices that are named like the vms' TAPs: rules know a vm by that name and its address. Real guests: test/e2e.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestUser } from "../e2e/harness.ts";
import { Neighbour, Place } from "./neighbour.ts";
import { canMakeTaps, TapHost } from "./tap-host.ts";

const vms = [
	{ id: 5, name: "a" },
	{ id: 7, name: "b" },
];
const port = 7000;
/** Documentation's own (RFC 5737). */
const [outside, lan] = ["192.0.2.1", "198.51.100.1"];
const hostAddresses = ["172.16.200.4", "172.16.200.6", "192.0.2.2", "198.51.100.2"];

describe.runIf(canMakeTaps).each([
	["whichever way leads there", "", lan],
	["one interface only", "--nat out0", "nothing"],
])("vms that reach the outside by %s", (_, nat, seenInLan) => {
	let host: TapHost;
	let user: TestUser;
	let itself: Place;
	const neighbours: Record<string, Neighbour> = {};
	const of = (name: string): Neighbour => {
		const found = neighbours[name];
		if (found === undefined) throw new Error(`no ${name}`);
		return found;
	};

	beforeAll(async () => {
		host = await TapHost.start({});
		user = new TestUser({ vms, within: host.within });
		itself = new Place(host.within);
		const prepared = await user.sh(`qubes-lite host tap --print ${nat} | sh && ip link del ql-a && ip link del ql-b`);
		expect(prepared).toMatchObject({ status: 0 });
		for (const [name, id] of [
			["a", 5],
			["b", 7],
			// No configuration has it.
			["x", 9],
		] as const) {
			const [at, gateway] = [`172.16.200.${id - 1}/31`, `172.16.200.${id - 1}`];
			const address = `172.16.200.${id}/31`;
			neighbours[name] = await Neighbour.start(host, { device: `ql-${name}`, at, address, gateway });
		}
		// As a router of their network would have it, they know the way to vms.
		const further = { gateway: "192.0.2.2" };
		neighbours.outside = await Neighbour.start(host, {
			...{ device: "out0", at: "192.0.2.2/24", address: `${outside}/24`, ...further },
		});
		neighbours.lan = await Neighbour.start(host, {
			...{ device: "lan0", at: "198.51.100.2/24", address: `${lan}/24`, gateway: "198.51.100.2" },
		});
		await Promise.all([itself, ...Object.values(neighbours)].map((place) => place.serve(port)));
	});

	afterAll(async () => {
		for (const place of [itself, ...Object.values(neighbours)]) await place.stop();
		await user.leave([]);
		await host.stop();
	});

	it("are seen there with the host's address", async () => {
		expect(await of("a").connect(outside, port)).toBe("192.0.2.2");
		expect(await of("b").pings(outside)).toBe(true);
		const seen = seenInLan === "nothing" ? "nothing" : "198.51.100.2";
		expect(await of("a").connect(lan, port)).toBe(seen);
	});

	/** The rest is the same for both. */
	if (nat !== "") return;

	const all = (...asked: readonly Promise<unknown>[]): Promise<unknown[]> => Promise.all(asked);
	const toHost = (): Promise<unknown[]> => all(...hostAddresses.map((address) => of("a").connect(address, port)));
	const toEachOther = (): Promise<unknown[]> =>
		all(of("a").connect("172.16.200.7", port), of("b").connect("172.16.200.5", port));

	it("reach no service of the host's by any of its addresses, and may ping their gateway", async () => {
		expect(await toHost()).toEqual(hostAddresses.map(() => "nothing"));
		expect(await of("a").pings("172.16.200.4")).toBe(true);
	});

	it("do not reach each other", async () => {
		expect(await toEachOther()).toEqual(["nothing", "nothing"]);
		expect(await of("a").pings("172.16.200.7")).toBe(false);
	});

	it("are not reached from outside, but by the host", async () => {
		const from = [of("outside").connect("172.16.200.5", port), of("lan").pings("172.16.200.7")];
		expect(await all(...from)).toEqual(["nothing", false]);
		expect(await itself.connect("172.16.200.5", port)).toBe("172.16.200.4");
	});

	it("have their own address only", async () => {
		const addresses = ["172.16.200.7", "203.0.113.9"];
		for (const address of addresses) await of("a").run("ip", "address", "add", `${address}/32`, "dev", "eth0");
		const asked = addresses.map((address) => of("a").connect(outside, port, address));
		expect(await all(...asked)).toEqual(["nothing", "nothing"]);
		for (const address of addresses) await of("a").run("ip", "address", "del", `${address}/32`, "dev", "eth0");
	});

	it("are those of the configuration: a device that is only named so reaches nothing, not even by IPv6", async () => {
		const [, linkLocal = ""] = /inet6 (fe80\S+)\//.exec(host.sh("ip -6 -o address show dev ql-x")) ?? [];
		const byLink = linkLocal === "" ? [] : [of("x").connect(`${linkLocal}%eth0`, port)];
		const asked = [of("x").connect(outside, port), of("x").pings("172.16.200.8"), ...byLink];
		expect(await all(...asked)).toEqual(["nothing", false, ...byLink.map(() => "nothing")]);
	});

	it("go on while the rules are loaded again", async () => {
		expect(await user.sh("qubes-lite host tap --print | sed '/^tap /d' | sh")).toMatchObject({ status: 0 });
		expect(await of("a").connect(outside, port)).toBe("192.0.2.2");
	});

	it("would reach all of that without the rules", async () => {
		host.sh("nft delete table inet qubes-lite");
		expect(await toHost()).toEqual(hostAddresses.map(() => "172.16.200.5"));
		expect(await toEachOther()).toEqual(["172.16.200.5", "172.16.200.7"]);
		expect(await of("outside").connect("172.16.200.5", port)).toBe(outside);
		// It knows the way back.
		expect(await of("a").connect(outside, port)).toBe("172.16.200.5");
	});
});
