/** What the fakes of a host have in common. */
import { BootHistory } from "../../src/broker/boot-history.ts";
import type { TestClock } from "../statemachines/vm-harness.ts";
import type { FakeLink } from "./fake-link.ts";
import type { FakeVmm } from "./fake-vmm.ts";
import type { Turns } from "./turns.ts";

export interface FakePlaces {
	readonly turns: Turns;
	readonly clock: TestClock;
	/** All that ever were. */
	readonly vmms: FakeVmm[];
	/** Those that listen, by their vsock. */
	readonly links: Map<string, FakeLink>;
	/** Why the vmm of one can't be started, or paused, now. */
	readonly refuses: { start: boolean; pause: boolean };
	broken(rule: string): void;
	/** A supervisor is told to start it. */
	launches(vm: string): void;
}

export const liveVmm = ({ vmms }: Pick<FakePlaces, "vmms">, vm: string): FakeVmm | undefined =>
	vmms.find((vmm) => vmm.vm === vm && vmm.isAlive);

/** Nobody knows how long a boot takes. */
export class NoBoots extends BootHistory {
	override read(): [] {
		return [];
	}
	override note(): void {}
	override failed(): undefined {}
	override noteFailed(): void {}
	override keepOnly(): void {}
}
