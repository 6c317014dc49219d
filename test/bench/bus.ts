/** The broker on the bus: a list of five vms against a Ping over the bus, and how soon a change of state reaches who listens. */
import { UserBus } from "../../src/dbus/user-bus.ts";
import { findUserBus } from "../../src/dbus/user-bus-place.ts";
import { InstalledBroker } from "../integration/installed-broker.ts";
import { alternately, type Figure, median, quantile, show } from "./measure.ts";

const root = { destination: "org.qubeslite.Broker1", path: "/org/qubeslite" } as const;
const daemon = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus" } as const;
const [peer, vm] = ["org.freedesktop.DBus.Peer", "org.qubeslite.VM1"];
const options = { signature: "a{sv}", body: [{}] } as const;
/** Of each pair: one of them alone is shorter than a turn of the scheduler. */
const callsPerRound = 100;

/** Needs root, for a user manager of its own. */
export async function benchBus(pairs: number): Promise<Figure[]> {
	const vms = [3, 5, 7, 13, 15].map((id) => ({ id, name: `vm${id}` }));
	const broker = await InstalledBroker.start({ vms, env: { QUBES_LITE_BROKER_IDLE_MS: "600000" } });
	const bus = await UserBus.connect(findUserBus({ XDG_RUNTIME_DIR: broker.user.env.XDG_RUNTIME_DIR }));
	try {
		const list = { ...root, interface: root.destination, member: "ListVMs", ...options };
		const timed = (call: Parameters<UserBus["call"]>[0]) => async (): Promise<number> => {
			const took: number[] = [];
			for (let n = 0; n < callsPerRound; n++) {
				const beganAt = performance.now();
				await bus.call(call);
				took.push(performance.now() - beganAt);
			}
			return median(took);
		};
		const ping = timed({ ...daemon, interface: peer, member: "Ping" });
		const own = timed({ ...root, interface: peer, member: "Ping" });
		for (const warm of [timed(list), ping, own]) for (let n = 0; n < 5; n++) await warm();
		const [lists, pings] = await alternately(pairs, timed(list), ping);
		const [owns] = await alternately(pairs, own, ping);
		show("ListVMs of five, p50 of a hundred", lists, "ms");
		show("  Ping of the bus, the same", pings, "ms");
		show("  Ping of the broker, the same", owns, "ms");
		const delays = await measureDelays(broker, bus, pairs);
		show("from a change of state to its listener", delays, "ms");
		return [
			{ name: "ListVMs / Ping of the broker, p50", value: median(lists) / median(owns), unit: "", aim: { atMost: 3 } },
			{ name: "  ListVMs / Ping of the bus itself", value: median(lists) / median(pings), unit: "", aim: null },
			{ name: "StateChanged after the change, p99", value: quantile(delays, 0.99), unit: "ms", aim: { atMost: 20 } },
		];
	} finally {
		bus.close();
		await broker.leave(vms.map(({ name }) => name));
	}
}

/** By the broker's log, whose instants are whole milliseconds of the wall clock. */
async function measureDelays(broker: InstalledBroker, bus: UserBus, rounds: number): Promise<number[]> {
	await bus.addMatch(`type='signal',sender='${root.destination}',interface='${vm}',member='StateChanged'`);
	const heard: { readonly to: string; readonly at: number }[] = [];
	bus.signals.subscribe(({ member, body }) => {
		if (member === "StateChanged") heard.push({ to: String(body[1]), at: Date.now() });
	});
	const call = (member: string) =>
		bus.call({ ...root, path: `${root.path}/vm/vm3`, interface: vm, member, ...options });
	const before = statesOf(broker.log()).length;
	for (let n = 0; n < rounds; n++) {
		await call("Start");
		await call("Kill");
	}
	const logged = statesOf(broker.log()).slice(before);
	/** Each change of the outward state is told once; the log has the steps inside as well. */
	const changes = logged.filter(({ to }, index) => to !== logged[index - 1]?.to);
	return heard.map(({ to, at }, index) => {
		const change = changes[index];
		if (change?.to !== to) throw new Error(`heard ${to} where the log has ${change?.to}`);
		return at - change.at;
	});
}

const statesOf = (log: string): { readonly to: string; readonly at: number }[] =>
	log
		.split("\n")
		.filter((line) => line.includes('"vm.state","vm":"vm3"'))
		.map((line) => JSON.parse(line))
		.map(({ state, time }) => ({ to: state.split(".")[0], at: time }));
