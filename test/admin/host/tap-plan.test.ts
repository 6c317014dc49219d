import { describe, expect, it } from "vitest";
import { needUid } from "../../../src/admin/host/tap-plan.ts";
import { createConfig, createVm } from "../../vmm/facts.ts";
import { alice, plan } from "./plans.ts";

const names = (of: ReturnType<typeof plan>): string[] => of.taps.map(({ name }) => name);

describe("a plan", () => {
	it("has a TAP for each vm with a network and each id of the pool, in the order of their ids", () => {
		expect(plan()).toMatchObject({ owner: alice, outside: null, isWhole: true, offline: ["vault"] });
		expect(plan().taps).toEqual([
			{ name: "ql-shopping", vm: "shopping", id: 5, host: "10.1.2.4", guest: "10.1.2.5" },
			{ name: "ql-disp", vm: "disp", id: 15, host: "10.1.2.14", guest: "10.1.2.15" },
			{ name: "ql-d101", vm: null, id: 101, host: "10.1.2.100", guest: "10.1.2.101" },
			{ name: "ql-d103", vm: null, id: 103, host: "10.1.2.102", guest: "10.1.2.103" },
			{ name: "ql-d105", vm: null, id: 105, host: "10.1.2.104", guest: "10.1.2.105" },
			{ name: "ql-d107", vm: null, id: 107, host: "10.1.2.106", guest: "10.1.2.107" },
			{ name: "ql-a-z-09-a-z-0", vm: "a-z-09-a-z-0", id: 255, host: "10.1.2.254", guest: "10.1.2.255" },
		]);
	});

	it("of some vms has theirs only, once each, and still knows of the others", () => {
		const some = plan({ names: ["vault", "disp", "disp"] });
		expect(names(some)).toEqual(["ql-disp"]);
		expect(some).toMatchObject({ isWhole: false, offline: ["vault"], configured: plan().taps });
	});

	it("of vms without a network is empty", () => {
		expect(plan({ names: ["vault"] })).toMatchObject({ taps: [], offline: ["vault"] });
		expect(plan({}, createConfig(createVm({ network: false })))).toMatchObject({ taps: [], configured: [] });
	});

	it.each([
		["shoping", "NoSuchVm", "there is no vm 'shoping'; did you mean 'shopping'?"],
		["disp-1a65", "NoSuchVm", "the disposable instance disp-1a65 is gone, and what ran in it with it"],
		["../x", "BadName", expect.stringContaining("'../x' is not a vm name")],
		["", "BadName", expect.stringContaining("'' is not a vm name")],
	])("of a vm that there is not is refused: %s", (name, code, message) => {
		expect(() => plan({ names: ["shopping", name] })).toThrow(expect.objectContaining({ code, message }));
	});
});

it("an owner without a number is named as the configuration has it", () => {
	expect(needUid(alice)).toBe(1000);
	expect(() => needUid({ name: "o'brien", uid: null })).toThrow(
		expect.objectContaining({ message: `"user" of the configuration, "o'brien", is no user of this host` }),
	);
});
