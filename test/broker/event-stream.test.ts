/** Whose events a watcher of all vms is told: by the policy as it is at each of them. */
import { beforeEach, expect, it } from "vitest";
import { type EventSource, streamEvents } from "../../src/broker/event-stream.ts";
import type { RegistryWatcher } from "../../src/broker/registry.ts";
import type { Vm } from "../../src/broker/vm.ts";
import { initialContext } from "../../src/statemachines/vm-context.ts";
import type { VmNotice } from "../../src/statemachines/vm-events.ts";
import { defaultInput } from "../statemachines/vm-harness.ts";

class FakeVm {
	readonly config: { readonly name: string };
	#state = "stopped";
	#step = (): void => {};
	notice = (_: VmNotice): void => {};

	constructor(name: string) {
		this.config = { name };
	}

	snapshot = () => ({
		state: this.#state,
		context: initialContext({ ...defaultInput, now: () => 0 }),
		instance: undefined,
	});

	watch = (step: () => void) => {
		this.#step = step;
		return () => {
			this.#step = () => {};
		};
	};

	notices = (hear: (notice: VmNotice) => void) => {
		this.notice = hear;
		return () => {};
	};

	become(state: string): void {
		this.#state = state;
		this.#step();
	}
}

let [shopping, banking]: FakeVm[] = [];
let denied: Set<string>;
let watcher: RegistryWatcher;
let policyChanged: () => void;
let heard: string[];
let end: () => void;

const asVm = (vm: FakeVm | undefined): Vm => vm as unknown as Vm;

function begin(only: string | null = null): void {
	const source: EventSource = {
		...{ pid: 7, now: () => 0, wallNow: () => 0, mayTell: (vm) => !denied.has(vm) },
		registry: {
			all: () => [asVm(shopping), asVm(banking)],
			...{ isConfigured: () => true, isPreloaded: () => false },
			watch(added) {
				watcher = added;
				return () => {};
			},
		},
		onPolicy(changed) {
			policyChanged = changed;
			return () => {
				policyChanged = () => {};
			};
		},
	};
	end = streamEvents(source, only, (event) => {
		const whose = "vms" in event ? event.vms.join() : "vm" in event ? event.vm : "";
		const states = "to" in event ? [event.from, event.to] : "state" in event ? [event.state] : [];
		heard.push([event.type, whose, ...states].join(" "));
	});
}

beforeEach(() => {
	[shopping, banking] = [new FakeVm("shopping"), new FakeVm("banking")];
	denied = new Set(["banking"]);
	heard = [];
});

it("are not those of a vm that the policy denies, from the first word to its end", () => {
	begin();
	expect(heard).toEqual(["broker shopping", "is shopping stopped"]);
	banking?.become("booting");
	banking?.notice({ type: "stop.averted" });
	watcher.added?.(asVm(new FakeVm("banking")));
	watcher.gone?.(asVm(banking));
	shopping?.become("booting");
	expect(heard.slice(2)).toEqual(["state shopping stopped booting"]);
});

it("are also those of a vm that the policy allows from now on, as of one that has come", () => {
	begin();
	banking?.become("booting");
	denied.clear();
	policyChanged();
	banking?.become("ready");
	banking?.notice({ type: "stop.averted" });
	denied.add("banking");
	banking?.become("idle");
	banking?.notice({ type: "stop.averted" });
	watcher.gone?.(asVm(banking));
	expect(heard.slice(2)).toEqual([
		...["vm-added banking", "is banking booting", "state banking booting ready", "stop-averted banking"],
		"vm-gone banking",
	]);
	end();
	denied.clear();
	policyChanged();
	expect(heard).toHaveLength(7);
});

it("end with the policy that has allowed them, also where it is one vm that is watched", () => {
	denied.clear();
	begin("banking");
	banking?.become("booting");
	denied.add("banking");
	banking?.become("ready");
	expect(heard).toEqual(["broker banking", "is banking stopped", "state banking stopped booting"]);
});
