/** Opening by the broker, which can ask whoever sits before the desktop: for who has followed a link, and has no terminal. */
import { resolve } from "node:path";
import { busNames } from "../../dbus/bus-names.ts";
import { BusError, UserBus } from "../../dbus/user-bus.ts";
import { findUserBus } from "../../dbus/user-bus-place.ts";
import { QubesLiteError } from "../../errors.ts";
import type { OpenTarget } from "../../open/open-target.ts";

/** The answer to the question, and a boot. */
const openedWithinMs = 300_000;
const errorPrefix = "org.qubeslite.Error.";

/** True once it is open; false where no broker is to be had on the bus. Rejects with what the broker says. */
export async function openByBroker(target: OpenTarget): Promise<boolean> {
	const bus = await UserBus.connect(findUserBus(process.env)).catch(() => null);
	if (bus === null) return false;
	try {
		const word = target.kind === "uri" ? target.uri : resolve(target.path);
		await bus.call({
			...{ destination: busNames.broker, path: "/org/qubeslite", interface: busNames.broker },
			...{ member: "Open", signature: "sa{sv}", body: [word, {}], withinMs: openedWithinMs },
		});
		return true;
	} catch (cause) {
		if (!(cause instanceof BusError) || !cause.errorName.startsWith(errorPrefix)) return false;
		const [message = "", ...remedy] = cause.message.split("\n");
		const code = cause.errorName.slice(errorPrefix.length);
		throw QubesLiteError.fromFacts({ code, message, remedy: remedy.length > 0 ? remedy.join("\n") : undefined });
	} finally {
		bus.close();
	}
}
