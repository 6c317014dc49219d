/** What the compositor has, as the guest gets to see it: globals of our list only, and screens without their makers' names. */
import { GuestFault, HostFault } from "./faults.ts";
import { allowedVersion } from "./globals.ts";
import { type Interface, interfaceOf } from "./interfaces.ts";
import type { Event, Handlers } from "./objects.ts";
import { encodeWayland, type Value } from "./wayland-wire.ts";

interface Offered {
	readonly interfaceName: string;
	readonly version: number;
}

/** A compositor that has announced so many and taken them back again is at fault. */
const globalsLimit = 4096;
/** In the place of a maker's, a model's and a serial number, which would tell one guest that it sees the same screen as another. */
const anyScreen = "screen";

export class Registry {
	/** By their numbers; also those that are gone, since a guest may have been about to use them. */
	readonly #offered = new Map<number, Offered>();

	readonly events: Handlers<Event> = {
		"wl_registry.global": ({ object, message, values: [number, name, version] }) => {
			const allowed = allowedVersion(String(name), Number(version));
			if (allowed === undefined) return [];
			if (this.#offered.size >= globalsLimit) throw new HostFault(`the compositor announced ${globalsLimit} globals`);
			this.#offered.set(Number(number), { interfaceName: String(name), version: allowed });
			return [encodeWayland(object.id, message, [number, name, allowed])];
		},
		"wl_registry.global_remove": ({ values: [number] }) => (this.#offered.has(Number(number)) ? undefined : []),
		"wl_output.geometry": ({ object, message, values }) => [
			encodeWayland(
				object.id,
				message,
				values.map((value) => (typeof value === "string" ? anyScreen : value)),
			),
		],
		"wl_output.description": describeScreen,
		"zxdg_output_v1.description": describeScreen,
	};

	/** What wl_registry.bind makes, by its arguments; throws where the guest was offered no such thing. */
	bind([number, name, version]: readonly Value[]): { kind: Interface; version: number } {
		const offered = this.#offered.get(Number(number));
		if (offered === undefined || offered.interfaceName !== name)
			throw new GuestFault("it wanted to use a part of the compositor that it was not offered");
		if (Number(version) < 1 || Number(version) > offered.version)
			throw new GuestFault(`it wanted version ${version} of ${name}, and was offered ${offered.version}`);
		return { kind: interfaceOf(offered.interfaceName), version: Number(version) };
	}
}

function describeScreen({ object, message }: Event): readonly Buffer[] {
	return [encodeWayland(object.id, message, [anyScreen])];
}
