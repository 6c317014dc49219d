import { expect, test } from "vitest";
import { toAddresses } from "../../src/config/addresses.ts";

test.each([
	[3, "172.16.200.3", "172.16.200.2", "02:51:4c:00:00:03"],
	[15, "172.16.200.15", "172.16.200.14", "02:51:4c:00:00:0f"],
	[255, "172.16.200.255", "172.16.200.254", "02:51:4c:00:00:ff"],
])("id %i", (id, guest, host, mac) => {
	expect(toAddresses("172.16.200.0/24", id)).toEqual({ guest, host, dns: "172.16.200.1", mac });
});

test("no two vms share an address, nor has one the name server's", () => {
	const ids = Array.from({ length: 127 }, (_, index) => 2 * index + 3);
	const all = ids.map((id) => toAddresses("10.1.2.0/24", id));
	const addresses = all.flatMap(({ guest, host, mac }) => [guest, host, mac]);
	expect(new Set([...addresses, "10.1.2.1"]).size).toBe(3 * 127 + 1);
});
