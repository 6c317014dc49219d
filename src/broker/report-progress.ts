/** What a vm is at, for a client that waits for it to be up, or to be gone. */
import { encodeProgress } from "../protocol/broker.ts";
import type { SessionClient } from "./client-connection.ts";
import type { Vm } from "./vm.ts";

/** Sends it whenever it changes: the phase of a boot, else the vm's state, for who asked at `beganAt`. Returns how to end that. */
export function reportProgress(client: SessionClient, vm: Vm, now: () => number, beganAt = now()): () => void {
	const { name, instanceOf } = vm.config;
	const made = instanceOf === undefined ? {} : { instance: name };
	let last = "";
	const look = (): void => {
		const { state, context } = vm.snapshot();
		const phase = state === "booting" ? context.phase : state;
		const expected = expectedOf(vm, beganAt);
		const said = JSON.stringify([phase, expected]);
		if (said === last) return;
		last = said;
		client.send(encodeProgress({ phase, elapsedMs: Math.round(now() - beganAt), ...expected, ...made }));
	};
	return vm.watch(look);
}

/** For somebody who has asked at `beganAt`. A boot whose vmm waits for other vms may take any time, as may one that is late already. */
function expectedOf(vm: Vm, beganAt: number): { readonly expectedMs?: number } {
	const { state, context } = vm.snapshot();
	const { usualBootMs } = vm;
	if (state !== "booting" || !context.vmmAlive || usualBootMs === null) return {};
	const expectedMs = Math.round(usualBootMs + context.bootBeganAt - beganAt);
	return expectedMs > 0 ? { expectedMs } : {};
}
