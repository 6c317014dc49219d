import { expect, test } from "vitest";
import { systemClock } from "../../src/broker/clock.ts";
import { VmGrants } from "../../src/broker/vm-grants.ts";
import { GuestGoingDown } from "../../src/guest/guest-link.ts";
import { noLeases } from "../../src/statemachines/leases.ts";
import type { Reason } from "../../src/statemachines/vm-events.ts";
import { shopping } from "./broker-histories.ts";

const goneBy = (sentence: string) => {
	const reason: Reason = { code: "Stopped", sentence };
	const granting = { vm: () => shopping, current: () => undefined, lastReason: () => reason, tell: () => {} };
	return new VmGrants({ ...granting, clock: systemClock, leases: () => noLeases, watch: () => () => {} }).gone({
		endReason: reason,
	} as Parameters<VmGrants["gone"]>[0]);
};

test("A request whose guest powers off before anything has run goes on to the next boot, and one whose vm was stopped does not.", () => {
	expect(goneBy("the guest powered off")).toBeInstanceOf(GuestGoingDown);
	expect(goneBy("the guest rebooted"), "which ends some vmms").toBeInstanceOf(GuestGoingDown);
	const stopped = goneBy("stopped by request");
	expect(stopped).not.toBeInstanceOf(GuestGoingDown);
	expect(stopped.message).toBe("shopping ended before the command could run: stopped by request");
});
