/** A Debian guest with the configuration that the NixOS module writes: it is who the module says. Only what runs it is this machine's. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { isSoak } from "../rounds.ts";
import { nothingLeft, TestUser } from "./harness.ts";

interface Written {
	readonly name: string;
	readonly id: number;
	readonly network: boolean;
	readonly idleTimeout: number;
	readonly disposable: boolean;
	readonly image?: string;
}

const read = (name: string): readonly Written[] =>
	JSON.parse(readFileSync(new URL(`../nix/golden/${name}.json`, import.meta.url), "utf8")).value.broker.vms;

/** crosvm needs KVM, and the images are NixOS'. */
const here = ({ image: _, ...vm }: Written): object => ({ ...vm, memory: 384, hypervisor: "qemu", crosvm: {} });

const vms = [...read("good-by-name"), ...read("seed-quick-start").filter(({ name }) => name === "personal")];
let user: TestUser;

beforeAll(() => {
	user = new TestUser({ vms: vms.map(here) });
});

afterAll(async () => {
	expect(await user.leave(vms.map(({ name }) => name))).toEqual(nothingLeft);
});

const says = async (vm: string, line: string): Promise<string> =>
	(await user.run("-u", "root", "--shell", line, vm)).stdout.trim();

/** Either kind of network and of idleTimeout; "work" has of each what one of the others has. */
const booted = isSoak ? vms : vms.filter(({ name }) => name !== "work");

it.each(booted)("$name has the name, id, address and idleTimeout of its golden", async (vm) => {
	expect(await says(vm.name, "hostname")).toBe(vm.name);
	const { id, disposable, idleTimeout } = vm;
	expect(JSON.parse(await says(vm.name, "qubes-lite-guest about"))).toEqual({
		...{ schema: 1, name: vm.name, id, disposable, idleTimeout },
	});
	const address = "ip -4 -o address show vm0 2>/dev/null | grep -o '172[^ ]*' | head -n 1; ip route | head -n 1";
	expect(await says(vm.name, address)).toBe(
		vm.network ? `172.16.200.${id}/31\ndefault via 172.16.200.${id - 1} dev vm0` : "",
	);
});

it("the golden has both kinds", () => {
	expect(vms.map(({ name, idleTimeout, network }) => [name, idleTimeout, network])).toEqual([
		["shop", 300, true],
		["work", 0, true],
		["personal", 0, false],
	]);
});
