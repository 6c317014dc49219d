/**
 * The network of each vm that has one: user-mode, or its TAP: whose it is, whether it is up, and whether its host end has the address
 * that the guest's gateway is. The same for the TAPs of disposablePool.
 */
import { toAddresses, toPoolTap, toTapRemedy, toVmTap } from "../../config/addresses.ts";
import { poolIdsOf } from "../../config/disposable-pool.ts";
import { capabilities } from "../../config/hypervisor.ts";
import type { VmConfig } from "../../config/schema.ts";
import { QubesLiteError } from "../../errors.ts";
import { findQemu } from "../../host/gather-host-facts.ts";
import { findProgram } from "../../host/programs.ts";
import { mayOpen, readTap, type Tap } from "../../host/taps.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import { type DoctorHost, vmNetworkOf, vmsOf } from "./host.ts";
import { runProgram } from "./run-program.ts";

const ipWithinMs = 1000;
const qemuWithinMs = 1000;

/** A TAP by its name, and the id whose address it has: a vm's, or one of the pool's. */
interface Place {
	readonly tap: string;
	readonly id: number;
	/** null: the pool's. */
	readonly vm: string | null;
}

/** Each TAP that is there by itself, and in one check the vms that have none, and in another the pool's that are missing. */
export function tapChecks(host: DoctorHost): Check[] {
	const networked = vmsOf(host)
		.filter(({ network }) => network)
		.map((vm) => ({ vm, tap: readTap(toPlace(vm).tap) }));
	const without = networked
		.filter(({ vm, tap }) => tap === undefined && capabilities[vm.hypervisor].userNetwork)
		.map(({ vm }) => vm);
	const pool = poolOf(host).map((place) => ({ place, tap: readTap(place.tap) }));
	const missing = pool.filter(({ tap }) => tap === undefined).map(({ place }) => place);
	const check = (name: string, place: Place, tap: Tap | undefined): Check[] =>
		tap === undefined ? [] : [{ name: `tap:${name}`, run: () => checkTap(host, place, tap) }];
	return [
		...networked.flatMap(({ vm, tap }) => check(vm.name, toPlace(vm), tap)),
		...(without.length === 0 ? [] : [{ name: "user-network", run: () => checkUserNetwork(host, without) }]),
		...pool.flatMap(({ place, tap }) => check(place.tap.slice("ql-".length), place, tap)),
		...(pool.length === 0 ? [] : [{ name: "disposable-pool", run: () => checkPool(pool.length, missing) }]),
	];
}

const toPlace = ({ id, name }: VmConfig): Place => ({ id, tap: toVmTap(name), vm: name });

const poolOf = ({ config }: DoctorHost): Place[] =>
	config instanceof QubesLiteError ? [] : poolIdsOf(config.config).map((id) => ({ id, tap: toPoolTap(id), vm: null }));

/** Not a fault: what is there is used. */
function checkPool(count: number, missing: readonly Place[]): Finding {
	const are = `disposablePool: ${count - missing.length} of ${count} TAPs are there`;
	if (missing.length === 0) return pass(`${are}, for as many networked instances at once`);
	const isNone = missing.length === count;
	const so = isNone ? "networked instances have user-mode network" : "so many networked instances at once";
	return warn(
		`${are}, without ${missing.map(({ tap }) => tap).join(", ")}: ${so}`,
		`${toTapRemedy()}   # makes those of the vms as well`,
	);
}

/** It needs no set-up, but QEMU can be built without it. */
async function checkUserNetwork(host: DoctorHost, vms: readonly VmConfig[]): Promise<Finding> {
	const names = vms.map(({ name }) => name).join(", ");
	const qemu = findQemu(host);
	const { stdout } =
		qemu === undefined ? { stdout: "" } : await runProgram([qemu, "-netdev", "help"], host.env, qemuWithinMs);
	if (/^tap$/m.test(stdout) && !/^user$/m.test(stdout)) {
		return fail(
			`${names}: there is no TAP, and this QEMU has no user-mode network: they can't boot`,
			`${toTapRemedy(...vms.map(({ name }) => name))}   # or "network": false`,
		);
	}
	return pass(
		`${names}: user-mode network, which reaches the services on this host's loopback, too; TAPs, by which they don't, are made by: ${toTapRemedy()}`,
	);
}

async function checkTap(host: DoctorHost, { tap: name, id, vm }: Place, tap: Tap): Promise<Finding> {
	const address = `${toAddresses(vmNetworkOf(host), id).host}/31`;
	const remedy = vm === null ? toTapRemedy() : toTapRemedy(vm);
	if (!mayOpen(tap)) {
		return fail(
			`${name} belongs to ${tap.owner === null ? `group ${tap.group}` : `uid ${tap.owner}`}: QEMU can't open it as you`,
			`${remedy}${ownerNote(host)}`,
		);
	}
	if (!tap.isUp) return fail(`${name} is down: the guest has no network`, remedy);
	const addresses = await readAddresses(host, name);
	if (addresses !== undefined && !addresses.includes(address)) {
		const has = addresses.length === 0 ? "no address" : addresses.join(", ");
		return fail(`${name} has ${has} instead of ${address}, the guest's gateway`, remedy);
	}
	return pass(`${name} is yours, up, and has ${address}`);
}

/** Who asks may be somebody else. */
function ownerNote({ config }: DoctorHost): string {
	const user = config instanceof QubesLiteError ? undefined : config.config.user;
	return user === undefined ? "" : `   # makes it ${user}'s, who is the configuration's "user"`;
}

/** "172.16.200.4/31"; undefined where ip(8) is not to be had. Node lists only interfaces that somebody is at. */
async function readAddresses({ env, searchPath }: DoctorHost, name: string): Promise<string[] | undefined> {
	const ip = findProgram(`${searchPath}:/usr/sbin:/sbin`, "ip");
	if (ip === undefined) return undefined;
	const { status, stdout } = await runProgram([ip, "-4", "-oneline", "address", "show", "dev", name], env, ipWithinMs);
	if (status !== 0) return undefined;
	return [...stdout.matchAll(/ inet (\S+)/g)].map(([, address = ""]) => address);
}
