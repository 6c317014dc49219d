/** All that belongs to an installation, as texts and links. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fillBrokerUnit, fillDbusService } from "../../activation/broker-units.ts";
import { markUnit } from "../../activation/unit-file.ts";
import { brokerUnits, toUnitName } from "../../activation/unit-names.ts";
import type { Environment } from "../../config/find-config.ts";
import type { Config } from "../../config/schema.ts";
import { busNames } from "../../dbus/bus-names.ts";
import { QubesLiteError } from "../../errors.ts";
import { findProgram } from "../../host/programs.ts";
import type { UnitFile } from "../../launch/vm-units.ts";
import type { Content } from "../change-files.ts";
import { formatManPages } from "../man/pages.ts";
import { completionScripts } from "../print-completion.ts";
import { addVariables, type ServiceVariable } from "../service-environment.ts";
import { toUnitsThatCanBe } from "../units/write-units.ts";
import type { Entry } from "./manifest.ts";
import type { Places } from "./places.ts";

/** Of package.json, defined when it is built. */
declare const QUBES_LITE_VERSION: string;

export interface WantedFile extends Pick<Entry, "path" | "kind"> {
	readonly content: Content;
}

const file = (text: string): Content => ({ kind: "file", text });
const link = (target: string): Content => ({ kind: "link", target });

/** `left`: why some vms have no unit. Throws where none of them can be launched on this host. */
export function toWantedFiles(
	config: Config,
	places: Places,
	env: Environment,
	variables: readonly ServiceVariable[],
): { readonly wanted: WantedFile[]; readonly left: readonly QubesLiteError[] } {
	const vms = config.supervisor === "direct" ? { units: [], left: [] } : toUnitsThatCanBe(config, env);
	const wanted = [
		...toWantedUnits(vms.units, places, env, variables),
		...toEnablements(config, places),
		...toPrograms(config, places),
		...toBusFiles(places),
		...toCompletions(places),
		...Object.entries(formatManPages(QUBES_LITE_VERSION)).map(
			([name, text]): WantedFile => ({ kind: "man", path: join(places.man, name), content: file(text) }),
		),
	];
	return { wanted, left: vms.left };
}

function toWantedUnits(
	vms: readonly UnitFile[],
	places: Places,
	env: Environment,
	variables: readonly ServiceVariable[],
): WantedFile[] {
	return [...toBrokerUnits(places.root, env.PATH ?? "", variables), ...vms].map(({ name, text }) => ({
		kind: "unit",
		path: join(places.units, name),
		content: file(text),
	}));
}

/** Throws where flock(1) is missing, or a path is one that systemd starts no program from. `variables` are for the service. */
export function toBrokerUnits(
	root: string,
	searchPath: string,
	variables: readonly ServiceVariable[],
): { name: string; text: string }[] {
	const flock = findProgram(searchPath, "flock");
	if (flock === undefined) {
		throw new QubesLiteError("Unsupported", "flock is not on PATH, which holds the broker's lock", {
			remedy: "install util-linux",
		});
	}
	const paths = { flock, node: process.execPath, dist: join(root, "dist") };
	const templates = join(root, "units");
	const names = readdirSync(templates).filter((name) => name.includes("."));
	return names.map((name) => {
		const unit = fillBrokerUnit(readFileSync(join(templates, name), "utf8"), paths);
		return { name, text: markUnit(name === brokerUnits.service ? addVariables(unit, variables) : unit) };
	});
}

/** The links that `systemctl enable` would make of [Install], which also serve a manager that is not there yet. */
function toEnablements({ vms, supervisor }: Config, { units }: Places): WantedFile[] {
	const starts = supervisor === "direct" ? [] : vms.filter(({ autoStart }) => autoStart);
	const enable = (target: string, unit: string): WantedFile => ({
		kind: "enablement",
		path: join(units, `${target}.wants`, unit),
		content: link(join(units, unit)),
	});
	return [
		enable("sockets.target", brokerUnits.socket),
		...starts.map(({ name }) => enable("default.target", toUnitName(name))),
	];
}

/** By which the user's bus starts a broker, also where there is no systemd; and the interfaces, for tools. */
function toBusFiles({ root, dbusServices, dbusInterfaces }: Places): WantedFile[] {
	const paths = { node: process.execPath, dist: join(root, "dist") };
	const name = `${busNames.broker}.service`;
	const service = fillDbusService(readFileSync(join(root, "units/dbus", name), "utf8"), paths);
	const interfaces = [busNames.broker, busNames.vm].map(
		(spec): WantedFile => ({
			kind: "dbus",
			path: join(dbusInterfaces, `${spec}.xml`),
			content: file(readFileSync(join(root, "docs/dbus", `${spec}.xml`), "utf8")),
		}),
	);
	return [{ kind: "dbus", path: join(dbusServices, name), content: file(service) }, ...interfaces];
}

function toPrograms({ vms }: Config, { programs, root }: Places): WantedFile[] {
	const launch = (name: string, program: string): WantedFile => ({
		kind: "program",
		path: join(programs, name),
		content: link(join(root, "bin", program)),
	});
	return [
		...["run-in-vm", "qubes-lite"].map((program) => launch(program, program)),
		...vms.map(({ name }) => launch(`qubes-lite-start-${name}`, "qubes-lite")),
	];
}

/** bash and fish look for a file by the command's name; each script is for both commands. */
function toCompletions({ bashCompletion, zshCompletion, fishCompletion }: Places): WantedFile[] {
	const complete = (path: string, shell: string): WantedFile => ({
		kind: "completion",
		path,
		content: file(completionScripts[shell]?.() ?? ""),
	});
	return [
		...["qubes-lite", "run-in-vm"].flatMap((program) => [
			complete(join(bashCompletion, program), "bash"),
			complete(join(fishCompletion, `${program}.fish`), "fish"),
		]),
		complete(join(zshCompletion, "_qubes-lite"), "zsh"),
	];
}
