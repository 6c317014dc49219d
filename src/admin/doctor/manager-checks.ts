/** The systemd user manager, as far as units need it, and the user's bus. */
import { findMissingFeatures } from "../../activation/systemd-features.ts";
import { brokerUnits } from "../../activation/unit-names.ts";
import { busItself, busNames } from "../../dbus/bus-names.ts";
import { UserBus } from "../../dbus/user-bus.ts";
import { busPackages, findUserBus, toBusProblem, usualBusOf } from "../../dbus/user-bus-place.ts";
import { toInstallCommand } from "../../host/install-command.ts";
import { findBus } from "../find-bus.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import type { DoctorHost } from "./host.ts";

/** A bus that works takes 1 ms. */
const answerWithinMs = 1_000;

export const managerChecks = (host: DoctorHost): Check[] => [
	{ name: "user-manager", run: () => checkManager(host) },
	{ name: "user-bus", run: () => checkBus(host) },
	{ name: "bus-activation", run: () => checkActivation(host) },
];

function checkManager({ manager }: DoctorHost): Finding {
	switch (manager.kind) {
		case "none":
			return pass("this machine was not booted with systemd: the broker keeps its vms itself");
		case "silent":
			return warn(
				`the systemd user manager does not answer (${manager.why}): the broker keeps its vms itself`,
				'sudo systemctl start "user@$(id -u).service" && export XDG_RUNTIME_DIR="/run/user/$(id -u)"',
			);
	}
	const version = Number.parseInt(manager.version, 10);
	const missing = findMissingFeatures(version);
	if (missing.length === 0) return pass(`systemd ${manager.version}`);
	return fail(
		`systemd ${manager.version} is too old for our units, it lacks ${missing.join("; ")}`,
		"qubes-lite uninstall   # the broker then keeps its vms itself; or update the system",
	);
}

async function checkBus(host: DoctorHost): Promise<Finding> {
	const place = findUserBus(host.env);
	const hasManager = host.manager.kind === "there";
	try {
		const activated = isListeningFor(host) ? usualBusOf(host.env) : undefined;
		return pass(await findBus(place, activated));
	} catch (cause) {
		const isNamed = place?.isNamed ?? false;
		if (host.manager.kind === "none" && !isNamed) return pass("there is none, and without systemd nothing needs it");
		const install = toInstallCommand(host.searchPath, busPackages);
		const { sentence, remedy } = toBusProblem(place, cause, { install, hasManager });
		/** Units are watched over the bus: where there are none, nothing needs it. */
		return (hasManager ? fail : warn)(sentence, remedy);
	}
}

/** Whether who calls the broker by D-Bus has it started: the bus may look for such files elsewhere than `install`. */
async function checkActivation(host: DoctorHost): Promise<Finding> {
	const { manager } = host;
	if (manager.kind !== "there" || manager.units.get(brokerUnits.byBus)?.LoadState !== "loaded") {
		return pass("it is not installed that D-Bus starts a broker");
	}
	if (isListeningFor(host)) return pass("the bus does not run yet, and learns what it can start when it does");
	const bus = await UserBus.connect(findUserBus(host.env)).catch(() => null);
	if (bus === null) return pass("there is no bus that could start one");
	try {
		const [names] = await bus.call({ ...busItself, member: "ListActivatableNames", withinMs: answerWithinMs });
		if (Array.isArray(names) && names.includes(busNames.broker)) return pass("D-Bus starts a broker for who calls one");
		return warn(
			`D-Bus does not know how to start ${busNames.broker}: programs reach a broker only while one runs`,
			"qubes-lite install && systemctl --user reload dbus.service",
		);
	} finally {
		bus.close();
	}
}

/** A connection would start what the socket unit stands for. */
function isListeningFor({ manager }: DoctorHost): boolean {
	return manager.kind === "there" && manager.units.get("dbus.socket")?.SubState === "listening";
}
