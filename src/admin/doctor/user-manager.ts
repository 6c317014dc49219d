/**
 * The systemd user manager and our units in it, asked through systemctl(1), which starts nothing: it speaks with the manager
 * itself, by its private socket.
 */
import { existsSync } from "node:fs";
import { brokerUnits, unitPattern } from "../../activation/unit-names.ts";
import type { Environment } from "../../config/find-config.ts";
import { findProgram } from "../../host/programs.ts";
import { parseVariables } from "../service-environment.ts";
import { runProgram } from "./run-program.ts";

export type UserManager =
	/** This machine was not booted with systemd (sd_booted(3)): the broker keeps its vms itself. */
	| { readonly kind: "none" }
	| { readonly kind: "silent"; readonly why: string }
	| {
			readonly kind: "there";
			/** "252.38-1~deb12u1" */
			readonly version: string;
			/** Of what it starts. */
			readonly environment: Environment;
			/** By name; also units that are not there, with LoadState not-found. */
			readonly units: ReadonlyMap<string, UnitProperties>;
	  };

/** As `systemctl show` gives them (org.freedesktop.systemd1(5)); "" for what a unit has not. */
export type UnitProperties = Readonly<Record<(typeof properties)[number], string>>;

const properties = [
	"Id",
	"LoadState",
	"ActiveState",
	"SubState",
	"UnitFileState",
	"Result",
	"NeedDaemonReload",
	"FragmentPath",
	"ExecStart",
	"Listen",
	"MainPID",
	"Environment",
] as const;

/** For each question; a manager that works answers in 10 ms. */
const answerWithinMs = 600;

/** Two questions, one after the other. */
export async function lookAtUserManager(env: Environment): Promise<UserManager> {
	if (!existsSync("/run/systemd/system")) return { kind: "none" };
	const systemctl = findProgram(env.PATH ?? "", "systemctl");
	if (systemctl === undefined) return { kind: "silent", why: "systemctl is not on PATH" };
	const ask = (...words: string[]) => runProgram([systemctl, "--user", "--no-pager", ...words], env, answerWithinMs);
	const [manager, variables, files] = await Promise.all([
		ask("show", "--property=Version"),
		ask("show-environment"),
		ask("list-unit-files", "--no-legend", "--full", unitPattern),
	]);
	const version = /^Version=(.+)$/m.exec(manager.stdout)?.[1];
	if (manager.status !== 0 || version === undefined) return { kind: "silent", why: toReason(manager.stderr) };
	const listed = files.stdout.split("\n").flatMap((line) => /^\S+/.exec(line)?.[0] ?? []);
	const known = [brokerUnits.socket, brokerUnits.service, brokerUnits.byBus, "dbus.socket", "dbus.service"];
	const names = [...new Set([...known, ...listed])];
	// A template is no unit that could be asked about.
	const units = names.filter((name) => !name.includes("@."));
	const shown = await ask("show", `--property=${properties.join(",")}`, "--", ...units);
	const environment = parseVariables(variables.stdout);
	return { kind: "there", version, environment, units: parseUnits(shown.stdout) };
}

const toReason = (stderr: string): string => stderr.trim().split("\n")[0] || "it does not answer";

/** One block of KEY=VALUE lines for each unit, with an empty line between. */
function parseUnits(text: string): Map<string, UnitProperties> {
	const blocks = text.split("\n\n").map((block) => {
		const values = new Map(block.split("\n").map((line) => splitOnce(line)));
		return Object.fromEntries(properties.map((name) => [name, values.get(name) ?? ""])) as UnitProperties;
	});
	return new Map(blocks.map((unit) => [unit.Id, unit]));
}

function splitOnce(line: string): [string, string] {
	const at = line.indexOf("=");
	return [line.slice(0, at), line.slice(at + 1)];
}
