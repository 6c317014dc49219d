/** `run-in-vm VM true` on a running vm: where its time goes, and how even it is. */

import { openGrant } from "../../src/cli/session-grant.ts";
import { encodeExec } from "../../src/protocol/exec.ts";
import { runSession } from "../../src/session-client/client-session.ts";
import type { TestUser } from "../e2e/harness.ts";
import { alternately, type Figure, median, medianRatio, quantile, show, wall } from "./measure.ts";

const never = new AbortController().signal;
const noSink = {
	write: (_bytes: Buffer, written: () => void): void => written(),
	end: (written: () => void): void => written(),
};

/** One run by the client's own modules in this process: what of it the broker takes, and what the session does. */
async function runHere(vm: string): Promise<{ grantMs: number; sessionMs: number; guestMs: number }> {
	const bytes = encodeExec({ argv: ["true"], env: {}, cwd: null, user: null, tty: null, detach: false });
	const request = { method: "run", vm, disposable: false, start: true, timeoutMs: 0, pid: process.pid } as const;
	const beganAt = performance.now();
	const opened = await openGrant({ request, bytes, onProgress: () => {}, onNotice: () => {}, deadline: never });
	const grantedAt = performance.now();
	const end = await runSession(
		opened.guest,
		{ ticket: opened.granted.ticket, kind: "exec", bytes, startBy: never },
		{ stdin: null, mayRead: Promise.resolve(), stdout: noSink, stderr: noSink, leave: never, onStarted: () => {} },
	);
	const endedAt = performance.now();
	opened.hold.end();
	if (end.kind !== "ended") throw new Error(`the session ended as ${end.kind}`);
	return { grantMs: grantedAt - beganAt, sessionMs: endedAt - grantedAt, guestMs: end.guestMicros / 1000 };
}

export async function benchWarm(user: TestUser, vm: string, pairs: number): Promise<Figure[]> {
	wall(["run-in-vm", vm, "true"], user);
	const guest: number[] = [];
	const run = (): number => {
		const { ms, third } = wall(["run-in-vm", "--status-fd", "3", vm, "true"], { env: user.env, readsThird: true });
		guest.push(JSON.parse(third).guestMicros / 1000);
		return ms;
	};
	const [ours, node] = await alternately(pairs, run, () => wall([process.execPath, "-e", "0"], user).ms);
	const own = ours.map((ms, index) => ms - (node[index] ?? 0) - (guest[index] ?? 0));
	Object.assign(process.env, user.env);
	const parts: Awaited<ReturnType<typeof runHere>>[] = [];
	for (let run = 0; run < pairs; run++) parts.push(await runHere(vm));
	show("run-in-vm of a running vm", ours, "ms");
	show("  node -e 0", node, "ms");
	show("  guest's own: exec to exit frame", guest, "ms");
	show(
		"in one process: until granted",
		parts.map(({ grantMs }) => grantMs),
		"ms",
	);
	show(
		"in one process: the session",
		parts.map(({ sessionMs }) => sessionMs),
		"ms",
	);
	show(
		"  of which the guest's own",
		parts.map(({ guestMs }) => guestMs),
		"ms",
	);
	return [
		{ name: "warm run − node -e 0 − guest's own", value: median(own), unit: "ms", aim: { atMost: 40 } },
		{ name: "warm run / node -e 0", value: medianRatio(ours, node), unit: "", aim: null },
	];
}

export function benchTail(user: TestUser, vm: string, runs: number): Figure[] {
	wall(["run-in-vm", vm, "true"], user);
	const ours = Array.from({ length: runs }, (_, run) => {
		if (run % 100 === 99) console.log(`  ${run + 1}/${runs}`);
		return wall(["run-in-vm", vm, "true"], user).ms;
	});
	show("run-in-vm of a running vm", ours, "ms");
	console.log(`  p90 ${quantile(ours, 0.9).toFixed(1)}   p99 ${quantile(ours, 0.99).toFixed(1)} ms`);
	return [
		{
			name: `p99 / p50 of ${runs} warm runs`,
			value: quantile(ours, 0.99) / median(ours),
			unit: "",
			aim: { atMost: 4 },
		},
		{ name: `max / p50 of ${runs} warm runs`, value: quantile(ours, 1) / median(ours), unit: "", aim: { atMost: 5 } },
	];
}
