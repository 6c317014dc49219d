/** Real guests on the TAPs that the commands of `qubes-lite host tap --print` make, with somebody outside: what reaches what. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Neighbour, Place } from "../integration/neighbour.ts";
import { canMakeTaps, TapHost } from "../integration/tap-host.ts";
import { nothingLeft, TestUser } from "./harness.ts";

const vms = [
	{ id: 5, name: "shopping", memory: 256 },
	{ id: 7, name: "banking", memory: 256 },
	{ id: 13, name: "vault", memory: 256, network: false },
];
const port = 7000;
/** Documentation's own (RFC 5737). */
const [outside, hostOutside] = ["192.0.2.1", "192.0.2.2"];

describe.runIf(canMakeTaps)("on the TAPs of host tap --print", () => {
	let host: TapHost;
	let user: TestUser;
	let itself: Place;
	let neighbour: Neighbour;

	beforeAll(async () => {
		host = await TapHost.start({});
		user = new TestUser({ vms, supervisor: "direct", within: host.within });
		itself = new Place(host.within);
		neighbour = await Neighbour.start(host, { device: "out0", at: `${hostOutside}/24`, address: `${outside}/24` });
		await Promise.all([itself.serve(port), neighbour.serve(port)]);
		expect(await user.sh("qubes-lite host tap --print | sh")).toMatchObject({ status: 0 });
		await user.sh("qubes-lite start shopping banking vault");
	});

	afterAll(async () => {
		expect(await user.leave(vms.map(({ name }) => name))).toEqual(nothingLeft);
		await Promise.all([itself.stop(), neighbour.stop()]);
		await host.stop();
	});

	/** What the guest's shell says to `line`. */
	const says = async (vm: string, line: string): Promise<string> =>
		(await user.run("-u", "root", "--shell", line, vm)).stdout.trim();
	/** What a server there says to the guest; "nothing" where it does not answer. */
	const hears = (vm: string, address: string): Promise<string> =>
		says(vm, `nc -w 5 ${address} ${port} </dev/null 2>/dev/null || echo nothing`);
	const pings = (vm: string, address: string): Promise<string> =>
		says(vm, `ping -c 1 -W 5 ${address} >/dev/null 2>&1 && echo yes || echo no`);

	it("a guest has its address, and its gateway is the host's end", async () => {
		expect(await says("shopping", "ip -4 -o addr show vm0 | grep -o '172[^ ]*' | head -n 1; ip route")).toMatch(
			/^172\.16\.200\.5\/31\ndefault via 172\.16\.200\.4 dev vm0/,
		);
		expect(await pings("shopping", "172.16.200.4")).toBe("yes");
	});

	it("it reaches the outside, and is seen there with the host's address", async () => {
		expect(await Promise.all([hears("shopping", outside), hears("banking", outside)])).toEqual([
			hostOutside,
			hostOutside,
		]);
		expect(await pings("banking", outside)).toBe("yes");
	});

	it("it reaches neither the host's services nor another guest", async () => {
		const addresses = ["172.16.200.4", "172.16.200.6", hostOutside, "172.16.200.7"];
		const asked = addresses.map((address) => hears("shopping", address));
		expect(await Promise.all([...asked, pings("shopping", "172.16.200.7")])).toEqual([
			...addresses.map(() => "nothing"),
			"no",
		]);
	});

	it("an offline guest has no interface but lo, and reaches nothing", async () => {
		expect(await says("vault", "ls /sys/class/net; ip route")).toBe("lo");
		expect(await Promise.all([hears("vault", outside), pings("vault", "172.16.200.4")])).toEqual(["nothing", "no"]);
	});

	it("is all as before when the commands are run again under the running guests", async () => {
		expect(await user.sh("qubes-lite host tap --print | sh")).toMatchObject({ status: 0 });
		expect(await hears("shopping", outside)).toBe(hostOutside);
	});

	it("a guest that runs keeps its TAP and the rules when all is undone, and is named", async () => {
		const { status, stderr } = await user.sh("qubes-lite host tap --print --undo | sh");
		expect(status).toBe(1);
		expect(stderr).toMatch(/: ql-banking stays as it is: .*\n.*: ql-shopping stays as it is: /);
		expect(await hears("shopping", "172.16.200.4")).toBe("nothing");
		await user.sh("qubes-lite stop --force shopping banking");
		expect(await user.sh("qubes-lite host tap --print --undo | sh")).toMatchObject({ status: 0 });
		expect(host.sh("ls /sys/class/net && nft list ruleset")).not.toMatch(/ql-/);
	});
});
