/** Where the user's bus is: one rule for all who ask for it, the broker, install and doctor, and one sentence where it leads nowhere. */
import { isAbsolute, join } from "node:path";
import { errnoOf } from "../errors.ts";
import { type BusAddress, parseBusAddresses } from "./bus-address.ts";

interface Environment {
	readonly DBUS_SESSION_BUS_ADDRESS?: string | undefined;
	readonly XDG_RUNTIME_DIR?: string | undefined;
}

export interface UserBusPlace {
	/** As the environment says it, for people. */
	readonly name: string;
	/** By DBUS_SESSION_BUS_ADDRESS, and not the usual one, which pam_systemd(8) names as well. */
	readonly isNamed: boolean;
	/** To be tried in this order. */
	readonly addresses: readonly BusAddress[];
}

/** The variable comes first (sd_bus_open_user(3)); undefined where the environment does not say. */
export function findUserBus(env: Environment): UserBusPlace | undefined {
	const usual = usualBusOf(env);
	const named = env.DBUS_SESSION_BUS_ADDRESS;
	if (named) {
		const addresses = parseBusAddresses(named);
		const isUsual = addresses.every((address) => "path" in address && address.path === usual);
		return { name: named, isNamed: !isUsual, addresses };
	}
	return usual === undefined ? undefined : { name: usual, isNamed: false, addresses: [{ text: usual, path: usual }] };
}

/** The socket that systemd listens on; undefined where there is no place for it. */
export function usualBusOf({ XDG_RUNTIME_DIR: runtime }: Environment): string | undefined {
	return runtime !== undefined && isAbsolute(runtime) ? join(runtime, "bus") : undefined;
}

/** Resolves with what `open` makes of the first address that works. Rejects with the reasons of all where none does, or there is none. */
export async function openFirst<T>(
	place: UserBusPlace | undefined,
	open: (address: { readonly text: string; readonly path: string }) => Promise<T>,
): Promise<T> {
	if (place === undefined) throw new Error("the environment does not say where the user's D-Bus is");
	const causes: unknown[] = [];
	for (const address of place.addresses) {
		try {
			if ("problem" in address) throw new Error(address.problem);
			return await open(address);
		} catch (cause) {
			causes.push(cause);
		}
	}
	const reasons = causes.map((cause) => errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause)));
	const [first = ""] = reasons;
	const all = place.addresses.map(({ text }, index) => `${text}: ${reasons[index]}`);
	throw new AggregateError(causes, all.length > 1 ? all.join("; ") : first);
}

/** What brings the bus, by the tool that installs it. */
export const busPackages = { apt: "dbus-user-session", dnf: "dbus-broker", pacman: "dbus", zypper: "dbus-1" } as const;

export interface BusProblem {
	readonly sentence: string;
	readonly remedy: string;
}

interface Cures {
	/** The command that installs `busPackages` here. */
	readonly install: string;
	/** There is a user manager, which can start the bus. */
	readonly hasManager: boolean;
}

/** What is said where none of the place's addresses works, or the environment names none; `cause` is openFirst's. */
export function toBusProblem(place: UserBusPlace | undefined, cause: unknown, cures: Cures): BusProblem {
	if (place === undefined) {
		return {
			sentence: "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR says where the user's D-Bus is",
			// pam_systemd(8)
			remedy: 'export XDG_RUNTIME_DIR="/run/user/$(id -u)"',
		};
	}
	const why = cause instanceof Error ? cause.message : String(cause);
	const what = place.isNamed ? "DBUS_SESSION_BUS_ADDRESS leads to no bus" : "the user's D-Bus does not answer";
	return { sentence: `${what} (${why}): ${place.name}`, remedy: toRemedy(place, why, cures) };
}

function toRemedy({ isNamed }: UserBusPlace, why: string, { install, hasManager }: Cures): string {
	const start = "systemctl --user start dbus.socket";
	if (isNamed) return hasManager ? `unset DBUS_SESSION_BUS_ADDRESS && ${start}` : "unset DBUS_SESSION_BUS_ADDRESS";
	const isMissing = why === "ENOENT" || why === "ECONNREFUSED";
	return isMissing ? `${install} && ${start}` : "systemctl --user status dbus.service";
}
