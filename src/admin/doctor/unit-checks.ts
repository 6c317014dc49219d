/** Our units in the user manager: the broker's socket and service, and one for each vm. */
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { brokerUnits, parseUnitName } from "../../activation/unit-names.ts";
import { shellWord } from "../../shell-word.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import { type DoctorHost, vmsOf } from "./host.ts";
import { createUnitJudge, type UnitJudge } from "./unit-files.ts";
import type { UnitProperties } from "./user-manager.ts";

const { socket: socketUnit, service: serviceUnit } = brokerUnits;
const install = "qubes-lite install";

/** None where there is no manager to have units. */
export function unitChecks(host: DoctorHost): Check[] {
	const { manager } = host;
	if (manager.kind !== "there") return [];
	const judge = createUnitJudge(host);
	const vmUnits = [...manager.units.values()].flatMap((unit) => {
		const vm = parseUnitName(unit.Id)?.vm;
		return vm === undefined ? [] : [{ unit, vm }];
	});
	return [
		{ name: "socket-unit", run: () => checkBrokerUnits(host, manager.units, judge) },
		...vmUnits.map(({ unit, vm }) => ({ name: `unit:${vm}`, run: () => checkVmUnit(host, unit, vm, judge) })),
	];
}

function checkBrokerUnits(host: DoctorHost, units: ReadonlyMap<string, UnitProperties>, judge: UnitJudge): Finding {
	const socket = units.get(socketUnit);
	const service = units.get(serviceUnit);
	const both = [socket, service].filter((unit) => unit !== undefined && unit.LoadState !== "not-found");
	if (socket === undefined || service === undefined || both.length === 0) {
		return warn(
			"the broker's units are not installed: the first command starts it, and systemd keeps nothing",
			install,
		);
	}
	if (both.length === 1) return fail(`of ${socketUnit} and ${serviceUnit} one is missing`, install);
	for (const unit of [socket, service]) {
		const problem = findLoadProblem(unit) ?? findFailure(unit, `systemctl --user restart ${socketUnit}`);
		if (problem !== undefined) return problem;
	}
	const program = brokerProgramOf(service.ExecStart);
	if (program === undefined) return warn(`${serviceUnit} starts no broker of ours: ${service.ExecStart}`, install);
	const gone = [...execPathsOf(service.ExecStart), program].find((path) => !existsSync(path));
	if (gone !== undefined)
		return fail(`${serviceUnit} starts ${gone}, which is not there: has the checkout moved?`, install);
	if (`${dirname(program)}/` !== host.programs)
		return warn(`${serviceUnit} starts another checkout's broker: ${program}`, install);
	const problem = findFileProblem(socket, judge) ?? findFileProblem(service, judge);
	if (problem !== undefined) return problem;
	if (socket.ActiveState !== "active" || socket.UnitFileState !== "enabled") {
		const state = socket.ActiveState === "active" ? "not enabled for the next login" : "not active";
		return warn(`${socketUnit} is installed, but ${state}`, `systemctl --user enable --now ${socketUnit}`);
	}
	return pass(
		`${socketUnit} listens; the broker is ${service.ActiveState === "active" ? "running" : "started when needed"}`,
	);
}

function checkVmUnit(host: DoctorHost, unit: UnitProperties, vm: string, judge: UnitJudge): Finding {
	const problem =
		findLoadProblem(unit) ??
		findFileProblem(unit, judge) ??
		findFailure(unit, `qubes-lite logs ${vm}   # why; the next start tries again`, warn);
	if (problem !== undefined) return problem;
	if (vmsOf(host).length > 0 && !vmsOf(host).some(({ name }) => name === vm)) {
		if (unit.ActiveState !== "inactive") {
			return warn(
				`${unit.Id} runs, but the configuration has no vm ${vm}: its unit stays as long`,
				`qubes-lite stop ${vm} && ${install}`,
			);
		}
		return warn(`${unit.Id} is installed, but the configuration has no vm ${vm}`, install);
	}
	return pass(`${unit.Id} is ${unit.ActiveState}`);
}

function findLoadProblem({ Id, LoadState, UnitFileState, NeedDaemonReload }: UnitProperties): Finding | undefined {
	if (LoadState === "masked") {
		// Of the two places of a mask only the named one is looked at (systemctl(1), --runtime).
		const where = UnitFileState === "masked-runtime" ? " --runtime" : "";
		return fail(`${Id} is masked, so that nobody can start it`, `systemctl --user unmask${where} ${Id}`);
	}
	if (LoadState !== "loaded") return fail(`${Id} can't be loaded (${LoadState})`, install);
	if (NeedDaemonReload === "yes") {
		return warn(`${Id} has changed on disk since systemd read it`, "systemctl --user daemon-reload");
	}
	return undefined;
}

function findFileProblem({ Id, FragmentPath }: UnitProperties, judge: UnitJudge): Finding | undefined {
	if (FragmentPath === "") return undefined;
	switch (judge(Id, readFileSync(FragmentPath, "utf8"))) {
		case "edited":
			return warn(
				`${FragmentPath} was changed by hand, and is left alone: put your changes into a drop-in`,
				`mv ${shellWord(FragmentPath)} ${shellWord(`${FragmentPath}.mine`)} && ${install} && systemctl --user edit ${Id}`,
			);
		case "stale":
			return warn(`${FragmentPath} is not what this version and configuration make of it`, install);
		case "foreign":
			return warn(`${FragmentPath} is none of ours, and is left alone`, `systemctl --user cat ${Id}`);
		case "ours":
			return undefined;
	}
}

function findFailure(unit: UnitProperties, remedy: string, say = fail): Finding | undefined {
	if (unit.ActiveState !== "failed") return undefined;
	const clear = `systemctl --user reset-failed ${unit.Id}`;
	return say(`${unit.Id} has failed (${unit.Result})`, `${clear}; ${remedy}`);
}

/**
 * flock and node, of "{ path=/flock ; argv[]=/flock … /broker.lock /node --flag … --disable-sigusr1 /checkout/dist/broker.cjs ; …
 * }" (systemctl(1), show), where words are joined with spaces.
 */
const execPathsOf = (execStart: string): string[] =>
	[/\bpath=(.*?) ; argv\[\]=/, /\/broker\.lock (\/.*?) --[a-z]/].flatMap(
		(pattern) => pattern.exec(execStart)?.[1] ?? [],
	);

const brokerProgramOf = (execStart: string): string | undefined =>
	/ --disable-sigusr1 (\/.*?\/broker\.cjs) ;/.exec(execStart)?.[1];
