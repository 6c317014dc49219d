/** What it costs to start a vm as a systemd unit instead of under our own shim: a vm of milliseconds, so that nothing else counts. */
import { FakeUser } from "../integration/fake-user.ts";
import { UserManager } from "../integration/user-manager.ts";
import { alternately, type Figure, median, show, wall } from "./measure.ts";

const vm = "shopping";

/** Needs root, for user managers of its own. */
export async function benchSupervisors(pairs: number): Promise<Figure[]> {
	const sides = await Promise.all(["systemd", "direct"].map(startSide));
	try {
		const [systemd, direct] = await alternately(pairs, sides[0]?.timed ?? never, sides[1]?.timed ?? never);
		show("a run in a stopped vm, kept by systemd", systemd, "ms");
		show("  kept by our shim", direct, "ms");
		const value = median(systemd) - median(direct);
		return [{ name: "a start by systemd − by our shim", value, unit: "ms", aim: { atMost: 60 } }];
	} finally {
		for (const side of sides) await side.leave();
	}
}

async function startSide(supervisor: string) {
	const env = { QUBES_LITE_BROKER_IDLE_MS: "600000" };
	const user = new FakeUser({ vms: [{ id: 5, name: vm }], supervisor, env, hasManager: true });
	const manager = await UserManager.start(user);
	return {
		async timed(): Promise<number> {
			await user.sh(`qubes-lite stop --force ${vm}`);
			return wall(["run-in-vm", vm, "true"], user).ms;
		},
		async leave(): Promise<void> {
			await user.sh(`qubes-lite stop --force ${vm}`);
			for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
			await manager.stop();
			await user.leave([vm]);
		},
	};
}

const never = (): never => {
	throw new TypeError("there are two sides");
};
