/** The notifications of a broker that runs: on the user's bus, with the logs of this machine. */
import type { Logger } from "pino";
import { findUserBus } from "../../dbus/user-bus-place.ts";
import type { Clock } from "../clock.ts";
import { DesktopServer } from "./desktop-server.ts";
import { Notifications, type NotificationsOptions } from "./notifications.ts";
import { type LogPlaces, openFile, writeLog } from "./show-log.ts";

export interface StartOptions
	extends LogPlaces,
		Pick<NotificationsOptions, "registry" | "isWanted" | "mayDo" | "newRequest" | "now"> {
	readonly clock: Clock;
	readonly env: NodeJS.ProcessEnv;
	readonly log: Logger;
	/** We are a service of the user manager's. */
	readonly isService: boolean;
}

export function startNotifications(options: StartOptions): Notifications {
	const { registry, isWanted, mayDo, newRequest, now, clock, env, log, isService } = options;
	return new Notifications({
		...{ registry, isWanted, mayDo, newRequest, now, clock },
		port: new DesktopServer(findUserBus(env), log),
		async showLog(vm, headline) {
			try {
				/** Of what has just ended they are kept soon. */
				await vm.settled();
				const directory = vm.snapshot().instance?.logs ?? "";
				return await openFile(await writeLog({ vm: vm.config.name, directory, headline }, options), isService);
			} catch (cause) {
				log.warn({ event: "log.notShown", vm: vm.config.name, err: cause });
				return false;
			}
		},
	});
}
