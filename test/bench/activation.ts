/** A request to a socket whose broker is not there: systemd starts it, it serves, and answers. */
import { callBroker } from "../../src/cli/broker-client.ts";
import { encodeRequest } from "../../src/protocol/broker.ts";
import { InstalledBroker } from "../integration/installed-broker.ts";
import { alternately, type Figure, median, show, wall } from "./measure.ts";

/** Needs root, for a user manager of its own. */
export async function benchActivation(pairs: number): Promise<Figure[]> {
	const vms = [3, 5, 7, 13, 15].map((id) => ({ id, name: `vm${id}` }));
	const broker = await InstalledBroker.start({ vms, env: { QUBES_LITE_BROKER_IDLE_MS: "30" } });
	const { env } = broker.user;
	const timed = async (): Promise<number> => {
		await broker.settled();
		const beganAt = performance.now();
		await callBroker(env, encodeRequest({ method: "list" }));
		return performance.now() - beganAt;
	};
	const node = async (): Promise<number> => {
		await broker.settled();
		return wall([process.execPath, "-e", "0"], { env }).ms;
	};
	try {
		await timed();
		const [activations, nodes] = await alternately(pairs, timed, node);
		show("cold activation, connect to reply", activations, "ms");
		show("  node -e 0", nodes, "ms");
		const value = median(activations) / median(nodes);
		return [{ name: "cold activation / node -e 0", value, unit: "", aim: { atMost: 3 } }];
	} finally {
		await broker.leave([]);
	}
}
