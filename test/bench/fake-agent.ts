/** The agent's and the client's own code on this machine, without an emulated guest between: what they could carry. */
import { closeSync, openSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FakeUser } from "../integration/fake-user.ts";
import { type Figure, median, show, wall } from "./measure.ts";

const vm = "shopping";
const aim = { atLeast: 250 };

/** dd ends by itself: its block is written or read whole. */
export async function benchFakeAgent(rounds: number, size: number): Promise<Figure[]> {
	const user = new FakeUser({ vms: [{ id: 5, name: vm }], env: { QUBES_LITE_BROKER_IDLE_MS: "600000" } });
	try {
		wall(["run-in-vm", vm, "true"], user);
		const zeros = join(user.directory, "zeros");
		writeFileSync(zeros, "");
		truncateSync(zeros, size * 1024 * 1024);
		const output = `exec run-in-vm ${vm} dd if=/dev/zero bs=1M count=${size} status=none >/dev/null`;
		const outputs = Array.from({ length: rounds }, () => wall(["sh", "-c", output], user).ms);
		const inputs = Array.from({ length: rounds }, () => {
			const stdin = openSync(zeros, "r");
			try {
				return wall(["run-in-vm", vm, "dd", "of=/dev/null", "bs=1M", "status=none"], { env: user.env, stdin }).ms;
			} finally {
				closeSync(stdin);
			}
		});
		show(`output of a fake guest, ${size} MiB`, outputs, "ms");
		show(`input of a fake guest, ${size} MiB`, inputs, "ms");
		const rate = (times: readonly number[]): number => size / (median(times) / 1000);
		return [
			{ name: "output of a fake guest", value: rate(outputs), unit: "MiB/s", aim },
			{ name: "input of a fake guest", value: rate(inputs), unit: "MiB/s", aim },
		];
	} finally {
		for (const pid of user.brokerPids()) process.kill(pid, "SIGTERM");
		await user.leave([vm]);
	}
}
