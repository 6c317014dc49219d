/** What systemd starts has the user manager's environment, and a login's shell may have another: both must look at the same places. */

import { readFileSync } from "node:fs";
import { shimPrograms } from "../../activation/shim-script.ts";
import { bodyOf } from "../../activation/unit-file.ts";
import { brokerUnits } from "../../activation/unit-names.ts";
import { findProgram } from "../../host/programs.ts";
import {
	addVariables,
	findLacking,
	parseVariables,
	removeVariables,
	type ServiceVariable,
} from "../service-environment.ts";
import { type Check, type Finding, pass, warn } from "./check.ts";
import type { DoctorHost } from "./host.ts";

export const serviceChecks = (host: DoctorHost): Check[] => [
	{ name: "service-environment", run: () => checkEnvironment(host) },
	{ name: "service-path", run: () => checkPath(host) },
];

const nothing = pass("no broker is started by systemd here");

function findService({ manager }: DoctorHost) {
	const service = manager.kind === "there" ? manager.units.get(brokerUnits.service) : undefined;
	if (manager.kind !== "there" || service?.LoadState !== "loaded") return undefined;
	return { environment: manager.environment, service };
}

function checkEnvironment(host: DoctorHost): Finding {
	const found = findService(host);
	if (found === undefined) return nothing;
	const there = { ...found.environment, ...parseVariables(found.service.Environment) };
	const lacking = findLacking(host.env, there);
	if (lacking.length === 0) return pass("the broker of systemd looks where this shell does");
	const differences = lacking.map(
		({ name, value }) => `${name} is ${there[name] || "not set"} there, and here ${value || "not set"}`,
	);
	return warn(
		`a broker that systemd starts looks elsewhere than this shell: ${differences.join("; ")}`,
		hasAll(found.service.FragmentPath, findLacking(host.env, found.environment))
			? `systemctl --user edit ${brokerUnits.service}   # a drop-in has the last word`
			: "qubes-lite install",
	);
}

/** Whether the unit's file says already what install would write. */
function hasAll(path: string, variables: readonly ServiceVariable[]): boolean {
	const body = bodyOf(readFileSync(path, "utf8"));
	return body === addVariables(removeVariables(body), variables);
}

/** Of the vms' units, whose shim looks for its programs itself. */
function checkPath(host: DoctorHost): Finding {
	const found = findService(host);
	const { PATH: there } = found?.environment ?? {};
	if (there === undefined) return nothing;
	const hidden = [...shimPrograms.all, ...shimPrograms.unit].flatMap((name) =>
		findProgram(there, name) === undefined ? (findProgram(host.searchPath, name) ?? []) : [],
	);
	if (hidden.length === 0) return pass("vms that systemd starts find all programs that are found here");
	return warn(
		`vms that systemd starts do not find ${hidden.join(" ")}: their PATH is ${there}`,
		"systemctl --user import-environment PATH && systemctl --user try-restart qubes-lite-broker.service",
	);
}
