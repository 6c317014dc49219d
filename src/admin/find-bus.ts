/** Whether a user's bus is to be had, without becoming a client of it. */
import { openBusSocket } from "../dbus/bus-socket.ts";
import { openFirst, type UserBusPlace } from "../dbus/user-bus-place.ts";

/** For all addresses together: a dbus-daemon that works needs 1 ms. */
const busWithinMs = 800;

/**
 * Resolves with a sentence about the first address that works. Rejects with the reasons where none does, or there is none. The socket
 * `activated` is held by systemd, and is not connected to, since that would start the bus.
 */
export async function findBus(place: UserBusPlace | undefined, activated?: string): Promise<string> {
	const withinMs = busWithinMs / (place?.addresses.length ?? 1);
	return openFirst(place, async ({ text, path }) => {
		if (path === activated) return "systemd starts the bus at its first use";
		(await openBusSocket(path, withinMs)).destroy();
		return `it answers at ${text}`;
	});
}
