import { expect, test } from "vitest";
import { toAddresses, toAddressId } from "../../src/config/addresses.ts";
import { createVm } from "../vmm/facts.ts";

test.each([
	[3, "172.16.200.3", "172.16.200.2", "02:51:4c:00:00:03"],
	[15, "172.16.200.15", "172.16.200.14", "02:51:4c:00:00:0f"],
	[255, "172.16.200.255", "172.16.200.254", "02:51:4c:00:00:ff"],
])("id %i", (id, guest, host, mac) => {
	expect(toAddresses("172.16.200.0/24", id)).toEqual({ guest, host, dns: "172.16.200.1", mac });
});

test("an instance has those of its TAP in the pool, and else its base's", () => {
	const instance = (id: number) => createVm({ id, name: "disp-1a2b", instanceOf: { name: "shopping", id: 5 } });
	expect([createVm(), instance(0x1a65), instance(0x1aff), instance(0x1a2a)].map(toAddressId)).toEqual([5, 101, 255, 5]);
});

test("no two vms share an address, nor has one the name server's", () => {
	const ids = Array.from({ length: 127 }, (_, index) => 2 * index + 3);
	const all = ids.map((id) => toAddresses("10.1.2.0/24", id));
	const addresses = all.flatMap(({ guest, host, mac }) => [guest, host, mac]);
	expect(new Set([...addresses, "10.1.2.1"]).size).toBe(3 * 127 + 1);
});
